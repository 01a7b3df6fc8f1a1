"""Streaming: the clip and the frame on show at every instant, from the time that each clip takes.

Frame k arrives at k / rate. A clip starts when its last frame has arrived and the device is free.
Frame k is judged at its arrival plus a delay, by the last clip that is finished then: where the
frame itself is not covered, the newest covered one is held. Streaming perception (Li, Wang and
Ramanan, ECCV 2020, arXiv 2005.10420) does so for boxes of single frames.

Times are integer nanoseconds; what is finished at the instant of a query is in time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import numpy as np

SECOND = 10**9
MILLISECOND = 10**6
STAGES = ("preprocess", "encode", "predict", "track", "publish")

Policy = Literal["all", "newest", "overlap"]
# Seconds from a frame's arrival to its query; None for a query after everything is finished.
Delay = Fraction | None


@dataclass(frozen=True)
class TimedClip:
    """Frames [start, stop) of a clip, and the nanoseconds of each stage in a recorded run.

    `preprocess` and `encode` are of the frames that no earlier clip holds, `publish` makes the
    masks of the clip's frames at the video's size on the host.
    """

    start: int
    stop: int
    preprocess: int = 0
    encode: int = 0
    predict: int = 0
    track: int = 0
    publish: int = 0

    @property
    def per_clip(self) -> int:
        """Nanoseconds that do not depend on the number of new frames."""
        return self.predict + self.track + self.publish

    @property
    def total(self) -> int:
        """Nanoseconds of all stages."""
        return self.preprocess + self.encode + self.per_clip


class Step(NamedTuple):
    """One computed clip: its place in the plan, and when it starts and finishes.

    Under `overlap` it starts with the chunk that holds its last frame.
    """

    clip: int
    start: int
    finish: int


class Shown(NamedTuple):
    """The last finished clip, and the source: a frame, and the last clip by then that holds it."""

    clip: int
    holder: int
    frame: int


class Latency(NamedTuple):
    """From a frame's arrival to the first result that holds it, in three parts.

    `fill`: until the clip's last frame is there, `queue`: until the device begins with it.
    """

    fill: int
    queue: int
    compute: int

    @property
    def total(self) -> int:
        """All parts."""
        return sum(self)


def instant(frame: int, rate: Fraction, delay: Fraction = Fraction(0)) -> int:
    """The arrival of a frame plus a delay, in nanoseconds."""
    return round((frame / rate + delay) * SECOND)


def schedule(
    clips: Sequence[TimedClip], rate: Fraction, policy: Policy = "all", chunk: int = 1
) -> list[Step]:
    """Schedule the clips of one video on one device without preemption.

    Args:
        clips: all of the video's, in order; their ends increase.
        rate: frames per second.
        policy: `all` computes every clip in order. `newest` takes the newest clip that has arrived
            and drops older ones; encoding takes the time of the frames that are new to it.
            `overlap` computes every clip, and encodes frames while it waits for the clip's last.
        chunk: frames that `overlap` encodes at once.
    """
    arrivals = [instant(clip.stop - 1, rate) for clip in clips]
    new_frames = _new_frames(clips)
    steps: list[Step] = []
    place = free = held_stop = 0
    while place < len(clips):
        start = max(arrivals[place], free)
        if policy == "newest":
            place = bisect_right(arrivals, start) - 1
        clip, per_frames = clips[place], clips[place].preprocess + clips[place].encode
        first = max(clip.start, held_stop)
        if policy == "overlap":
            per_frame = per_frames // new_frames[place]
            for chunk_start in range(first, clip.stop, chunk):
                chunk_stop = min(chunk_start + chunk, clip.stop)
                start = max(instant(chunk_stop - 1, rate), free)
                free = start + (chunk_stop - chunk_start) * per_frame
            free += per_frames % new_frames[place] + clip.per_clip
        else:
            free = start + per_frames * (clip.stop - first) // new_frames[place] + clip.per_clip
        steps.append(Step(place, start, free))
        place, held_stop = place + 1, clip.stop
    return steps


def _new_frames(clips: Sequence[TimedClip]) -> list[int]:
    """Frames of each clip that no clip before it in the plan holds."""
    stops = [0, *(clip.stop for clip in clips)]
    return [clip.stop - max(clip.start, stop) for clip, stop in zip(clips, stops, strict=False)]


def on_show(
    clips: Sequence[TimedClip], steps: Sequence[Step], num_frames: int, rate: Fraction, delay: Delay
) -> tuple[Shown | None, ...]:
    """Source of each frame at its query; None before the first result."""
    finishes = [step.finish for step in steps]
    starts = [clips[step.clip].start for step in steps]
    shown: list[Shown | None] = []
    for frame in range(num_frames):
        query = None if delay is None else instant(frame, rate, delay)
        ready = len(steps) if query is None else bisect_right(finishes, query)
        if ready == 0:
            shown.append(None)
            continue
        holder = steps[bisect_right(starts, frame, 0, ready) - 1].clip
        source = min(frame, clips[holder].stop - 1)
        shown.append(Shown(steps[ready - 1].clip, holder, source))
    return tuple(shown)


def frame_latencies(
    clips: Sequence[TimedClip], steps: Sequence[Step], num_frames: int, rate: Fraction
) -> list[Latency | None]:
    """Latency of each frame; None for frames that no computed clip holds."""
    latencies: list[Latency | None] = [None] * num_frames
    for step in reversed(steps):
        clip = clips[step.clip]
        arrival = instant(clip.stop - 1, rate)
        for frame in range(clip.start, clip.stop):
            latencies[frame] = Latency(
                arrival - instant(frame, rate), step.start - arrival, step.finish - step.start
            )
    return latencies


def ages(shown: Sequence[Shown | None]) -> list[int]:
    """Frames by which the source is older than the frame, of each frame that shows anything."""
    return [frame - source.frame for frame, source in enumerate(shown) if source is not None]


@dataclass(frozen=True)
class VideoStream:
    """One recorded run of a video, scheduled at a rate."""

    clips: Sequence[TimedClip]
    steps: Sequence[Step]
    rate: Fraction

    @classmethod
    def of(
        cls, clips: Sequence[TimedClip], rate: Fraction, policy: Policy, chunk: int = 1
    ) -> VideoStream:
        """Schedule a run; see `schedule`."""
        return cls(clips, schedule(clips, rate, policy, chunk), rate)

    @property
    def num_frames(self) -> int:
        """The video's length."""
        return self.clips[-1].stop

    def on_show(self, delay: Delay) -> tuple[Shown | None, ...]:
        """See `on_show`."""
        return on_show(self.clips, self.steps, self.num_frames, self.rate, delay)

    def closest(self, delay: Delay) -> int | None:
        """The least nanoseconds between a finish and a query; None for an infinite delay."""
        if delay is None:
            return None
        queries = np.array([instant(k, self.rate, delay) for k in range(self.num_frames)])
        finishes = np.array([step.finish for step in self.steps])
        after = np.searchsorted(finishes, queries)
        nearest = finishes[np.clip([after - 1, after], 0, len(finishes) - 1)]
        return int(abs(nearest - queries).min())


