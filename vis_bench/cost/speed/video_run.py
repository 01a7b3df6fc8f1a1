"""Times one run over a video: as a whole, clip by clip, and by stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch

from vis_bench.cost.speed.regions import RegionRun
from vis_bench.inference.stages import NO_STAGES, STAGE_NAMES, StageClock

OTHER = "other"

# Reads the time, in seconds.
Clock = Callable[[], float]


@dataclass(frozen=True)
class VideoRun:
    """One timed run over one video, in seconds.

    `clip_seconds`: from one clip's result (or the start) to the next one's. `stage_seconds`: by
    stage, empty where stages were not timed; they add up to `seconds` with `other`, which is all
    between the stages.
    """

    seconds: float
    clip_seconds: Sequence[float]
    stage_seconds: Mapping[str, float]


class ClipMarks(Protocol):
    """Notes the moments at which clips are done."""

    def mark(self) -> None:
        """Notes this moment."""

    def intervals(self) -> list[float]:
        """Seconds between successive marks."""


class CpuMarks:
    """Reads the clock."""

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self._clock = clock
        self._times: list[float] = []

    def mark(self) -> None:
        """See `ClipMarks`."""
        self._times.append(self._clock())

    def intervals(self) -> list[float]:
        """See `ClipMarks`."""
        return np.diff(self._times).tolist()


class CudaMarks:
    """Queues an event behind the work so far, so that marking waits for nothing."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.current_stream(device)
        self._events: list[torch.cuda.Event] = []

    def mark(self) -> None:
        """See `ClipMarks`."""
        event = torch.cuda.Event(enable_timing=True)
        event.record(self._stream)
        self._events.append(event)

    def intervals(self) -> list[float]:
        """See `ClipMarks`; all marked work has to be finished."""
        pairs = zip(self._events, self._events[1:], strict=False)
        return [first.elapsed_time(second) / 1e3 for first, second in pairs]


def synchronizer(device: torch.device) -> Callable[[], None]:
    """A function that waits until the device has finished what was queued."""
    if device.type == "cuda":
        return partial(torch.cuda.synchronize, device)
    return lambda: None


def time_run(
    run: RegionRun, device: torch.device, *, by_stage: bool, clock: Clock = time.perf_counter
) -> VideoRun:
    """Runs once and times it; the device is idle at both ends.

    Args:
        by_stage: times the stages, and waits for the device at the ends of each; on a GPU that
            keeps it from working ahead, so that the whole is slower than in use.
    """
    synchronize = synchronizer(device)
    stages = StageClock(synchronize, clock) if by_stage else None
    marks: ClipMarks = CudaMarks(device) if device.type == "cuda" else CpuMarks(clock)
    synchronize()
    start = clock()
    marks.mark()
    run(stages or NO_STAGES, marks.mark)
    synchronize()
    seconds = clock() - start
    stage_seconds = {} if stages is None else _with_other(stages.seconds, seconds)
    return VideoRun(seconds, marks.intervals(), stage_seconds)


def _with_other(stage_seconds: Mapping[str, float], seconds: float) -> dict[str, float]:
    stages = {name: stage_seconds[name] for name in STAGE_NAMES if name in stage_seconds}
    return {**stages, OTHER: seconds - sum(stages.values())}


def middle_run(runs: Sequence[VideoRun]) -> VideoRun:
    """The run of median length; the shorter of the two in the middle where they are even."""
    return sorted(runs, key=lambda run: run.seconds)[(len(runs) - 1) // 2]


def spread(runs_by_video: Sequence[Sequence[VideoRun]]) -> float | None:
    """How much equal runs differ: (p90 - p10) / p50 of a run's length over its video's median.

    None where every video was run once, so that nothing is known.
    """
    ratios = [
        run.seconds / middle_run(runs).seconds for runs in runs_by_video if len(runs) > 1
        for run in runs
    ]  # fmt: skip
    if not ratios:
        return None
    low, middle, high = np.percentile(ratios, [10, 50, 90])
    return float((high - low) / middle)
