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
