"""Schedules and what is on show: the streams worked out by hand, and the invariants."""

import json
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paths import GOLDEN
from vis_bench.inference.clips import clip_windows
from vis_bench.metrics.streaming import (
    MILLISECOND,
    SECOND,
    TimedClip,
    VideoStream,
    ages,
    frame_latencies,
    instant,
    latency_figures,
    show_figures,
)

EXAMPLES = json.loads((GOLDEN / "streaming.json").read_text())["examples"]


def stream_of(example):
    clips = [
        TimedClip(
            start,
            stop,
            encode=example.get("encode_ms", 0) * MILLISECOND,
            predict=example["clip_ms"] * MILLISECOND,
        )
        for start, stop in example["clips"]
    ]
    return VideoStream.of(clips, Fraction(example["rate"]), example["policy"])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["name"])
def test_streams_worked_out_by_hand(example):
    stream = stream_of(example)
    if "steps" in example:
        steps = [(c, s * MILLISECOND, f * MILLISECOND) for c, s, f in example["steps"]]
        assert [tuple(step) for step in stream.steps] == steps
    if "latencies_ms" in example:
        found = frame_latencies(stream.clips, stream.steps, stream.num_frames, stream.rate)
        assert [each.total / MILLISECOND for each in found] == example["latencies_ms"]
    figures = latency_figures([stream])
    for field, value in example.get("figures", {}).items():
        assert figures[field] == pytest.approx(value), field
    for query in example["shown"]:
        delay = Fraction(query["delay_ms"], 1000)
        shown = stream.on_show(delay)
        sources = [None if each is None else each.frame for each in shown]
        assert sources == query["frames"]
        if "clips" in query:
            assert [None if each is None else each.clip for each in shown] == query["clips"]
        if "iou" in query:
            assert toy_iou(sources) == Fraction(*query["iou"])
            assert toy_ap(toy_iou(sources)) == query["ap"]
        for field, value in show_figures([stream], delay).items():
            assert field not in query or value == pytest.approx(query[field]), field


def toy_iou(sources, width=4):
    """A perfect method on an object that covers the pixels [k, k + width) of a line."""
    line = np.arange(len(sources) + width)
    union = cut = 0
    for k, source in enumerate(sources):
        truth = (line >= k) & (line < k + width)
        held = (line >= source) & (line < source + width) if source is not None else truth & False
        cut, union = cut + int((truth & held).sum()), union + int((truth | held).sum())
    return Fraction(cut, union)


def toy_ap(iou):
    return sum(iou >= Fraction(50 + 5 * n, 100) for n in range(10)) / 10


@st.composite
def streams(draw, policies=("all", "newest", "overlap")):
    """A video of any plan and any times, at a rate whose instants are whole nanoseconds."""
    length = draw(st.integers(1, 14))
    clip_length = draw(st.integers(1, 16))
    windows = clip_windows(length, clip_length, draw(st.integers(1, clip_length)))
    times = st.integers(0, 400 * MILLISECOND).map(lambda t: 2 * t)
    clips = [TimedClip(w.start, w.stop, *(draw(times) for _ in range(5))) for w in windows]
    rate = Fraction(draw(st.sampled_from([1, 2, 5, 10, 25])))
    return VideoStream.of(clips, rate, draw(st.sampled_from(policies)), draw(st.integers(1, 3)))


delays = st.integers(0, 3000).map(lambda n: Fraction(n, 500))


@given(streams(), delays)
def test_what_is_on_show_is_the_newest_frame_of_any_finished_clip(stream, delay):
    for k, shown in enumerate(stream.on_show(delay)):
        ready = [s.clip for s in stream.steps if s.finish <= instant(k, stream.rate, delay)]
        if not ready:
            assert shown is None
            continue
        frames = [
            n for c in ready for n in range(stream.clips[c].start, stream.clips[c].stop) if n <= k
        ]
        holders = [c for c in ready if stream.clips[c].start <= max(frames) < stream.clips[c].stop]
        assert shown == (ready[-1], holders[-1], max(frames))


@given(streams(), delays, delays)
def test_more_delay_serves_no_fewer_frames_and_no_older_ones(stream, one, other):
    low, high = (show_figures([stream], delay) for delay in sorted([one, other]))
    assert high["share_served"] >= low["share_served"]
    sooner, later = (stream.on_show(delay) for delay in sorted([one, other]))
    for a, b in zip(sooner, later, strict=True):
        assert a is None or (b.frame >= a.frame and b.clip >= a.clip)


