"""With one thread two runs predict the same bytes, whatever the order of sets in a process."""

import json
import os
import subprocess
import sys

from paths import ROOT

# What a run measures anew each time.
CHANGING = {"created_at", "command", "load_average"}


def run(output, hash_seed):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": hash_seed}
    command = [
        sys.executable,
        str(ROOT / "run_bench.py"),
        "run",
        "gate",
        "--limit",
        "1",
        "--device",
        "cpu",
        "--set",
        "measure=accuracy",
        "--set",
        "resolution=128",
        "--output",
        str(output),
    ]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_runs_predict_the_same_bytes(tmp_path):
    printed = [run(tmp_path / seed, seed) for seed in ("1", "2")]
    assert printed[0] == printed[1]
    one, two = ({path.name: path for path in (tmp_path / seed).iterdir()} for seed in ("1", "2"))
    assert set(one) == set(two)
    results = [name for name in one if name.endswith(".results.json")]
    assert len(results) == 4, "seqformer, ifc, ms_sts and color_key"
    for name in one:
        if name in results:
            assert one[name].read_bytes() == two[name].read_bytes()
            assert json.loads(one[name].read_bytes())
        else:
            first, second = (json.loads(paths[name].read_text()) for paths in (one, two))
            assert {k for k in first if first[k] != second[k]} <= CHANGING
