"""Timings of the evaluator: `pytest tests/test_bench_eval.py --benchmark-only`."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.eval_workload import write

ROOT = Path(__file__).resolve().parent.parent
LOAD = "import json, sys; json.load(open(sys.argv[1]))"


@pytest.fixture(scope="module")
def workload(tmp_path_factory):
    return write(tmp_path_factory.mktemp("workload"))


def seconds(command):
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def test_eval_process_against_json_load(benchmark, workload):
    """`json.load` is timed within a running process: its own start would flatter the ratio."""
    annotations, predictions = workload
    command = [sys.executable, "run_bench.py", "eval", "--json"]
    command += ["--annotations", annotations, "--predictions", predictions]
    ratios = []

    def once():
        start = time.perf_counter()
        with predictions.open() as file:
            json.load(file)
        load = time.perf_counter() - start
        ratios.append(seconds(command) / load)

    benchmark.pedantic(once, rounds=7)
    benchmark.extra_info["eval over json.load, median"] = float(np.median(ratios))
    benchmark.extra_info["eval over json.load, all"] = [round(ratio, 2) for ratio in ratios]