def latency_figures(streams: Sequence[VideoStream]) -> dict[str, Any]:
    """Latency and throughput of videos at one rate, by field of a record; milliseconds.

    Percentiles are linear between order statistics, over the frames that were computed.
    """
    rate = streams[0].rate
    frames = [
        latency
        for stream in streams
        for latency in frame_latencies(stream.clips, stream.steps, stream.num_frames, rate)
    ]
    computed = np.array([latency for latency in frames if latency is not None])
    totals, parts = computed.sum(1) / MILLISECOND, computed.mean(0) / MILLISECOND
    p50, p90, p99 = np.percentile(totals, [50, 90, 99])
    busy = sum(clip.total for stream in streams for clip in stream.clips)
    throughput = len(frames) * SECOND / busy if busy else None
    queues = [
        step.start - instant(stream.clips[step.clip].stop - 1, rate)
        for stream in streams
        for step in stream.steps[-1:]
    ]
    first = [stream.steps[0].finish for stream in streams]
    return {
        "frame_latency_ms_mean": float(totals.mean()),
        "frame_latency_ms_p50": float(p50),
        "frame_latency_ms_p90": float(p90),
        "frame_latency_ms_p99": float(p99),
        "frame_latency_ms_max": float(totals.max()),
        **{f"{name}_ms": float(part) for name, part in zip(Latency._fields, parts, strict=True)},
        "throughput": throughput,
        "keeps_up": throughput is None or throughput >= rate,
        "last_queue_ms": float(np.mean(queues)) / MILLISECOND,
        "share_computed": len(computed) / len(frames),
        "first_mask_ms": float(np.mean(first)) / MILLISECOND,
        "num_clips": sum(len(stream.steps) for stream in streams),
    }


def show_figures(streams: Sequence[VideoStream], delay: Delay) -> dict[str, Any]:
    """Share of frames that show anything, and the age of what they show, by field of a record."""
    tables = [stream.on_show(delay) for stream in streams]
    old = [age for shown in tables for age in ages(shown)]
    closest = [distance for s in streams if (distance := s.closest(delay)) is not None]
    mean = float(np.mean(old)) if old else None
    return {
        "share_served": len(old) / sum(map(len, tables)),
        "age_frames": mean,
        "age_frames_max": max(old, default=None),
        "age_ms": None if mean is None else float(mean * 1000 / streams[0].rate),
        "closest_ms": min(closest) / MILLISECOND if closest else None,
    }
