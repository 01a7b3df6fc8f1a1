"""Streaming traces: a schedule of timed clips decides what is on show, on any machine."""

import json
from dataclasses import asdict
from fractions import Fraction

import pytest

from run_case import QUIET, bare, jobs_of
from streaming_case import CONFIG, build, even_trace, jobs, results_of, run, write_trace
from vis_bench.data.results_file import Results, read_results
from vis_bench.errors import InputError
from vis_bench.inference.loop import track_video
from vis_bench.measures.speed.regions import Workload
from vis_bench.measures.streaming.trace import Trace, read_trace, time_clips
from vis_bench.metrics.ap import evaluate
from vis_bench.metrics.streaming import SECOND, TimedClip, VideoStream
from vis_bench.record.store import RecordStore
from vis_bench.runs.harness import run_jobs


def scaled(trace, factor):
    return Trace(
        trace.method,
        "another machine",
        {
            key: [
                [
                    TimedClip(
                        c.start,
                        c.stop,
                        *(
                            round(getattr(c, s) * factor)
                            for s in ("preprocess", "encode", "predict", "track", "publish")
                        ),
                    )
                    for c in clips
                ]
                for clips in runs
            ]
            for key, runs in trace.runs.items()
        },
    )


def test_a_trace_gives_the_same_record_anywhere_and_only_time_times_rate_counts(tmp_path):
    [job] = jobs(tmp_path, "jittery", 5, 2)
    slow = even_trace(job, 0.2)
    records = []
    for name, trace in (("slow", slow), ("again", slow), ("fast", scaled(slow, 0.2))):
        path = write_trace(trace, tmp_path / f"{name}.jsonl")
        folder = tmp_path / name
        records.append(run(folder, "jittery", 5, 2, measure="streaming", trace=path))
        assert (folder / records[-1].streaming_trace).read_bytes() == path.read_bytes()
    first, again, fast = records
    assert first.streaming == again.streaming
    assert first.streaming_by_delay == again.streaming_by_delay
    assert first.streaming_by_rate == again.streaming_by_rate
    assert first.streaming_device == "a made-up machine"
    one, other = results_of(tmp_path / "slow", first), results_of(tmp_path / "fast", fast)
    assert one[6, 0.0] == other[30, 0.0]  # five times the rate in a fifth of the time
    assert one[6, first.streaming[1].delay_ms] == other[30, first.streaming[4].delay_ms]
    assert one[6, 0.0] != one[6, None]


def test_a_row_is_of_the_pass_of_median_length_and_has_the_range_over_passes(tmp_path):
    [job] = jobs(tmp_path, "jittery", 5, 2)
    alone = {}
    for factor in (1, 2, 5):
        path = write_trace(even_trace(job, 0.1, [factor]), tmp_path / f"{factor}.jsonl")
        [alone[factor]] = [run(tmp_path / f"{factor}", "jittery", 5, 2, trace=path)]
        assert {stream.ap_pass_low for stream in alone[factor].streaming} == {None}
    for name, factors, middle in (("odd", (5, 1, 2), 2), ("even", (1, 5), 5)):
        path = write_trace(even_trace(job, 0.1, factors), tmp_path / f"{name}.jsonl")
        record = run(tmp_path / name, "jittery", 5, 2, trace=path)
        assert (record.streaming_runs, record.streaming_processes) == (len(factors), None)
        for place, stream in enumerate(record.streaming):
            aps = [alone[factor].streaming[place].ap for factor in factors]
            ends = stream.ap_pass_low, stream.ap_pass_high
            assert ends == pytest.approx((min(aps), max(aps)), abs=1e-12)
            of_passes = {"ap_pass_low", "ap_pass_high", "frame_latency_spread", "predictions"}
            expected = alone[middle].streaming[place].model_dump(exclude=of_passes)
            assert stream.model_dump(exclude=of_passes) == expected
            content = read_results(tmp_path / name / stream.predictions)
            assert evaluate(job.ground_truth, content).summary()["ap"] == stream.ap
        assert record.streaming[3].ap_pass_low < record.streaming[3].ap_pass_high
        assert record.streaming_by_delay == alone[middle].streaming_by_delay


def test_more_delay_shows_more_and_newer_masks(tmp_path):
    [job] = jobs(tmp_path, "jittery", 5, 2)
    path = write_trace(even_trace(job, 0.1), tmp_path / "t.jsonl")
    record = run(tmp_path, "jittery", 5, 2, trace=path)
    served = [stream.share_served for stream in record.streaming]
    ages = [stream.age_frames for stream in record.streaming]
    for start in (0, 3):
        assert served[start : start + 3] == sorted(served[start : start + 3])
        assert ages[start : start + 3] == sorted(ages[start : start + 3], reverse=True)


def test_fresh_processes_time_the_clips(tmp_path):
    text = CONFIG.format(
        method="color_follow", length=1, stride=1, measure="streaming", policy="all"
    )
    [job] = jobs_of(
        tmp_path, text.replace("repetitions: 2", "repetitions: 1, processes: 2"), limit=2
    )
    [record] = run_jobs([job], RecordStore(tmp_path), QUIET).records
    assert (record.failures, record.streaming_runs, record.streaming_processes) == ({}, 2, 2)
    trace = read_trace(tmp_path / record.streaming_trace)
    assert [len(runs) for runs in trace.runs.values()] == [2, 2]
    for runs in trace.runs.values():
        assert runs[0] != runs[1], "of two clocks"
        windows = [[(clip.start, clip.stop) for clip in run] for run in runs]
        assert windows[0] == windows[1]


