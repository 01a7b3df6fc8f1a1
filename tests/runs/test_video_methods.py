"""A `VideoMethod` is measured as built-in methods are, with `color_key`'s numbers."""

import pytest

from run_case import QUIET, jobs_of
from video_key import build_key
from vis_bench.errors import InputError
from vis_bench.measures.speed.table import speed_table, untimed_remarks
from vis_bench.record.store import RecordStore
from vis_bench.runs.harness import run_jobs
from vis_bench.runs.run_shard import ShardOption, run_shard
from vis_bench.show.report.measurements import sections

CONFIG = """
method: METHOD
dataset: {name: synthetic, split: val, plain: true}
resolution: native
clip_length: whole
measure: [MEASURE]
speed:
  {regions: [model, model+tracker, end_to_end], videos: 1, warmup: 0, repetitions: 1, seconds: 0}
"""
VIDEOS = 2


def key_jobs(folder, method="video_key", measure="accuracy", **changes):
    text = CONFIG.replace("METHOD", method).replace("MEASURE", measure)
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    return jobs_of(folder, text, build=build_key, limit=VIDEOS)


def run(folder, *arguments, resume=False, **changes):
    jobs = key_jobs(folder, *arguments, **changes)
    outcome = run_jobs(jobs, RecordStore(folder), QUIET, resume=resume)
    [record] = outcome.records
    results = folder.joinpath(record.predictions).read_bytes() if record.predictions else None
    return record, results, outcome.failures


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return run(tmp_path_factory.mktemp("video"))


def test_accuracy_is_that_of_the_same_network_behind_clips(measured, tmp_path):
    record, results, failures = measured
    clips, clip_results, _ = run(tmp_path, "color_key")
    assert failures == []
    assert results == clip_results
    for field in ("ap", "ap50", "ar10", "hota", "ap_low", "num_params", "weights_source"):
        assert getattr(record, field) == getattr(clips, field)
    assert record.ap > 0.9


def test_shards_and_resume_give_the_same_bytes(measured, tmp_path, monkeypatch):
    jobs = key_jobs(tmp_path)
    store = RecordStore(tmp_path)
    for number in (1, 2):
        run_shard(jobs, store, QUIET, ShardOption(number, 2))
    record, results, _ = run(tmp_path, resume=True)
    assert results == measured[1]
    monkeypatch.setattr("video_key.VideoKey.predict_video", None)
    assert run(tmp_path, resume=True)[0].created_at == record.created_at


def test_region_model_stands_blank_with_its_reason(tmp_path):
    record, _, failures = run(tmp_path, "video_key", "speed")
    assert failures == []
    assert [*record.regions] == ["model+tracker", "end_to_end"]
    assert record.timed_region == "model+tracker"
    assert record.fps == record.regions["model+tracker"].fps > 0
    assert record.regions["end_to_end"].stage_ms_per_frame.keys() >= {"decode", "predict", "rle"}
    assert [*record.untimed_regions] == ["model"]
    rows = {row["Region"]: row["FPS"] for row in speed_table([record]).as_dicts()}
    assert rows.pop("model") == "-"
    assert rows.keys() == record.regions.keys()
    [remark] = untimed_remarks([record, record])
    assert record.untimed_regions["model"] in remark
    [section] = sections([record])
    assert remark in section.page.all_remarks
    assert [row[0].text for row in section.page.tables[0].rows][-1] == "model"


def test_flops_that_cannot_be_counted_are_missing_with_a_reason(tmp_path):
    changes = {"size": ("resolution: native", "resolution: 16")}
    record, _, failures = run(tmp_path, "video_key", "flops", **changes)
    assert record.gflops_per_frame is None
    assert "expected (720, 1280)" in record.failures["flops"]
    assert len(failures) == 1


@pytest.mark.parametrize(
    "change",
    [
        ("clip_length: whole", "clip_length: 5"),
        ("clip_length: whole", "clip_length: whole\ncompile: default"),
        ("[model, model+tracker, end_to_end]", "[model]"),
    ],
    ids=["clip_length", "compile", "regions"],
)
def test_settings_that_such_a_method_cannot_have_are_refused_first(tmp_path, change, request):
    with pytest.raises(InputError, match=request.node.callspec.id):
        key_jobs(tmp_path, measure="accuracy, speed", change=change)
