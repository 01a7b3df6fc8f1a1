"""Traces: the time of every clip of every video, one clip at a time.

The first line of a file describes the method and the machine. Every other one is a run of a video:
`{"video": 1, "run": 0, "clips": [{"start": 0, "stop": 5, "preprocess": 21034, ...}]}`, stages in
nanoseconds. Run k of every video belongs to pass k over all of them. Schedules of another machine
are computed from its trace.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.files import parse_json, read_bytes, shown
from vis_bench.inference.clips import Clip
from vis_bench.inference.loop import Tracker, track_video
from vis_bench.inference.stages import StageClock
from vis_bench.measures.speed.regions import Clock, Workload, synchronizer
from vis_bench.metrics.streaming import SECOND, STAGES, TimedClip

VERSION = 1
# Runs of every video by its id, one of each in a pass.
Runs = Mapping[int, Sequence[Sequence[TimedClip]]]
_MOST = 10**15  # nanoseconds, eleven days


@dataclass(frozen=True)
class Trace:
    """The runs of every video by its id, and the method and machine that they were timed on."""

    method: str
    device: str
    runs: Runs

    @property
    def num_runs(self) -> int:
        """Runs of every video."""
        return len(next(iter(self.runs.values())))

    def encoded(self) -> bytes:
        """The content of the trace's file."""
        header = {"vis_bench_trace": VERSION, "method": self.method, "device": self.device}
        lines = [
            {"video": video, "run": number, "clips": [asdict(clip) for clip in run]}
            for video, runs in self.runs.items()
            for number, run in enumerate(runs)
        ]
        return b"".join(orjson.dumps(line) + b"\n" for line in [header, *lines])

    @property
    def sha256(self) -> str:
        """Digest of the file's content."""
        return hashlib.sha256(self.encoded()).hexdigest()


def time_videos(
    work: Workload,
    videos: Sequence[Video],
    warmup: int,
    repetitions: int,
    advance: Callable[[], object],
    clock: Clock = time.perf_counter,
) -> dict[int, list[list[TimedClip]]]:
    """Time every clip of every video, in passes over all videos; the runs of each by its id.

    Args:
        warmup: runs of a video before the first that is timed.
        repetitions: passes.
        advance: called after every run of a video.
        clock: returns the time in seconds.
    """
    for number in range(warmup):
        time_clips(work, videos[number % len(videos)], clock)
        advance()
    runs: dict[int, list[list[TimedClip]]] = {video.id: [] for video in videos}
    for _ in range(repetitions):
        for video in videos:
            runs[video.id].append(time_clips(work, video, clock))
            advance()
    return runs


def time_clips(work: Workload, video: Video, clock: Clock = time.perf_counter) -> list[TimedClip]:
    """Time the clips of one video, waiting for the device at both ends of every stage.

    Frames are decoded before. The masks of a `VideoMethod` are at the video's size, so that
    publishing them takes no time.
    """
    decoded = replace(video, frames=[*video.frames])
    stages = StageClock(synchronizer(work.plan.device), clock)
    windows = iter(work.plan.clips(video.length))
    clips: list[TimedClip] = []

    def publish(tracker: Tracker, clip: Clip) -> None:
        with stages.time("publish"):
            chosen = {pair.track for pair in tracker.outputs()}
            for _ in tracker.published(range(clip.start, clip.stop), chosen):
                pass

    def after_clip() -> None:
        window = next(windows)
        times = {name: round(stages.seconds.get(name, 0.0) * SECOND) for name in STAGES}
        clips.append(TimedClip(window.start, window.stop, **times))
        stages.seconds.clear()

    track_video(work.method, decoded, work.plan, work.category_ids, stages, after_clip, publish)
    return clips


def read_trace(path: Path) -> Trace:
    """Read and check a trace.

    Raises:
        InputError: naming the file and the first line that is wrong.
    """
    lines = enumerate(read_bytes(path).splitlines(), 1)
    header, *content = [parse_json(line, f"trace {path}, line {n}") for n, line in lines] or [None]
    if not isinstance(header, dict) or header.get("vis_bench_trace") != VERSION:
        raise InputError(
            f"trace {path} begins with {shown(header)}; expected vis_bench_trace {VERSION}, as "
            "`run` with measure streaming writes it"
        )
    runs: dict[int, list[list[TimedClip]]] = {}
    for number, line in enumerate(content, 2):
        where = f"trace {path}, line {number}"
        if not isinstance(line, dict) or type(line.get("video")) is not int:
            raise InputError(f"{where} names no video; expected video, run and clips")
        runs.setdefault(line["video"], []).append([*_clips(line.get("clips"), where)])
    if not runs or len({len(of_video) for of_video in runs.values()}) > 1:
        raise InputError(f"trace {path} lacks runs; expected equally many of every video")
    return Trace(str(header.get("method")), str(header.get("device")), runs)


def _clips(entries: Any, where: str) -> Iterator[TimedClip]:
    keys = ("start", "stop", *STAGES)
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{where} has clips {shown(entries)}; expected a list")
    for entry in entries:
        values = [entry.get(key) for key in keys] if isinstance(entry, dict) else [None]
        if any(type(value) is not int or not 0 <= value <= _MOST for value in values):
            raise InputError(
                f"{where} has the clip {shown(entry)}; expected whole numbers from 0 for "
                f"{', '.join(keys)}"
            )
        yield TimedClip(*values)


def check_trace(
    trace: Trace, path: Path, method: str, videos: Sequence[Video], clips: Mapping[int, list[Clip]]
) -> None:
    """Refuse a trace of another method, other videos or another clip plan.

    Args:
        clips: the plan of each video, by its id.
    """
    if trace.method != method:
        raise InputError(f"trace {path} is of method {trace.method}; expected {method}")
    for video in videos:
        if video.id not in trace.runs:
            raise InputError(f"trace {path} lacks video {video.name} (id {video.id})")
        planned = [(clip.start, clip.stop) for clip in clips[video.id]]
        for run in trace.runs[video.id]:
            if [(clip.start, clip.stop) for clip in run] != planned:
                raise InputError(
                    f"trace {path} has other clips of video {video.name} (id {video.id}) than the "
                    f"config's; expected {len(planned)} clips that begin with frames "
                    f"{planned[0][0]} to {planned[0][1] - 1}"
                )
