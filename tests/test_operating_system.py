"""On Windows and macOS every module is imported, runs work, and what does not says so.

The other systems are imitated by `other_system`, which hides the calls that they lack.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from paths import GOLDEN
from vis_bench.record.store import RecordStore

SUPPORT = Path(__file__).parent / "support"
RUN = ["--limit", "1", "--device", "cpu", "--output", "records", "--set", "speed.processes=1"]
WORKING = [
    ["list"],
    ["eval", "--annotations", str(GOLDEN / "eval_quirks.gt.json"),
     "--predictions", str(GOLDEN / "eval_quirks.preds.json")],
    ["run", "ifc_mini_synthetic", *RUN],
    ["table", "comparison"],
]  # fmt: skip
OTHER_PYTHON = """
method: external_video
options: {back_end: callable, function: "model:predict", project_path: ., python: python}
dataset: {name: synthetic}
clip_length: whole
"""


@pytest.fixture
def ended_on(tmp_path):
    """Exit code and standard error of each command on a system."""

    def ended(system, commands):
        done = subprocess.run(
            [sys.executable, SUPPORT / "other_system.py", system],
            input=json.dumps(commands),
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_OPS_CACHE": str(tmp_path / "cache")},
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ended


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_the_core_works(system, ended_on, tmp_path):
    ended = ended_on(system, WORKING)
    assert [code for code, _ in ended] == [0] * len(WORKING), ended
    [record] = RecordStore(tmp_path / "records")
    assert record.ap > 0


def test_windows_refuses_other_processes_and_compiled_kernels(ended_on, tmp_path):
    (tmp_path / "other.yaml").write_text(OTHER_PYTHON)
    refused = [
        ["run", "ifc_mini_synthetic", *RUN, "--workers", "2"],
        ["run", "ifc_mini_synthetic", *RUN, "--ray", "auto"],
        ["run", "other.yaml", *RUN],
        ["run", "seqformer_mini_synthetic", *RUN, "--set", "kernel_backend=cpu"],
    ]
    [*ended, (automatic, err)] = ended_on(
        "win32",
        [*refused, ["run", "seqformer_mini_synthetic", *RUN, "--set", "measure=accuracy"]],
    )
    for code, error in ended:
        assert code == 2
        assert "win32" in error and "expected Linux or macOS" in error  # noqa: PT018
    assert automatic == 0
    assert "win32" in err
