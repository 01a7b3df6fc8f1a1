"""`--resume` and merges take what the same code measured on the same frames, and nothing else."""

import importlib
import json
from functools import partial

import pytest

from methods.color_key import ColorKey
from paths import ROOT
from run_case import QUIET, Heard, jobs_of, of_code
from vis_bench import plugins
from vis_bench.data.synthetic import write_dataset
from vis_bench.errors import InputError
from vis_bench.inference.loop import track_video
from vis_bench.inference.preprocess import to_input
from vis_bench.plugins import sources_sha256
from vis_bench.record.store import RecordStore, matches_file
from vis_bench.runs import attempt
from vis_bench.runs.attempt import is_measured
from vis_bench.runs.harness import run_jobs
from vis_bench.runs.run_shard import ShardOption, run_shard
from vis_bench.runs.shards import ShardFiles

CONFIG = """
method: color_key
dataset: {name: synthetic, split: val, annotations: ROOT/val.json, frames: ROOT/val/JPEGImages}
resolution: native
clip_length: 10
clip_stride: 10
measure: [accuracy]
"""
VIDEOS = 5
OLD, NEW = "a" * 64, "b" * 64


@pytest.fixture
def data(tmp_path):
    write_dataset(tmp_path / "data", QUIET, plain=True, num_videos={"val": VIDEOS})
    return tmp_path / "data"


def jobs_on(data, **settings):
    return jobs_of(data.parent, CONFIG.replace("ROOT", str(data)), **settings)


def grow(job, video):
    """Adds a byte behind the end of a frame, which decodes to the same pixels."""
    with job.videos[video].files[0].open("ab") as file:
        file.write(b"\0")


@pytest.fixture
def inferred(monkeypatch):
    """Ids of the videos that are inferred."""
    seen = []

    def watched(method, video, *plan):
        seen.append(video.id)
        return track_video(method, video, *plan)

    monkeypatch.setattr(attempt, "track_video", watched)
    return seen


def begun(jobs, folder, number=1):
    """The first of two processes is done."""
    return run_shard(jobs, RecordStore(folder), QUIET, ShardOption(number, 2))


@pytest.mark.parametrize("changed", ["sources", "frames"])
def test_a_merge_refuses_shards_of_other_code_or_frames_by_name(
    data, tmp_path, monkeypatch, changed
):
    jobs = of_code(jobs_on(data), OLD, monkeypatch)
    out = tmp_path / "out"
    begun(jobs, out)
    [shard] = (out / "shards").rglob("*.json")
    header = json.loads(shard.read_text())
    if changed == "frames":
        grow(jobs[0], 0)
        later = of_code(jobs_on(data), OLD, monkeypatch)
    else:
        later = of_code(jobs, NEW, monkeypatch)
    now = {"sources": NEW, "frames": later[0].frames_sha256(header["videos"])}
    with pytest.raises(InputError) as refused:
        begun(later, out, 2)
    for part in (shard.name, header[changed][:12], now[changed][:12]):
        assert part in str(refused.value)
    assert list(RecordStore(out)) == []
    # Started again, the first process measures its part anew, and the merge is of one kind.
    outcome = begun(later, out, 1)
    assert [(r.sources_sha256, r.failures) for r in outcome.records] == [
        (NEW if changed == "sources" else OLD, {})
    ]


@pytest.mark.parametrize("changed", ["sources", "frames", None])
def test_resume_takes_shards_and_records_of_the_same_code_and_frames_alone(
    data, tmp_path, monkeypatch, inferred, changed
):
    store = RecordStore(tmp_path / "out")
    jobs = of_code(jobs_on(data), OLD, monkeypatch)
    run_jobs(jobs, store, QUIET)
    begun(jobs, tmp_path / "parts")
    inferred.clear()
    if changed == "frames":
        grow(jobs[0], 0)
        jobs = of_code(jobs_on(data), OLD, monkeypatch)
    elif changed == "sources":
        jobs = of_code(jobs, NEW, monkeypatch)
    ids, bars = [video.id for video in jobs[0].videos], Heard()
    [record] = run_jobs(jobs, store, bars, resume=True).records
    assert inferred == (ids if changed else [])
    assert record.sources_sha256 == jobs[0].sources_sha256
    assert record.frames_sha256 == jobs[0].frames_sha256(ids)
    assert any("measured again" in line for line in bars.said) == bool(changed)
    assert len(list(store)) == 1
    inferred.clear()
    run_jobs(jobs, RecordStore(tmp_path / "parts"), bars, resume=True)
    assert inferred == (ids if changed else ids[4:])