@given(streams(), st.integers(0, 900 * MILLISECOND), delays, delays)
def test_the_mean_age_never_grows_with_the_delay_where_clips_take_equally_long(
    stream, nanoseconds, one, other
):
    """Else it can: a slow first clip may leave only later frames, which show themselves, served."""
    clips = [TimedClip(clip.start, clip.stop, predict=nanoseconds) for clip in stream.clips]
    even = VideoStream.of(clips, stream.rate, "all")
    low, high = (show_figures([even], delay)["age_frames"] for delay in sorted([one, other]))
    assert low is None or high <= low + 1e-12


@given(streams(), delays)
def test_only_time_times_rate_counts(stream, delay):
    halves = [
        TimedClip(
            c.start,
            c.stop,
            *(t // 2 for t in (c.preprocess, c.encode, c.predict, c.track, c.publish)),
        )
        for c in stream.clips
    ]
    for policy in ("all", "newest"):
        slow = VideoStream.of(stream.clips, stream.rate, policy)
        fast = VideoStream.of(halves, 2 * stream.rate, policy)
        if all(t % 2 == 0 for step in slow.steps for t in step[1:]):
            assert fast.on_show(delay / 2) == slow.on_show(delay)


@given(streams())
def test_parts_of_the_latency_sum_to_it_and_start_at_the_arrival(stream):
    found = frame_latencies(stream.clips, stream.steps, stream.num_frames, stream.rate)
    finish_of = {step.clip: step.finish for step in stream.steps}
    for k, latency in enumerate(found):
        holding = [c for c in finish_of if stream.clips[c].start <= k < stream.clips[c].stop]
        if not holding:
            assert latency is None
            continue
        assert latency.total == finish_of[min(holding)] - instant(k, stream.rate)
        assert min(latency) >= 0


@given(streams(policies=("all",)), delays)
def test_newest_at_no_cost_is_all_and_shows_the_frame_itself(stream, delay):
    free = [TimedClip(clip.start, clip.stop) for clip in stream.clips]
    streams = [VideoStream.of(free, stream.rate, policy) for policy in ("all", "newest", "overlap")]
    assert streams[0].steps == streams[1].steps == streams[2].steps
    if all(len(range(clip.start, clip.stop)) == 1 for clip in free):
        assert [shown.frame for shown in streams[0].on_show(Fraction(0))] == [*range(len(free))]
    assert len({stream.on_show(delay) for stream in streams}) == 1


@given(streams(policies=("all", "overlap")))
def test_in_the_end_every_frame_shows_itself_as_the_last_clip_has_it(stream):
    shown = stream.on_show(None)
    assert [each.frame for each in shown] == [*range(stream.num_frames)]
    assert {each.clip for each in shown} == {len(stream.clips) - 1}


@given(streams(policies=("all",)), st.integers(1, 3))
def test_encoding_while_waiting_finishes_no_later(stream, chunk):
    overlap = VideoStream.of(stream.clips, stream.rate, "overlap", chunk)
    for waiting, early in zip(stream.steps, overlap.steps, strict=True):
        assert early.finish <= waiting.finish


def test_what_finishes_a_nanosecond_after_the_query_is_late():
    rate = Fraction(10)
    for extra, served in ((0, 1), (1, 0)):
        clips = [TimedClip(0, 1, predict=SECOND // 10 + extra)]
        assert len(ages(VideoStream.of(clips, rate, "all").on_show(1 / rate))) == served


def test_newest_pays_for_the_frames_that_are_new_to_it():
    """The second of three clips is dropped, so that the third encodes three frames, not two."""
    times = {"encode": 300, "predict": 1000}
    clips = [TimedClip(0, 3, **times), *(TimedClip(n, n + 3, 0, 200, 1000) for n in (2, 4))]
    steps = VideoStream.of(clips, Fraction(SECOND, 100), "newest").steps
    assert [step.clip for step in steps] == [0, 2]
    assert steps[1].finish - steps[1].start == 300 + 1000


def test_a_rate_that_divides_no_second_has_whole_instants():
    rate = Fraction("29.97")
    assert instant(3, rate, 1 / rate) == instant(4, rate)
    assert all(b > a for a, b in pairwise(instant(k, rate) for k in range(100)))
