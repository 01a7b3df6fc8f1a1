"""Whatever ends a run, and after whichever write: a record stands beside its own files."""

import errno
import hashlib
import json
import re
import shutil
from contextlib import suppress

import pytest

import refresh
from cuts import Killed, cutting
from record_example import example_record, perfect_tracks, streaming_fields
from run_case import QUIET, jobs_of
from vis_bench.data.datasets import load_dataset
from vis_bench.data.results_file import read_results, write_results
from vis_bench.data.synthetic import generate
from vis_bench.errors import InputError
from vis_bench.measures.accuracy.run import evaluate_tracks
from vis_bench.metrics.ap import evaluate
from vis_bench.metrics.matches_file import write_matches
from vis_bench.record import store
from vis_bench.record.names import file_stem
from vis_bench.record.schema import Record, StreamingFields
from vis_bench.record.store import (
    MATCHES_ENDING,
    RESULTS_ENDING,
    TRACE_ENDING,
    RecordStore,
    failed_file,
    failures_beside,
    matches_file,
    name_by_content,
    pack_predictions,
    predictions_path,
    record_beside,
)
from vis_bench.runs.external import OtherCode, record_results
from vis_bench.runs.harness import describe, run_jobs
from vis_bench.show.paired_ap import PairedAP

CONFIG = """
method: color_key
dataset: {name: synthetic, plain: true}
resolution: native
measure: [accuracy, streaming]
"""
VIDEOS = 2
ENDINGS = RESULTS_ENDING, MATCHES_ENDING, TRACE_ENDING
OLD, NEW = "2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"


@pytest.fixture(scope="module")
def truth():
    dataset = load_dataset("synthetic", "val", plain=True)
    return dataset.ground_truth(dataset.videos[:VIDEOS])


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    [job] = jobs_of(tmp_path_factory.mktemp("config"), CONFIG, limit=VIDEOS)
    return job


@pytest.fixture(scope="module")
def measured(job, tmp_path_factory):
    """The record and the files of two measurements of the job, whose tracks differ, by time."""
    tracks, described = perfect_tracks(VIDEOS), describe(job, job.load_method())
    found = {}
    for time, kept in ((OLD, tracks[1:]), (NEW, tracks)):
        folder, stem = tmp_path_factory.mktemp("measured"), file_stem(described)
        by_video = {video.id: [t for t in kept if t.video_id == video.id] for video in job.videos}
        accuracy = evaluate_tracks(job, by_video, folder / f"{stem}{RESULTS_ENDING}")
        fields, trace = streaming_fields(), folder / f"{stem}{TRACE_ENDING}"
        trace.write_text(time)
        fields["streaming_trace_sha256"] = hashlib.sha256(time.encode()).hexdigest()
        fields["streaming_trace"] = name_by_content(trace, TRACE_ENDING).name
        streams = []
        for number, stream in enumerate(fields["streaming"]):
            results = folder / f"{stem}.6fps.{number}{RESULTS_ENDING}"
            write_results(kept[number:], results)
            name = name_by_content(results, RESULTS_ENDING).name
            streams.append(stream.model_copy(update={"predictions": name}))
        streaming = StreamingFields(**{**fields, "streaming": tuple(streams)})
        record = Record.of(described.model_copy(update={"created_at": time}), accuracy, streaming)
        found[time] = record, folder
    assert found[OLD][0].ap < found[NEW][0].ap
    return found


def run(job, measured, folder, time, failures=None):
    """Measures the job as `run` does, with the outcome of a measurement."""
    record, files = measured[time]

    def measure_job(attempt):
        shutil.copytree(files, attempt.results, dirs_exist_ok=True)
        return record.model_copy(update={"failures": failures or {}})

    store = RecordStore(folder)
    store.prepare()
    return run_jobs([job], store, QUIET, measure_job=measure_job)


def with_matches(folder, truth):
    """Writes the matches of the folder's record, as `results/refresh.py` does."""
    [path] = RecordStore(folder).paths()
    [record] = RecordStore(folder)
    results = read_results(predictions_path(record, path))
    write_matches(evaluate(truth, results).matches, matches_file(record, path))
    return path


def as_before(folder, truth):
    """Names the files as version 0.2.0 did, without digests."""
    path = with_matches(folder, truth)
    content = path.read_text()
    for file in [file for file in folder.iterdir() if file.is_file()]:
        name = re.sub(
            r"\.[0-9a-f]{10}(\.results\.json|\.matches\.npz|\.trace\.jsonl)$", r"\1", file.name
        )
        content = content.replace(file.name, name)
        file.rename(file.with_name(name))
    path.write_text(content)


