"""A run keeps what it has measured, whatever fails beside it."""

import json

import pytest
import torch

from run_case import QUIET, Heard, jobs_of
from vis_bench.cli import main
from vis_bench.data.results_file import read_results
from vis_bench.errors import InputError
from vis_bench.measures.accuracy import run as accuracy_run
from vis_bench.measures.flops import run as flops_run
from vis_bench.metrics.ap import evaluate
from vis_bench.metrics.matching import match
from vis_bench.metrics.scores import Asked, ap_score
from vis_bench.record.names import file_stem
from vis_bench.record.store import RecordStore, failed_file
from vis_bench.runs import attempt, harness
from vis_bench.runs.harness import run_jobs

CONFIG = """
method: color_key
dataset: {name: synthetic, split: val, plain: true}
resolution: native
clip_length: [whole, 10, 5]
clip_stride: 5
measure: [accuracy, flops]
"""


@pytest.fixture
def jobs(tmp_path):
    return jobs_of(tmp_path, CONFIG, limit=1)


def run(jobs, tmp_path, *, resume=False):
    return run_jobs(jobs, RecordStore(tmp_path / "out"), QUIET, resume=resume)


def fails_for(length, function, error):
    def replacement(job, *arguments):
        cell = getattr(job, "job", job).cell  # of a job or an attempt at one
        if cell.clip_length == length:
            raise error
        return function(job, *arguments)

    return replacement


def test_a_measurement_that_fails_leaves_the_others_of_its_cell(jobs, tmp_path, monkeypatch):
    failing = fails_for(10, flops_run.measure, TypeError("cannot convert a meta tensor"))
    monkeypatch.setattr(flops_run, "measure", failing)
    outcome = run(jobs, tmp_path)
    whole, clips, _ = outcome.records
    assert whole.failures == {}
    assert clips.ap is not None
    assert clips.gflops_per_frame is None
    assert "TypeError" in clips.failures["flops"]
    assert "cannot convert a meta tensor" in clips.failures["flops"]
    assert len(outcome.failures) == 1
    assert "color_key synthetic T=10 S=5 native, flops" in outcome.failures[0]


def test_a_cell_that_fails_is_named_and_the_others_are_measured(jobs, tmp_path, monkeypatch):
    real = attempt.track_video

    def failing(method, video, plan, category_ids):
        if plan.clip_length == 10:
            raise MemoryError
        return real(method, video, plan, category_ids)

    monkeypatch.setattr(attempt, "track_video", failing)
    monkeypatch.setattr(type(jobs[2]), "load_method", _refuse_five(type(jobs[2]).load_method))
    outcome = run(jobs, tmp_path)
    assert [record.clip_length for record in outcome.records] == ["whole", 10]
    assert ["T=10" in outcome.failures[0], "T=5" in outcome.failures[1]] == [True, True]
    assert "out of memory" in outcome.failures[1]


def _refuse_five(load):
    def replacement(job):
        if job.cell.clip_length == 5:
            raise torch.OutOfMemoryError("out of memory")
        return load(job)

    return replacement


def test_a_record_names_the_flags_of_its_kernels(tmp_path):
    config = CONFIG.replace("color_key", "seqformer\noptions: {variant: mini}") + "kernel_backend: "
    builds = {}
    for backend in ("cpu", "reference"):
        job, *_ = jobs_of(tmp_path, config + backend, limit=1)
        record = harness.describe(job, job.load_method())
        builds[record.kernel_backend] = record.kernel_build
    assert "-O3" in builds["cpu"].split()
    assert builds["reference"] is None


def test_resume_takes_whole_records_and_measures_failed_ones_last(jobs, tmp_path, monkeypatch):
    real = flops_run.measure
    monkeypatch.setattr(flops_run, "measure", fails_for("whole", real, InputError("no rule")))
    first = run(jobs, tmp_path)
    assert first.records[0].failures == {"flops": "no rule"}
    order = []
    monkeypatch.setattr(
        flops_run,
        "measure",
        lambda attempt, record: order.append(attempt.job.cell.clip_length) or real(attempt, record),
    )
    (tmp_path / "out" / f"{file_stem(first.records[2])}.json").unlink()
    second = run(jobs, tmp_path, resume=True)
    assert order == [5, "whole"]
    assert second.failures == []
    assert [record.clip_length for record in second.records] == ["whole", 10, 5]
    assert second.records[1] == first.records[1]


