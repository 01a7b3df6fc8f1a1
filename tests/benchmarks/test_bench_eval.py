"""Timings of the evaluator: `pytest tests/benchmarks/test_bench_eval.py --benchmark-only`."""

import resource
import subprocess
import sys
import time

import numpy as np
import pytest

from eval_workload import write
from paths import ROOT

LOAD = """
import json, sys, time
with open(sys.argv[1]) as file:
    start = time.perf_counter()
    json.load(file)
    print(time.perf_counter() - start)
"""


@pytest.fixture(scope="module")
def workload(tmp_path_factory):
    return write(tmp_path_factory.mktemp("workload"))


def test_eval_process_against_json_load(benchmark, workload):
    """The whole `eval` process over `json.load` alone, which a fresh process times itself."""
    annotations, predictions = workload
    command = [sys.executable, "run_bench.py", "eval", "--json"]
    command += ["--annotations", annotations, "--predictions", predictions]
    ratios = []

    def once():
        load = [sys.executable, "-c", LOAD, predictions]
        load_seconds = float(subprocess.run(load, check=True, capture_output=True).stdout)
        start = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        ratios.append((time.perf_counter() - start) / load_seconds)

    benchmark.pedantic(once, rounds=9)
    benchmark.extra_info["eval over json.load, median"] = float(np.median(ratios))
    benchmark.extra_info["eval over json.load, all"] = [round(ratio, 2) for ratio in ratios]


def test_eval_with_tracking_against_eval(benchmark, workload):
    """The processor time of `eval --tracking`, of `eval` and of `json.load`, in turns.

    Of each the least is taken, which other work on the machine disturbs least.
    """
    annotations, predictions = workload
    command = [sys.executable, "run_bench.py", "eval", "--json"]
    command += ["--annotations", annotations, "--predictions", predictions]
    load = [sys.executable, "-c", LOAD.replace("perf_counter", "process_time"), predictions]
    seconds = {"json.load": [], "eval": [], "eval --tracking": []}

    def once():
        loaded = subprocess.run(load, check=True, capture_output=True).stdout
        seconds["json.load"].append(float(loaded))
        for name, words in (("eval", command), ("eval --tracking", [*command, "--tracking"])):
            before = _processor_seconds()
            subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
            seconds[name].append(_processor_seconds() - before)

    benchmark.pedantic(once, rounds=5)
    least = {name: min(values) for name, values in seconds.items()}
    benchmark.extra_info["processor seconds, least"] = least
    benchmark.extra_info["eval over json.load"] = least["eval"] / least["json.load"]
    benchmark.extra_info["eval --tracking over eval"] = least["eval --tracking"] / least["eval"]


def _processor_seconds():
    """Processor time of all ended child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
