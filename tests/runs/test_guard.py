"""No code of a method runs outside of the guard that puts the process's settings back."""

import ast
import os

import pytest
import torch

from methods.color_key import ColorKey
from paths import ROOT
from run_case import QUIET, jobs_of
from vis_bench.data.synthetic import write_dataset
from vis_bench.errors import InputError
from vis_bench.method import VISMethod
from vis_bench.progress import Bars
from vis_bench.record.store import RecordStore
from vis_bench.runs.again import measure_again
from vis_bench.runs.attempt import Attempt
from vis_bench.runs.config import load_cell
from vis_bench.runs.harness import run_jobs
from vis_bench.runs.predict import (
    find_inputs,
    load_for_figure,
    load_predictor,
    predict,
    predict_rows,
)
from vis_bench.runs.ray.ray_run import Worker
from vis_bench.runs.shards import cut
from vis_bench.show.flops import report_flops
from vis_bench.show.predicted_memory import report_memory

CONFIG = """
method: watched
dataset: {name: synthetic, split: val, plain: true}
resolution: native
measure: [accuracy, speed, flops, memory, streaming]
speed: {warmup: 0, repetitions: 1, seconds: 0}
memory: {lengths: [11, 22, 33]}
streaming: {rates: [6]}
"""
CPU, LEAVE = torch.device("cpu"), os._exit
CALLED = []
WATCHED = ["encode_frames", "predict_clip", "predict_next", "prepare_for_inference",
           "take_categories", "load_state_dict", "to", "resolved_kernel_backend",
           "resolved_kernel_build"]  # fmt: skip


def note(name):
    CALLED.append((name, os._exit is not LEAVE))  # which the guard replaces


def watched(name):
    def call(self, *arguments, **options):
        note(name)
        return getattr(ColorKey, name)(self, *arguments, **options)

    return call


Watched = type("Watched", (ColorKey,), {name: watched(name) for name in WATCHED})
Watched.num_params = property(lambda self: note("num_params") or 0)


def build(name, *, num_classes):
    note("build")
    return Watched(num_classes)


def jobs(folder):
    return jobs_of(folder, CONFIG, build=build, limit=1)


def measured(folder):
    store = RecordStore(folder)
    [record] = run_jobs(jobs(folder), store, QUIET).records
    assert record.failures == {}
    [again] = measure_again(jobs(folder), store, QUIET, name="speed").records
    assert again.failures == {}


def on_ray(folder):
    [job] = jobs(folder)
    worker = Worker(lambda references: references, 1)
    tracks, _ = worker.infer(cut(job)[0], [job])
    assert tracks
    assert worker.measure_cost([job]).failures == {}


def predicted(folder):
    write_dataset(folder, Bars(quiet=True), plain=True, num_videos={"val": 1})
    [job] = jobs(folder)
    inputs = find_inputs(job.cell, folder / "val" / "JPEGImages")
    loaded = load_predictor(build, job.cell, [*inputs.categories.values()], CPU)
    predict(loaded, inputs, job.plan, folder / "r.json", QUIET)


def drawn(folder):
    jobs(folder)
    shown = load_for_figure(build, str(folder / "c.yaml"), [], CPU)
    assert len(predict_rows({"a": shown}, lambda frames: None)) == 1
    with pytest.raises(InputError, match="no deformable attention"):
        shown.num_recorded_layers("decoder", lambda part: [])


def counted(folder):
    jobs(folder)
    cell = load_cell(folder / "c.yaml", [], "a test")
    assert len([*report_flops(build, [cell]), *report_memory(build, [cell])]) == 2


@pytest.mark.parametrize("use", [measured, on_ray, predicted, drawn, counted])
def test_every_call_of_a_method_is_guarded(use, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    CALLED.clear()
    use(tmp_path)
    assert {"build", "encode_frames", "predict_clip"} <= {name for name, _ in CALLED}
    assert {name for name, guarded in CALLED if not guarded} == set()
    assert os._exit is LEAVE


def test_an_attempt_gives_out_its_method_inside_of_the_guard_alone(tmp_path):
    [job] = jobs(tmp_path)
    attempt = Attempt(job, RecordStore(tmp_path), QUIET, "a title")
    for thing in (attempt, job, attempt.method):
        public = [name for name in dir(thing) if not name.startswith("_")]
        assert [n for n in public if isinstance(getattr(thing, n), VISMethod)] == []
    for context in (attempt.calling(), attempt.calling_on_meta()):
        with context as method:
            assert isinstance(method, VISMethod)
            assert os._exit is not LEAVE


def test_methods_are_built_and_guarded_in_one_place():
    """A measurement, a command or a figure that builds a method itself would have no guard."""
    builders = set()
    for path in (ROOT / "vis_bench").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = node.func if isinstance(node, ast.Call) else None
            name = getattr(name, "attr", None) or getattr(name, "id", None)
            if name in ("build_method", "kept_process_state", "prepare_for_inference"):
                builders.add((path.relative_to(ROOT).as_posix(), name))
    assert builders == {
        ("vis_bench/runs/build.py", "build_method"),
        ("vis_bench/runs/build.py", "kept_process_state"),
        ("vis_bench/runs/build.py", "prepare_for_inference"),
    }
