"""Timings of the evaluator: `pytest tests/benchmarks/test_bench_eval.py --benchmark-only`."""

import resource
import subprocess
import sys
import time

import numpy as np
import pytest

import vis_bench
from eval_workload import NUM_VIDEOS, write
from paths import ROOT
from peak_memory import peak_of
from vis_bench.data.results_file import read_results, write_results

LOAD = """
import json, sys, time
with open(sys.argv[1]) as file:
    start = time.perf_counter()
    json.load(file)
    print(time.perf_counter() - start)
"""


@pytest.fixture(scope="module")
def workload(tmp_path_factory, pytestconfig):
    """All videos, or a few where nothing is timed."""
    num_videos = 4 if pytestconfig.getoption("benchmark_disable") else NUM_VIDEOS
    return write(tmp_path_factory.mktemp("workload"), num_videos=num_videos)


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


def test_evaluator_against_a_file(benchmark, workload, tmp_path):
    """Tracks in memory to AP by `Evaluator`, and by a results file that is written and read.

    The least processor time of each, in turns, and the peak of what Python holds beside the tracks.
    """
    annotations, predictions = workload
    by_video = {}
    for track in read_results(predictions).tracks:
        by_video.setdefault(track.video_id, []).append(track)

    def in_memory():
        evaluator = vis_bench.Evaluator(annotations)
        for video_id, tracks in by_video.items():
            rows = [(t.score, t.category_id, t.segmentations) for t in tracks]
            evaluator.add(video_id, *zip(*rows, strict=True))
        return evaluator.compute().summary()["ap"]

    def by_file():
        write_results((t for tracks in by_video.values() for t in tracks), tmp_path / "r.json")
        return vis_bench.evaluate(annotations, tmp_path / "r.json").summary()["ap"]

    seconds, aps = {in_memory: [], by_file: []}, set()

    def once():
        for way, used in seconds.items():
            start = time.process_time()
            aps.add(way())
            used.append(time.process_time() - start)

    benchmark.pedantic(once, rounds=3)
    assert len(aps) == 1
    least = {way.__name__: min(used) for way, used in seconds.items()}
    benchmark.extra_info["processor seconds, least"] = least
    benchmark.extra_info["in memory over by file"] = least["in_memory"] / least["by_file"]
    benchmark.extra_info["peak, MiB"] = {
        way.__name__: round(peak_of(way)[1] / 2**20) for way in seconds
    }


def _processor_seconds():
    """Processor time of all ended child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
