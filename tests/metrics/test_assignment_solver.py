"""SciPy's solver, loaded alone, is the one that `scipy.optimize` gives."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.optimize

from paths import ROOT
from vis_bench.metrics.tracking import solver


@pytest.mark.parametrize("maximize", [False, True])
def test_it_solves_as_scipy_does_with_ties(maximize):
    generator = np.random.default_rng(0)
    alone = solver._solver_alone()
    assert alone is not None
    for _ in range(300):
        cost_NM = generator.integers(0, 4, generator.integers(0, 7, 2)) / 4
        expected = scipy.optimize.linear_sum_assignment(cost_NM, maximize)
        for found in (
            alone(cost_NM, maximize),
            solver.linear_sum_assignment(cost_NM, maximize=maximize),
        ):
            np.testing.assert_array_equal(found, expected)


def test_a_scipy_that_keeps_it_elsewhere_is_asked_itself(monkeypatch):
    monkeypatch.setattr(solver, "_FILE", "_nowhere")
    monkeypatch.setattr(solver, "_PACKAGE", "scipy.nowhere")
    assert solver._solver_alone() is None
    rows, columns = solver._solver.__wrapped__()(np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert (rows.tolist(), columns.tolist()) == ([0, 1], [1, 0])


def test_neither_the_rest_of_scipy_nor_pydantic_is_waited_for():
    code = (
        "import sys, numpy as np\n"
        "import vis_bench.metrics.ytvis, vis_bench.show.evaluation\n"
        "from vis_bench.metrics.tracking.evaluate import evaluate_tracking\n"
        "from vis_bench.metrics.tracking.solver import linear_sum_assignment\n"
        "linear_sum_assignment(np.eye(2))\n"
        "unwanted = {'scipy.optimize', 'scipy.linalg', 'pydantic', 'pandas'}\n"
        "sys.exit(bool(unwanted & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
