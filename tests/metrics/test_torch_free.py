"""Checking and evaluating files does not wait for torch, which takes seconds to import."""

import subprocess
import sys

import pytest

from paths import ROOT

MODULES = (
    "run_bench",
    "vis_bench.data.datasets",
    "vis_bench.data.split",
    "vis_bench.data.validate",
    "vis_bench.metrics.compare",
    "vis_bench.metrics.ap",
    "vis_bench.runs.external",
)


@pytest.mark.parametrize("module", MODULES)
def test_it_imports_without_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_plain_eval_waits_for_no_heavy_library():
    code = (
        "import sys, vis_bench.commands.eval; "
        "heavy = {'torch', 'scipy.optimize', 'scipy.sparse', 'pydantic', 'pandas', 'matplotlib'}; "
        "sys.exit(str(heavy & sys.modules.keys() or ''))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert found.stderr.strip() == ""