def fail(job, measured, folder):
    """A measurement that fails, whose failures stand beside the record."""
    run(job, measured, folder, NEW, {"accuracy": "it broke"})
    assert list(folder.glob("*.failed.json"))


def trim(folder, truth):
    """Leaves the matches in place of the predictions, as most shipped records have them."""
    path = with_matches(folder, truth)
    [record] = RecordStore(folder)
    predictions_path(record, path).unlink()


BEFORE = {
    "measured": lambda job, measured, folder, truth: with_matches(folder, truth),
    "packed": lambda job, measured, folder, truth: pack_predictions(with_matches(folder, truth)),
    "as before": lambda job, measured, folder, truth: as_before(folder, truth),
    "trimmed": lambda job, measured, folder, truth: trim(folder, truth),
    "failed": lambda job, measured, folder, truth: fail(job, measured, folder),
}


def check(folder, truth, measured, *, failed=(), trimmed=False):
    """The time of the folder's record, whose files all are those of its measurement.

    Args:
        failed: times of records beside which failures stand.
        trimmed: the old record has matches in place of its predictions.
    """
    stored = RecordStore(folder).readable()
    assert stored.problems == ()
    [(record, path)] = zip(stored.records, stored.paths, strict=True)
    of_run, files = measured[record.created_at]
    assert record.ap == of_run.ap
    results = path.with_name(record.predictions)
    if record.created_at == NEW or not trimmed:
        assert results == predictions_path(record, path)
        assert evaluate(truth, read_results(results)).summary()["ap"] == record.ap
        assert record_beside(results) == record
    of_others = map(record_beside, folder.glob(f"*{RESULTS_ENDING}*"))
    assert {other.created_at for other in of_others if other} <= {record.created_at}
    for stream, expected in zip(record.streaming, of_run.streaming, strict=True):
        assert (folder / stream.predictions).read_bytes() == (
            files / expected.predictions
        ).read_bytes()
    trace = (folder / record.streaming_trace).read_bytes()
    assert hashlib.sha256(trace).hexdigest() == record.streaming_trace_sha256
    paired = PairedAP(stored)
    assert paired.matches(record) is not None
    assert paired.problems == []
    has_failed = record.created_at in failed
    assert RecordStore(folder).has_failed(record) == has_failed
    assert len(failures_beside(folder)) == len(failures_beside(path)) == has_failed
    return record.created_at


def names(folder):
    """Files of a folder but temporary ones, which are removed after a day."""
    return sorted(path.name for path in folder.iterdir() if path.name[0] != ".")


@pytest.mark.parametrize(
    ("before", "full_disk"),
    [*((before, False) for before in BEFORE), ("measured", True), ("failed", True)],
)
def test_a_run_that_ends_anywhere_leaves_a_record_with_its_own_files(
    before, full_disk, job, measured, truth, tmp_path
):
    run(job, measured, tmp_path / "before", OLD)
    BEFORE[before](job, measured, tmp_path / "before", truth)
    failed, trimmed = [OLD] if before == "failed" else [], before == "trimmed"
    assert check(tmp_path / "before", truth, measured, failed=failed, trimmed=trimmed) == OLD
    run(job, measured, tmp_path / "whole", NEW)
    seen, at, total = [], 0, 1
    while at <= total:
        folder = tmp_path / "r" / str(at)
        shutil.copytree(tmp_path / "before", folder)
        with cutting(folder, at, full_disk) as cut, suppress(Killed, InputError, OSError):
            run(job, measured, folder, NEW)
        # A run on a full disk may say beside the old record that it failed.
        noted = [OLD] if failed or list(folder.glob("*.failed.json")) else []
        seen.append(check(folder, truth, measured, failed=noted, trimmed=trimmed))
        run(job, measured, folder, NEW)
        assert check(folder, truth, measured) == NEW
        assert names(folder) == names(tmp_path / "whole")
        shutil.rmtree(folder)
        total, at = max(total, cut.seen), at + 1
    assert seen == sorted(seen)
    assert {*seen} == {OLD, NEW}
    assert total > 20


def test_packing_and_trimming_may_end_anywhere(job, measured, truth, tmp_path):
    records = tmp_path / "before" / "records"
    run(job, measured, records, OLD)
    at = total = 0
    while at <= total:
        folder = tmp_path / str(at)
        shutil.copytree(tmp_path / "before", folder)
        with cutting(folder, at) as cut, suppress(Killed):
            refresh.pack(folder)
            refresh.trim(folder)
        assert check(folder / "records", truth, measured) == OLD
        refresh.pack(folder)
        refresh.trim(folder)
        assert check(folder / "records", truth, measured) == OLD
        assert list((folder / "records").glob("*.matches.npz"))
        total, at = max(total, cut.seen), at + 1
    assert total > 5