def test_copies_of_the_frames_share_a_fingerprint_and_contents_are_compared_on_request(
    data, tmp_path
):
    (tmp_path / "other").mkdir()
    copy = data.rename(tmp_path / "other" / "data")
    write_dataset(data, QUIET, plain=True, num_videos={"val": VIDEOS})

    def fingerprint(folder, **settings):
        [job] = jobs_on(folder, **settings)
        return job.frames_sha256(video.id for video in job.videos)

    assert fingerprint(data) == fingerprint(copy)
    frame = next((copy / "val" / "JPEGImages").rglob("*.*"))
    content = frame.read_bytes()
    frame.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert fingerprint(data) == fingerprint(copy)
    verified = [fingerprint(folder, verify_frames=True) for folder in (data, copy)]
    assert verified[0] != verified[1]
    assert all(text.startswith("contents:") for text in verified)


def test_drawn_videos_have_no_fingerprint(tmp_path):
    text = CONFIG.replace(", annotations: ROOT/val.json, frames: ROOT/val/JPEGImages", "")
    [job] = jobs_of(tmp_path, text, limit=1)
    assert job.frames_sha256([job.videos[0].id]) is None
    [record] = run_jobs([job], RecordStore(tmp_path / "out"), QUIET).records
    assert record.frames_sha256 is None


def test_records_from_before_these_fields_are_found(data, tmp_path, inferred):
    jobs, store = jobs_on(data), RecordStore(tmp_path / "out")
    [record] = run_jobs(jobs, store, QUIET).records
    store.write(record.model_copy(update={"sources_sha256": None, "frames_sha256": None}))
    inferred.clear()
    assert run_jobs(jobs, store, QUIET, resume=True).records[0].sources_sha256 is None
    assert inferred == []
    shipped = next(iter(RecordStore(ROOT / "results")))
    assert RecordStore(ROOT / "results").find(shipped.config_sha256) == shipped


def test_the_digest_of_sources_is_over_code_that_computes(tmp_path, monkeypatch):
    package = tmp_path / "measured_package"
    (package / "show").mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(plugins, "PACKAGES", ("measured_package",))
    monkeypatch.setattr(plugins, "OUTPUT_CODE", ("measured_package/show/",))

    def digest():
        importlib.invalidate_caches()
        for cached in (sources_sha256, plugins._sha256):
            cached.cache_clear()
        return sources_sha256()

    write = partial((package / "__init__.py").write_text)
    write("")
    first = digest()
    (package / "notes.md").write_text("no code")
    (package / "show" / "table.py").write_text("output")
    assert digest() == first
    found = {first}
    for name in ("__init__.py", "kernel.cpp", "kernel.cu"):
        (package / name).write_text("edited")
        found.add(digest())
    assert len(found) == 4
    monkeypatch.undo()
    digest()


def test_code_of_another_machine_is_refused(data, monkeypatch):
    [job] = jobs_on(data)
    of_code([job], NEW, monkeypatch)
    with pytest.raises(InputError, match=NEW[:12]):
        job.load_method()