def test_rates_and_delays_that_agree_in_six_digits_have_results_of_their_own(tmp_path):
    """Every clip takes 33.333332 ms: a frame is shown after one delay, not after the other."""
    text = CONFIG.format(method="jittery", length=5, stride=2, measure="streaming", policy="all")
    text = text.replace("[6, 30]", "[0.9999999, 1]").replace("0, frame, inf", "33.33333, 33.333333")
    [job] = jobs_of(tmp_path, text, build=build, limit=2)
    path = write_trace(even_trace(job, 0.033333332), tmp_path / "t.jsonl")
    traced = jobs_of(tmp_path, text, build=build, limit=2, trace=path)
    [record] = run_jobs(traced, RecordStore(tmp_path / "r"), QUIET).records
    pairs = [(stream.rate, stream.delay_ms) for stream in record.streaming]
    assert pairs == [(0.9999999, 33.33333), (0.9999999, 33.333333), (1, 33.33333), (1, 33.333333)]
    for stream in record.streaming:
        results = read_results(tmp_path / "r" / stream.predictions)
        assert evaluate(job.ground_truth, results).summary()["ap"] == stream.ap
    early, late = ({s.predictions for s in record.streaming[start::2]} for start in (0, 1))
    assert not early & late


def test_newest_at_no_cost_is_all(tmp_path):
    for method, length, stride in (("jittery", 5, 2), ("color_follow", 1, 1)):
        [job] = jobs(tmp_path, method, length, stride)
        path = write_trace(scaled(even_trace(job, 1), 0), tmp_path / "free.jsonl")
        found = []
        for policy in ("all", "newest"):
            folder = tmp_path / f"{method}_{policy}"
            record = run(folder, method, length, stride, policy=policy, trace=path)
            assert record.streaming_policy == policy
            found.append(results_of(folder, record))
        assert found[0] == found[1]


def test_newest_infers_the_clips_that_the_schedule_selects_and_no_other(tmp_path):
    [job] = jobs(tmp_path, "jittery", 3, 3, policy="newest", measure="streaming", limit=1)
    [video], ids = job.videos, job.dataset.category_ids
    path = write_trace(even_trace(job, 1.25), tmp_path / "slow.jsonl")
    record = run(
        tmp_path, "jittery", 3, 3, policy="newest", measure="streaming", limit=1, trace=path
    )
    windows = job.plan.clips(video.length)
    clips = [TimedClip(w.start, w.stop, predict=round(1.25 * SECOND)) for w in windows]
    steps = VideoStream.of(clips, Fraction(6), "newest").steps
    assert 1 < len(steps) < len(windows)
    chosen = [windows[step.clip] for step in steps]
    whole = track_video(bare(job.load_method()), video, job.plan, ids, clips=chosen)
    entries = json.loads(results_of(tmp_path, record)[6, None])
    covered = [t for clip in chosen for t in range(clip.start, clip.stop)]
    shown = {
        (e["category_id"], e["score"]): [e["segmentations"][t] for t in covered] for e in entries
    }
    assert shown == {
        (track.category_id, track.score): [track.segmentations[t] for t in covered]
        for track in whole
    }
    assert record.streaming[2].share_computed < 1
    assert record.streaming[2].share_served == 1


def test_every_stage_of_every_clip_is_timed(tmp_path):
    [job] = jobs(tmp_path, "jittery", 5, 2, limit=1)
    ticks = iter(range(1_000_000))
    work = Workload(bare(job.load_method()), job.plan, job.dataset.category_ids)
    clips = time_clips(work, job.videos[0], clock=lambda: float(next(ticks)))
    windows = job.plan.clips(job.videos[0].length)
    assert [(c.start, c.stop) for c in clips] == [(w.start, w.stop) for w in windows]
    assert {clip.total for clip in clips} == {5 * SECOND}  # a tick for each stage
    trace = Trace("jittery", "here", {1: [clips]})
    path = write_trace(trace, tmp_path / "t.jsonl")
    assert read_trace(path) == trace
    assert asdict(read_trace(path).runs[1][0][0]) == asdict(clips[0])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda lines: [], "vis_bench_trace"),
        (lambda lines: lines[1:], "vis_bench_trace"),
        (lambda lines: lines[:1], "lacks runs"),
        (lambda lines: [*lines, lines[-1]], "lacks runs"),
        (lambda lines: [lines[0], lines[1].replace('"predict":', '"predict":-')], "whole numbers"),
        (lambda lines: [lines[0], lines[1].replace('"stop"', '"end"')], "whole numbers"),
        (lambda lines: [lines[0], "{"], "line 2"),
        (lambda lines: [lines[0].replace("jittery", "ifc"), *lines[1:]], "method ifc"),
        (lambda lines: lines[:3], "lacks video"),
        (lambda lines: [line.replace('"stop":5', '"stop":4') for line in lines], "other clips"),
    ],
)
def test_a_trace_that_does_not_fit_is_refused(tmp_path, change, expected):
    [job] = jobs(tmp_path, "jittery", 5, 2, measure="streaming")
    lines = even_trace(job, 0.2).encoded().decode().splitlines()
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(change(lines)))
    with pytest.raises(InputError, match=expected):
        jobs(tmp_path, "jittery", 5, 2, measure="streaming", trace=path)


def test_no_result_in_time_is_no_result(tmp_path):
    """A whole video at no delay shows nothing, ever: AP 0, and a results file without tracks."""
    [job] = jobs(tmp_path, "jittery", "whole")
    path = write_trace(even_trace(job, 0.5), tmp_path / "t.jsonl")
    record = run(tmp_path, "jittery", "whole", trace=path)
    first = record.streaming[0]
    assert (first.ap, first.share_served, first.age_frames) == (0.0, 0.0, None)
    assert Results.of(read_results(tmp_path / first.predictions).tracks).tracks == []
    assert first.delay_95_ms > 1000 * (min(v.length for v in job.videos) - 1) / 6