@pytest.mark.parametrize("packed", [False, True])
def test_recording_results_of_other_code_may_end_anywhere(packed, truth, tmp_path):
    write_results(perfect_tracks(VIDEOS)[1:], tmp_path / "results.json")
    (tmp_path / "truth.json").write_text(
        json.dumps(generate("val", plain=True, num_videos=VIDEOS).annotations())
    )

    def record(folder):
        store = RecordStore(folder)
        store.prepare()
        record_results(
            OtherCode("Mine"),
            tmp_path / "truth.json",
            tmp_path / "results.json",
            store,
            command="eval",
            dataset="mine",
        )

    if packed:
        record(tmp_path / "before")
        pack_predictions(RecordStore(tmp_path / "before").paths()[0])
    at = total = 0
    while at <= total:
        folder = tmp_path / "r" / str(at)
        folder.mkdir(parents=True)
        if packed:
            shutil.copytree(tmp_path / "before", folder, dirs_exist_ok=True)
        with cutting(folder, at) as cut, suppress(Killed):
            record(folder)
        for _ in range(2):
            for path, stored in zip(RecordStore(folder).paths(), RecordStore(folder), strict=True):
                results = read_results(predictions_path(stored, path))
                assert evaluate(truth, results).summary()["ap"] == stored.ap
            record(folder)
        assert len(names(folder)) == 2
        total, at = max(total, cut.seen), at + 1
    assert total > 5


def test_matches_do_not_outlive_their_evaluation(job, measured, truth, tmp_path):
    """Another evaluation of equal predictions has a file of matches of the same name."""
    run(job, measured, tmp_path / "before", OLD)
    with_matches(tmp_path / "before", truth)
    at = total = 0
    while at <= total:
        folder = tmp_path / str(at)
        shutil.copytree(tmp_path / "before", folder)
        [record] = RecordStore(folder)
        with cutting(folder, at) as cut, suppress(Killed):
            RecordStore(folder).write(record.model_copy(update={"created_at": NEW}))
        [record], [path] = RecordStore(folder), RecordStore(folder).paths()
        assert predictions_path(record, path).is_file()
        assert record.created_at == OLD or not matches_file(record, path).exists()
        total, at = max(total, cut.seen), at + 1
    assert record.created_at == NEW


def test_failures_of_version_0_2_have_no_time_and_count(tmp_path):
    store = RecordStore(tmp_path)
    record = example_record()
    path = store.write(record)
    store.write_failures(record, {"run": "it broke"}, "run")
    content = json.loads(failed_file(path).read_text())
    assert content.pop("created_at") == record.created_at
    failed_file(path).write_text(json.dumps(content))
    assert store.has_failed(record)


@pytest.mark.parametrize("fails", ["record", "second file"])
@pytest.mark.parametrize("again", [False, True])
def test_a_write_that_fails_leaves_the_old_record_and_exactly_its_files(
    fails, again, job, measured, truth, tmp_path, monkeypatch
):
    folder, new = tmp_path / "records", tmp_path / "new"
    run(job, measured, folder, OLD)
    with_matches(folder, truth)
    [before], kept = RecordStore(folder), names(folder)
    record = before.model_copy(update={"created_at": NEW})  # of equal predictions
    record = record.model_copy(update={"streaming_trace": measured[NEW][0].streaming_trace})
    shutil.copytree(measured[NEW][1], new)
    if fails == "record":
        monkeypatch.setattr(store, "write_atomically", refuse)
    else:
        monkeypatch.setattr(store.Path, "replace", refuse)
    arguments = (record, before, new) if again else (record, new)
    write = RecordStore.update if again else RecordStore.write
    with pytest.raises(OSError, match="no room"):
        write(RecordStore(folder), *arguments)
    monkeypatch.undo()
    assert names(folder) == kept
    assert [*RecordStore(folder)] == [before]
    assert not list(folder.glob(".*"))


def refuse(*arguments):
    raise OSError(errno.ENOSPC, "no room")


def test_a_file_that_was_lost_comes_back_when_it_is_measured_again(job, measured, tmp_path):
    folder, new = tmp_path / "records", tmp_path / "new"
    run(job, measured, folder, OLD)
    [before] = RecordStore(folder)
    shutil.copytree(measured[OLD][1], new)
    (folder / before.streaming_trace).unlink()
    RecordStore(folder).update(before, before, new)
    assert (folder / before.streaming_trace).is_file()
