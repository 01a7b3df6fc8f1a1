"""Speed: frames per second, latency, stages, memory and energy of named regions.

Clips run one at a time (batch 1). A run is one video from end to end of the region; every video is
run several times. The run of median length represents its video, so that one hiccup has no effect,
and `speed_spread` is the spread of the runs. Fresh processes differ by more than runs inside one
do: that of median FPS represents them, and `fps_low` and `fps_high` are the slowest and fastest.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vis_bench.data.video import Video
from vis_bench.evaluation_mode import put_in_evaluation
from vis_bench.hosted_method import HostedMethod
from vis_bench.inference.compiled import COMPILING_RUNS, CompiledMethod
from vis_bench.inference.loop import no_mark
from vis_bench.inference.stages import NO_STAGES
from vis_bench.measures.speed.nvml import Gpu, joules_per_frame, open_gpu, peak_memory
from vis_bench.measures.speed.regions import (
    REGION_RUNS,
    Clock,
    RegionRun,
    VideoRun,
    Workload,
    synchronizer,
    time_run,
    untimed_regions,
    videos_on_disk,
)
from vis_bench.measures.speed.settings import SpeedSettings
from vis_bench.method import VISMethod
from vis_bench.progress import Advance, Bars

# Videos whose energy is measured, a window of seconds each.
ENERGY_VIDEOS = 3


def measure_speed(
    work: Workload,
    videos: Sequence[Video],
    speed: SpeedSettings,
    bars: Bars,
    title: str = "speed",
    clock: Clock = time.perf_counter,
) -> dict[str, Any]:
    """Measure the record's fields of speed, by name.

    `regions` has the fields of every region; those beside it are the first region's, which
    `timed_region` names. `untimed_regions` gives reasons for regions that the method lacks. Latency
    is the time from one clip's result (or the video's start) to the next one's; FPS is over source
    frames of whole videos, the end of the video included. `num_warmup` and `num_timed` count runs
    over a video; every video runs before the first that is timed, so that FPS, percentiles and
    spread hold no first call with a shape. `load_average` is the machine's before the first run:
    processes that wanted to run during the last minute. A compiled method is compiled anew in the
    first region's warm-up, which takes `compile_seconds` longer.

    Args:
        videos: timed one after the other; for `end_to_end` they are written to a temporary folder
            first where they are not in files.
        clock: returns the time in seconds.
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    gpu = open_gpu(work.plan.device)
    warm_up = max(len(videos), num_warmup(work.method, speed, len(videos)))
    untimed = untimed_regions(work.method, speed.regions)
    names = [name for name in speed.regions if name not in untimed]
    total = len(names) * num_runs(work.plan.device, speed, len(videos), warm_up)
    regions, compiling = {}, {}
    with (
        tempfile.TemporaryDirectory(prefix="vis_bench_") as folder,
        bars.bar(title, total) as advance,
        _compiled_afresh(work.method),
    ):
        for name in names:
            region = _RegionTiming(name, work, Path(folder), gpu, clock, advance, warm_up)
            regions[name], compiling[name] = region.measure(videos, speed)
    first = names[0]
    return {
        **regions[first],
        "timed_region": first,
        "speed_protocol": speed.protocol,
        "regions": regions,
        "untimed_regions": untimed,
        "compile_seconds": compiling[first] if isinstance(work.method, CompiledMethod) else None,
        "load_average": load,
        "num_cpus": os.cpu_count(),
        "gpu": None if gpu is None else gpu.describe(),
    }