def test_an_interrupted_run_keeps_its_videos_and_names_the_command(
    data, tmp_path, monkeypatch, inferred
):
    jobs, watched, bars = jobs_on(data), attempt.track_video, Heard()
    ids = [video.id for video in jobs[0].videos]

    def interrupted(method, video, *plan):
        if video.id == ids[2]:
            raise KeyboardInterrupt
        return watched(method, video, *plan)

    store, whole = RecordStore(tmp_path / "out"), RecordStore(tmp_path / "whole")
    monkeypatch.setattr(attempt, "track_video", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_jobs(jobs, store, bars)
    monkeypatch.setattr(attempt, "track_video", watched)
    assert f"2 of {VIDEOS} videos kept" in bars.said[-1]
    assert bars.said[-1].endswith(f": {jobs[0].settings.command} --resume")
    assert sorted(ShardFiles(store.folder, jobs[0]).read()) == ids[:2]
    inferred.clear()
    [record] = run_jobs(jobs, store, QUIET, resume=True).records
    assert inferred == ids[2:]
    [other] = run_jobs(jobs, whole, QUIET).records
    assert (record.ap, record.hota) == (other.ap, other.hota)
    results, expected = store.folder / record.predictions, whole.folder / other.predictions
    assert results.read_bytes() == expected.read_bytes()


class Breaks(ColorKey):
    """`color_key`, but for the second clip of the video whose first frames have the mean `mark`."""

    mark = None

    def encode_frames(self, frames_T3HW):
        if abs(float(frames_T3HW.mean()) - (self.mark or 9)) < 1e-6:
            raise KeyError("no such key")
        return super().encode_frames(frames_T3HW)


def test_a_video_that_fails_is_named_with_its_clip_and_the_others_are_kept(
    data, tmp_path, monkeypatch, inferred
):
    jobs = jobs_on(data, build=lambda name, *, num_classes: Breaks(num_classes))
    broken, store = jobs[0].videos[1], RecordStore(tmp_path / "out")
    frames = [broken.frames[t] for t in range(10, 18)]
    monkeypatch.setattr(Breaks, "mark", float(to_input(frames, Breaks.input_format).mean()))
    outcome = run_jobs(jobs, store, QUIET)
    assert len(outcome.failures) == 1
    [record] = store
    assert (record.ap, list(record.failures)) == (None, ["accuracy"])
    why = record.failures["accuracy"]
    num_clips = len(jobs[0].plan.clips(broken.length))
    for part in (f"{broken.name} (id {broken.id})", f"clip 2 of {num_clips}", "frames 10 to 19"):
        assert part in why
    assert why.count(broken.name) == 1
    monkeypatch.setattr(Breaks, "mark", None)
    inferred.clear()
    [record] = run_jobs(jobs, store, QUIET, resume=True).records
    assert inferred == [broken.id]
    assert (record.ap is None, record.failures) == (False, {})


@pytest.mark.parametrize("case", ["taken", "settings", "sources", "frames", "gone", "other cell"])
def test_resume_with_other_measurements_keeps_the_predictions_or_says_why_not(
    data, tmp_path, monkeypatch, inferred, case
):
    store = RecordStore(tmp_path / "out")
    jobs = of_code(jobs_on(data), OLD, monkeypatch)
    [first] = run_jobs(jobs, store, QUIET).records
    text = CONFIG.replace("[accuracy]", "[flops, accuracy]").replace("ROOT", str(data))
    if case == "settings":
        text += "accuracy: {boundary: true}\n"
    elif case == "other cell":
        text = text.replace("clip_stride: 10", "clip_stride: 5")
    elif case == "frames":
        grow(jobs[0], 0)
    elif case == "gone":
        (store.folder / first.predictions).unlink()
    later = of_code(jobs_of(tmp_path, text), NEW if case == "sources" else OLD, monkeypatch)
    inferred.clear()
    bars = Heard()
    [record] = run_jobs(later, store, bars, resume=True).records
    taken = case in ("taken", "settings")
    assert inferred == ([] if taken else [video.id for video in later[0].videos])
    said = [line for line in bars.said if "the predictions of" in line]
    assert len(said) == (case != "other cell")
    assert record.failures == {}
    assert record.sources_sha256 == later[0].sources_sha256
    assert len(list(store)) == 2
    if taken:
        assert (record.ap, record.predictions[-10:]) == (first.ap, first.predictions[-10:])
        assert (store.folder / record.predictions).read_bytes() == (
            store.folder / first.predictions
        ).read_bytes()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\0" * 64])
def test_resume_names_a_record_that_is_cut_and_the_way_out(data, tmp_path, content):
    jobs, store = jobs_on(data), RecordStore(tmp_path / "out")
    run_jobs(jobs, store, QUIET)
    [path] = store.paths()
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        run_jobs(jobs, store, QUIET, resume=True)
    assert str(path) in str(refused.value)
    assert "without --resume" in str(refused.value)
    assert run_jobs(jobs, store, QUIET).records[0].failures == {}


@pytest.mark.parametrize("trimmed", [False, True])
def test_resume_measures_anew_where_neither_predictions_nor_their_matches_are_there(
    data, tmp_path, inferred, trimmed
):
    jobs, store = jobs_on(data), RecordStore(tmp_path / "out")
    [record] = run_jobs(jobs, store, QUIET).records
    [path] = store.paths()
    path.with_name(record.predictions).unlink()
    if trimmed:
        matches_file(record, path).write_bytes(b"matches")
    inferred.clear()
    assert is_measured(jobs[0], store) == trimmed
    [after] = run_jobs(jobs, store, QUIET, resume=True).records
    assert bool(inferred) != trimmed
    assert path.with_name(after.predictions).is_file() != trimmed
