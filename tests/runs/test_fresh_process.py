"""A call in a fresh process: its answer, its failures, its end, and speed measured so."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import fresh_calls
from run_case import QUIET, jobs_of
from video_key import build_key
from vis_bench.errors import InputError
from vis_bench.record.store import RecordStore
from vis_bench.runs.fresh_process import call_in_fresh_process
from vis_bench.runs.harness import run_jobs

CONFIG = """
method: METHOD
dataset: {name: synthetic, split: val, plain: true}
resolution: native
measure: [speed]
speed: {regions: [model+tracker, end_to_end], videos: 1, warmup: 0, repetitions: 1, seconds: 0}
"""
LONG = 60.0  # seconds; a process that never ends fails a test then


def test_every_call_has_a_process_of_its_own_with_this_ones_settings(tmp_path, capfd):
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        found = [call_in_fresh_process(fresh_calls.facts, tmp_path) for _ in range(2)]
    finally:
        torch.set_num_threads(threads)
    assert len({os.getpid(), *(pid for pid, *_ in found)}) == 3
    assert all(rest == [sys.path, threads + 1, False] for _, *rest in found)
    assert (tmp_path / "cwd").read_text() == str(Path.cwd())
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ((fresh_calls.fail, "input"), "^key is 3; expected 4$"),
        ((fresh_calls.fail, "error"), r"^RuntimeError in fresh_calls.py:\d+: out of luck$"),
        ((fresh_calls.fail, "exit"), "^ended with exit status 3$"),
        ((fresh_calls.fail, "abort"), r"^ended with signal 6; its last output: .*last words"),
        ((fresh_calls.unpicklable,), "pickle"),
        ((lambda: None,), "^cannot be sent to a fresh process: .*"),
    ],
)
def test_a_failure_is_a_sentence(call, expected):
    with pytest.raises(InputError, match=expected):
        call_in_fresh_process(*call)


def test_threads_that_a_plug_in_leaves_keep_nobody_waiting():
    start = time.monotonic()
    assert call_in_fresh_process(fresh_calls.leave_a_thread) == "done"
    assert time.monotonic() - start < LONG


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_it_ends_with_the_process_that_waits_for_it(tmp_path):
    file = tmp_path / "pid"
    code = (
        "import sys; sys.path[:] = eval(sys.argv[1]); import fresh_calls; "
        "from vis_bench.runs.fresh_process import call_in_fresh_process; "
        "call_in_fresh_process(fresh_calls.wait_for_ever, sys.argv[2])"
    )
    caller = subprocess.Popen([sys.executable, "-c", code, repr(sys.path), str(file)])
    end = time.monotonic() + LONG
    while not (file.exists() and file.read_text()) and time.monotonic() < end:
        time.sleep(0.05)
    pid = int(file.read_text())
    os.kill(pid, 0)
    caller.kill()
    caller.wait()
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail(f"process {pid} outlives the one that waited for it")


@pytest.mark.parametrize("method", ["color_key", "video_key"])
def test_speed_of_several_processes(tmp_path, method):
    text = CONFIG.replace("METHOD", method).replace("seconds: 0", "seconds: 0, processes: 3")
    [job] = jobs_of(tmp_path, text, build=build_key, limit=2)
    [record] = run_jobs([job], RecordStore(tmp_path), QUIET).records
    assert (record.failures, record.speed_processes) == ({}, 3)
    assert [*record.regions] == ["model+tracker", "end_to_end"]
    for region in (record, *record.regions.values()):
        assert region.fps_low <= region.fps <= region.fps_high
        assert region.fps_low < region.fps_high
        assert sum(region.stage_ms_per_frame.values()) == pytest.approx(1e3 / region.fps)
        assert (region.num_timed, region.speed_spread) == (1, None)


def test_one_process_is_this_one(tmp_path):
    [job] = jobs_of(tmp_path, CONFIG.replace("METHOD", "color_key"), limit=2)
    [record] = run_jobs([job], RecordStore(tmp_path), QUIET).records
    assert (record.speed_processes, record.fps_low, record.fps_high) == (1, None, None)


def test_a_job_that_cannot_be_sent_is_named_and_the_run_goes_on(tmp_path):
    text = CONFIG.replace("METHOD", "color_key").replace("seconds: 0", "seconds: 0, processes: 2")
    text = text.replace("[speed]", "[accuracy, speed]")

    def build(name, **options):
        return build_key(name, **options)

    [job] = jobs_of(tmp_path, text, build=build, limit=2)
    [record] = run_jobs([job], RecordStore(tmp_path), QUIET).records
    assert (record.ap is not None, record.fps) == (True, None)
    assert record.failures["speed"].startswith("process 1 of 2: cannot be sent")