def over_processes(found_P: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Fields of several processes as one's: of each region those of the process of median FPS.

    Of an even number the slower of the two in the middle counts. The load is that before the first.
    """
    first = found_P[0]["timed_region"]
    middle = _middle([found["regions"][first] for found in found_P])
    regions = {}
    for name in found_P[0]["regions"]:
        fields_P = [found["regions"][name] for found in found_P]
        fps_P = [fields["fps"] for fields in fields_P]
        ends = {"fps_low": min(fps_P), "fps_high": max(fps_P)}
        regions[name] = {**fields_P[_middle(fields_P)], **ends}
    of_run = {name: found_P[0][name] for name in ("load_average", "num_cpus", "gpu")}
    return {**found_P[middle], **of_run, **regions[first], "regions": regions}


def _middle(fields_P: Sequence[Mapping[str, Any]]) -> int:
    """The place of median FPS."""
    return sorted(range(len(fields_P)), key=lambda p: fields_P[p]["fps"])[(len(fields_P) - 1) // 2]


def num_warmup(method: VISMethod, speed: SpeedSettings, num_videos: int) -> int:
    """Count the videos that are run before the first that is timed.

    A compiled method runs every video until nothing is left to compile: videos differ in their
    lengths and in the number of instances, and so in shapes.
    """
    if isinstance(method, CompiledMethod):
        return max(speed.warmup, COMPILING_RUNS * num_videos)
    return speed.warmup


def num_runs(device: torch.device, speed: SpeedSettings, num_videos: int, warm_up: int) -> int:
    """Count the runs of a region over its videos, the least where `seconds` ask for more.

    Those for energy do not count.
    """
    return warm_up + speed.repetitions * num_videos * (1 if _by_stage(device) else 2)


def _by_stage(device: torch.device) -> bool:
    """Runs for speed are those for stages, but on a GPU, which stages wait for at both ends."""
    return device.type != "cuda"


@contextmanager
def _compiled_afresh(method: VISMethod) -> Iterator[None]:
    """Empty PyTorch's caches, in memory and on disk, so that compiling takes its full time."""
    if not isinstance(method, CompiledMethod):
        yield
        return
    from torch._inductor.utils import fresh_cache

    torch.compiler.reset()
    with fresh_cache():
        yield


def compile_seconds(warm: Sequence[VideoRun], timed: Sequence[Sequence[VideoRun]]) -> float:
    """Seconds that the first runs took longer than timed ones of the same videos.

    Args:
        warm: the runs before the timed ones, over the videos in turn.
        timed: the timed runs of each video.
    """
    usual = [middle_run(runs).seconds for runs in timed]
    excess = sum(run.seconds - usual[place % len(usual)] for place, run in enumerate(warm))
    return max(0.0, excess)


def middle_run(runs: Sequence[VideoRun]) -> VideoRun:
    """The run of median length; the shorter of the two in the middle where they are even."""
    return sorted(runs, key=lambda run: run.seconds)[(len(runs) - 1) // 2]


def spread(runs_by_video: Sequence[Sequence[VideoRun]]) -> float | None:
    """Spread of equal runs: (p90 - p10) / p50 of a run's length over its video's median.

    None where every video was run once.
    """
    ratios = [
        run.seconds / middle_run(runs).seconds
        for runs in runs_by_video
        if len(runs) > 1
        for run in runs
    ]
    if not ratios:
        return None
    low, middle, high = np.percentile(ratios, [10, 50, 90])
    return float((high - low) / middle)


@dataclass(frozen=True)
class _RegionTiming:
    """The measurement of one region."""

    name: str
    work: Workload
    folder: Path
    gpu: Gpu | None
    clock: Clock
    advance: Advance
    num_warmup: int

    def measure(
        self, videos: Sequence[Video], speed: SpeedSettings
    ) -> tuple[dict[str, Any], float]:
        """The region's fields by name, and the seconds that its warm-up compiled."""
        if self.name == "end_to_end":
            videos = videos_on_disk(videos, self.folder)
        device = self.work.plan.device
        num_frames = sum(video.length for video in videos)
        method = self.work.method
        elsewhere = method.take_peaks if isinstance(method, HostedMethod) else dict
        with peak_memory(device, elsewhere) as peaks:
            untimed = islice(cycle(videos), self.num_warmup)
            warm = [self._time(video, by_stage=False) for video in untimed]
            runs, stage_runs = self._time_all(videos, speed)
        clip_seconds = [s for of_video in runs for run in of_video for s in run.clip_seconds]
        p50, p90, p99 = (float(p) for p in 1e3 * np.percentile(clip_seconds, [50, 90, 99]))
        fields = {
            "fps": num_frames / sum(middle_run(of_video).seconds for of_video in runs),
            "latency_ms_p50": p50,
            "latency_ms_p90": p90,
            "latency_ms_p99": p99,
            "num_warmup": self.num_warmup,
            "num_timed": sum(len(of_video) for of_video in runs),
            "num_timed_clips": len(clip_seconds),
            "speed_spread": spread(runs),
            # With `other` they sum to a frame's whole time. Of `decode`, which runs ahead in the
            # background, only the waiting counts.
            "stage_ms_per_frame": _stage_ms(stage_runs, num_frames),
            "peak_memory_bytes": peaks["allocator" if device.type == "cuda" else "process"],
            "memory_bytes": peaks,
            "energy_joules_per_frame": self._energy(videos),
        }
        return fields, compile_seconds(warm, runs)

    def _time_all(
        self, videos: Sequence[Video], speed: SpeedSettings
    ) -> tuple[list[list[VideoRun]], list[list[VideoRun]]]:
        """Runs of each video for speed, and for the stages.

        On a GPU stages get runs of their own.
        """
        by_stage = _by_stage(self.work.plan.device)
        runs: list[list[VideoRun]] = [[] for _ in videos]
        start = self.clock()
        while len(runs[0]) < speed.repetitions or self.clock() - start < speed.seconds:
            self._time_pass(videos, runs, by_stage=by_stage)
        if by_stage:
            return runs, runs
        stage_runs: list[list[VideoRun]] = [[] for _ in videos]
        for _ in range(speed.repetitions):
            self._time_pass(videos, stage_runs, by_stage=True)
        return runs, stage_runs

    def _time_pass(
        self, videos: Sequence[Video], runs: Sequence[list[VideoRun]], *, by_stage: bool
    ) -> None:
        for video, of_video in zip(videos, runs, strict=True):
            of_video.append(self._time(video, by_stage=by_stage))

    def _time(self, video: Video, *, by_stage: bool) -> VideoRun:
        run = self._prepare(video)
        timed = time_run(run, self.work.plan.device, by_stage=by_stage, clock=self.clock)
        self.advance()
        return timed

    def _prepare(self, video: Video) -> RegionRun:
        put_in_evaluation(self.work.method)
        return REGION_RUNS[self.name](self.work, video, self.folder)

    def _energy(self, videos: Sequence[Video]) -> float | None:
        """Joules per source frame, the mean over the first videos; None without a GPU."""
        figures = [
            joules_per_frame(self.gpu, self._finished(video), video.length)
            for video in (videos[:ENERGY_VIDEOS] if self.gpu else [])
        ]
        known = [figure for figure in figures if figure is not None]
        return sum(known) / len(known) if known else None

    def _finished(self, video: Video) -> Callable[[], None]:
        """A run that returns when the device has finished."""
        run, synchronize = self._prepare(video), synchronizer(self.work.plan.device)

        def finish() -> None:
            run(NO_STAGES, no_mark)
            synchronize()

        return finish


def _stage_ms(runs: Sequence[Sequence[VideoRun]], num_frames: int) -> dict[str, float]:
    """Milliseconds per frame by stage, of each video's middle run."""
    stages: Counter[str] = Counter()
    for of_video in runs:
        stages.update(middle_run(of_video).stage_seconds)
    return {name: 1e3 * seconds / num_frames for name, seconds in stages.items()}
