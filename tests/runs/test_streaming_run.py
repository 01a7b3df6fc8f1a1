"""Streaming runs: what was on show is cut from one inference as shorter inferences have it."""

from fractions import Fraction

import pytest

from run_case import QUIET, bare, jobs_of
from streaming_case import CONFIG, build, jobs, results_of, run
from vis_bench.errors import InputError
from vis_bench.inference.loop import track_video
from vis_bench.inference.publications import publish_video
from vis_bench.metrics.streaming import SECOND, TimedClip, VideoStream
from vis_bench.record.store import RecordStore
from vis_bench.runs.harness import run_jobs

PLANS = (
    ("jittery", 5, 2), ("jittery", 5, 5), ("jittery", "whole", 1), ("jittery", 50, 10),
    ("color_follow", 1, 1), ("color_follow", 4, 3), ("key_images", 1, 1), ("video_key", "whole", 1),
)  # fmt: skip


@pytest.mark.parametrize(("method", "length", "stride"), PLANS)
def test_in_the_end_the_results_are_the_ordinary_ones(tmp_path, method, length, stride):
    record = run(tmp_path, method, length, stride)
    ordinary = (tmp_path / record.predictions).read_bytes()
    found = results_of(tmp_path, record)
    assert record.failures == {}
    assert [*found] == [
        (6.0, 0.0),
        (6.0, pytest.approx(1000 / 6)),
        (6.0, None),
        (30.0, 0.0),
        (30.0, pytest.approx(1000 / 30)),
        (30.0, None),
    ]
    for stream in record.streaming:
        if stream.delay_ms is None:
            assert found[stream.rate, None] == ordinary
            assert (stream.ap, stream.ap_low) == (record.ap, record.ap_low)
            assert stream.ap_pass_low == stream.ap_pass_high == pytest.approx(record.ap)
            assert (stream.share_served, stream.age_frames) == (1.0, 0.0)
        assert stream.frame_latency_ms_mean == pytest.approx(
            stream.fill_ms + stream.queue_ms + stream.compute_ms
        )
    assert len(ordinary) > 1000
    by_delay = [point.delay_ms for point in record.streaming_by_delay if point.rate == 6]
    assert by_delay == sorted(by_delay)
    assert record.streaming_by_delay[-1].ap == pytest.approx(record.ap)


@pytest.mark.parametrize(("method", "length", "stride"), PLANS[:7])
def test_a_clip_publishes_what_an_inference_up_to_it_gives(method, length, stride, tmp_path):
    [job] = jobs(tmp_path, method, length, stride, limit=1)
    [video], ids, method = job.videos, job.dataset.category_ids, bare(job.load_method())
    windows = job.plan.clips(video.length)
    computed = range(len(windows))
    for last in sorted({0, len(windows) // 3, len(windows) - 1}):
        holders = [
            max(
                (c for c in range(last + 1) if windows[c].start <= t < windows[c].stop),
                default=None,
            )
            for t in range(video.length)
        ]
        shown = [None if c is None else (last, c, t) for t, c in enumerate(holders)]
        wanted = {source for source in shown if source is not None}
        cut = publish_video(method, video, job.plan, ids, computed, wanted).tracks(shown)
        whole = track_video(method, video, job.plan, ids, clips=windows[: last + 1])
        assert [*map(as_entry, cut)] == [*map(as_entry, whole)]
        assert whole


def as_entry(track):
    return track.category_id, track.score, [*track.segmentations]


def test_held_masks_and_withdrawn_pairs(tmp_path):
    """Tracks of a schedule, from what each frame showed, written out."""
    [job] = jobs(tmp_path, "withdrawing", 5, 2, limit=1)
    [video], ids, method = job.videos, job.dataset.category_ids, bare(job.load_method())
    windows = job.plan.clips(video.length)
    clips = [TimedClip(w.start, w.stop, predict=SECOND // 8) for w in windows]
    shown = VideoStream.of(clips, Fraction(10), "all").on_show(Fraction(1, 10))
    sources = {source for source in shown if source is not None}
    found = publish_video(method, video, job.plan, ids, range(len(windows)), sources)
    expected = {}
    for time, source in enumerate(shown):
        if source is None:
            continue
        for track, column, score in found.outputs[source.clip]:
            pair = expected.setdefault((track, column), {"score": None, "masks": {}})
            pair["score"] = score
            if mask := found.masks[source.holder, source.frame].get(track):
                pair["masks"][time] = mask
    pairs = {key: pair for key, pair in expected.items() if pair["masks"]}
    order = sorted(pairs, key=lambda key: (-pairs[key]["score"], key))
    tracks = found.tracks(shown)
    assert [(track.category_id, track.score) for track in tracks] == [
        (ids[key[1]], pairs[key]["score"]) for key in order
    ]
    for track, key in zip(tracks, order, strict=True):
        assert [*track.segmentations] == [pairs[key]["masks"].get(t) for t in range(video.length)]
    last = {pair[:2] for pair in found.outputs[shown[-1].clip]}
    assert any(key not in last for key in pairs)  # was shown, withdrawn, and keeps its masks


def test_an_online_method_gives_the_same_for_every_cut(tmp_path):
    files = set()
    for length, stride in ((1, 1), (4, 3), ("whole", 1)):
        folder = tmp_path / f"{length}"
        record = run(folder, "color_follow", length, stride, measure="streaming", limit=1)
        assert record.ap is None
        files |= {
            content for (_, delay), content in results_of(folder, record).items() if delay is None
        }
    assert len(files) == 1


def test_draws_warn_that_they_have_no_effect(tmp_path):
    text = CONFIG.format(method="color_key", length=5, stride=1, measure="streaming", policy="all")
    with pytest.warns(UserWarning, match="streaming.draws is 5"):
        jobs_of(tmp_path, text.replace("repetitions: 2", "draws: 5"), limit=1)


def test_a_failing_method_names_the_video_and_keeps_the_rest(tmp_path):
    text = CONFIG.format(
        method="failing", length=5, stride=5, measure="flops, streaming", policy="all"
    )
    [job] = jobs_of(tmp_path, text, build=build, limit=2)
    outcome = run_jobs([job], RecordStore(tmp_path), QUIET)
    [record] = outcome.records
    assert job.videos[0].name in record.failures["streaming"]
    assert "out of luck" in record.failures["streaming"]
    assert record.streaming == ()
    assert len(outcome.failures) == len(record.failures)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[6, 30]", "[0]", "streaming.rates"),
        ("[6, 30]", "[fast]", "streaming.rates"),
        ("[0, frame, inf]", "[-1]", "streaming.delays"),
        ("policy: all", "policy: oldest", "streaming.policy"),
        ("repetitions: 2", "processes: 0", "streaming.processes"),
        ("repetitions: 2", "draws: 0", "streaming.draws"),
        ("repetitions: 2", "tries: 5", "streaming.tries"),
        ("synthetic, split: val, plain: true", "synthetic_images", "single images"),
    ],
)
def test_wrong_settings_are_refused_before_anything_runs(tmp_path, old, new, expected):
    text = CONFIG.format(method="color_key", length=5, stride=1, measure="streaming", policy="all")
    assert old in text
    with pytest.raises(InputError, match=expected):
        jobs_of(tmp_path, text.replace(old, new), build=build, limit=1)