@pytest.mark.parametrize("failing", ["accuracy", "flops", "load_method"])
def test_a_whole_record_outlives_a_run_that_fails(jobs, tmp_path, monkeypatch, capsys, failing):
    jobs, out = jobs[1:2], tmp_path / "out"
    [record] = run(jobs, tmp_path).records
    [path] = RecordStore(out).paths()
    kept = {p.name: p.read_bytes() for p in out.iterdir()}
    with monkeypatch.context() as patch:
        places = {"accuracy": (accuracy_run, "evaluate_tracks"), "flops": (flops_run, "measure")}
        place = places.get(failing, (type(jobs[0]), "load_method"))
        patch.setattr(*place, fails_for(10, None, TypeError("broken")))
        # Had its results file been replaced, the record's AP would belong to another.
        monkeypatch.setattr(attempt, "track_video", lambda *arguments: [])
        assert len(run(jobs, tmp_path).failures) == 1
    failed = failed_file(path)
    assert {p.name: p.read_bytes() for p in out.iterdir() if p.is_file() and p != failed} == kept
    assert "TypeError" in str(json.loads(failed.read_text())["failures"])
    assert RecordStore(out).readable().records == (record,)
    assert main(["check", "--baseline", str(path), "--current", str(out)]) == 0
    assert failed.name in capsys.readouterr().err
    monkeypatch.undo()
    assert run(jobs, tmp_path, resume=True).failures == []
    assert not failed.exists()
    assert run(jobs, tmp_path, resume=True).records == list(RecordStore(out))


@pytest.mark.parametrize("limit", [2, 3])
def test_a_record_holds_the_interval_of_its_ap(limit, tmp_path):
    """Of fewer than three videos there is none, and none where AP is the same on all."""
    jobs = jobs_of(tmp_path, CONFIG, limit=limit)[:1]
    (record,) = run(jobs, tmp_path).records
    results = read_results(tmp_path / "out" / record.predictions)
    ends = ap_score(match(jobs[0].ground_truth, results)).interval
    assert ends is None if limit == 2 else record.ap in (0, 1) or ends
    assert (record.ap_low, record.ap_high) == (ends or (None, None))


@pytest.mark.parametrize(("method", "warns"), [("color_key", True), ("color_follow", False)])
def test_clips_without_shared_frames_cost_an_online_method_nothing(method, warns, tmp_path):
    jobs = jobs_of(tmp_path, CONFIG.replace("color_key", method), limit=1)
    bars = Heard()
    outcome = run_jobs(jobs, RecordStore(tmp_path / "out"), bars)
    assert any("clips share no frames" in message for message in bars.said) == warns
    assert (len({(r.ap, r.gflops_per_frame) for r in outcome.records}) == 1) != warns


def test_a_run_measures_boundary_ap_where_it_is_asked_for(jobs, tmp_path):
    config = f"{CONFIG}accuracy: {{boundary: true}}\n".replace("[accuracy, flops]", "accuracy")
    asked = jobs_of(tmp_path, config, limit=1)[0]
    [record] = run_jobs([asked], RecordStore(tmp_path / "out"), QUIET).records
    results = read_results(tmp_path / "out" / record.predictions)
    expected = evaluate(asked.ground_truth, results, Asked(boundary=True)).boundary.summary()
    numbers = record.boundary_ap, record.boundary_ap50, record.boundary_ap75
    assert numbers == (expected["ap"], expected["ap50"], expected["ap75"])
    [plain] = run_jobs(jobs[:1], RecordStore(tmp_path / "plain"), QUIET).records
    assert plain.boundary_ap is None


@pytest.mark.parametrize(("threshold", "says"), [(2.0, True), (0.0, False)])
def test_a_run_names_scores_that_are_all_below_the_threshold_of_its_hota(
    threshold, says, jobs, tmp_path, monkeypatch
):
    monkeypatch.setattr(accuracy_run, "SCORE_THRESHOLD", threshold)
    bars = Heard()
    [record] = run_jobs(jobs[:1], RecordStore(tmp_path / "out"), bars).records
    assert (record.tracking_score_threshold, record.hota == 0) == (threshold, says)
    assert record.ap > 0
    assert any("has none in 1 of 1 video" in text for text in bars.said) == says
