"""Speed: frames per second, latency, stages, memory and energy of named regions.

Clips run one at a time (batch 1). A run is one video from end to end of the region; every video is
run several times. Per video the run of median length stands for all, so that one hiccup counts for
nothing, and `speed_spread` says how far the runs lie apart.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from vis_bench.cost.speed.compiling import compile_seconds, compiled_afresh, num_warmup
from vis_bench.cost.speed.memory import peak_memory
from vis_bench.cost.speed.nvml import Gpu, joules_per_frame, open_gpu
from vis_bench.cost.speed.regions import REGION_RUNS, RegionRun, Workload, videos_on_disk
from vis_bench.cost.speed.settings import SpeedSettings
from vis_bench.cost.speed.video_run import (
    Clock,
    VideoRun,
    middle_run,
    spread,
    synchronizer,
    time_run,
)
from vis_bench.data.video import Video
from vis_bench.inference.compiled import CompiledMethod
from vis_bench.inference.loop import no_mark
from vis_bench.inference.stages import NO_STAGES
from vis_bench.progress import Advance, Bars
from vis_bench.records.schema import MemoryBytes, RegionFields, SpeedFields

# Videos whose energy is measured, a window of seconds each.
ENERGY_VIDEOS = 3


@dataclass(frozen=True)
class TimedVideos:
    """All runs of one region over the videos.

    `runs` give frames per second and latency, `stage_runs` the stages. On a CPU they are the same
    runs. On a GPU stages wait for the device at both ends, so that they get runs of their own.
    """

    num_frames: int
    runs: Sequence[Sequence[VideoRun]]
    stage_runs: Sequence[Sequence[VideoRun]]

    @property
    def fps(self) -> float:
        """Source frames per second over whole videos."""
        return self.num_frames / sum(middle_run(runs).seconds for runs in self.runs)

    def latency_ms(self) -> dict[str, float]:
        """Percentiles of the milliseconds from one clip's result to the next one's."""
        seconds = [s for runs in self.runs for run in runs for s in run.clip_seconds]
        p50, p90, p99 = 1e3 * np.percentile(seconds, [50, 90, 99])
        return {
            "latency_ms_p50": float(p50),
            "latency_ms_p90": float(p90),
            "latency_ms_p99": float(p99),
        }

    def stage_ms_per_frame(self) -> dict[str, float]:
        """Milliseconds per source frame by stage; with `other` they sum to a frame's whole time.

        Of `decode`, which runs ahead in the background, only the waiting counts.
        """
        totals: dict[str, float] = {}
        for runs in self.stage_runs:
            for name, seconds in middle_run(runs).stage_seconds.items():
                totals[name] = totals.get(name, 0.0) + seconds
        return {name: 1e3 * seconds / self.num_frames for name, seconds in totals.items()}


@dataclass(frozen=True)
class MeasuredRegion:
    """A region's fields, and what its warm-up took longer than timed runs, in seconds."""

    fields: RegionFields
    compile_seconds: float


def measure_speed(
    work: Workload,
    videos: Sequence[Video],
    speed: SpeedSettings,
    bars: Bars,
    title: str = "speed",
    clock: Clock = time.perf_counter,
) -> SpeedFields:
    """The record's fields of speed.

    `regions` has the fields of every region; those beside it are the first region's, which
    `timed_region` names. Latency is the time from one clip's result (or the video's start) to the
    next one's; FPS is over source frames of whole videos, the end of the video included.
    `num_warmup` and `num_timed` count runs over a video. `load_average` is the machine's before
    the first run: processes that wanted to run during the last minute. A compiled method is
    compiled anew in the first region's warm-up; `compile_seconds` says how long that took.

    Args:
        videos: timed one after the other; for `end_to_end` they are written to a temporary folder
            first where they are not in files.
        clock: what the time is read from.
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    gpu = open_gpu(work.plan.device)
    warm_up = num_warmup(work.method, speed, len(videos))
    total = len(speed.regions) * (warm_up + speed.repetitions * len(videos))
    with (
        tempfile.TemporaryDirectory(prefix="vis_bench_") as folder,
        bars.bar(title, total) as advance,
        compiled_afresh(work.method),
    ):
        measured = {
            name: _Region(name, work, Path(folder), gpu, clock, advance).measure(videos, speed)
            for name in speed.regions
        }
    first = speed.regions[0]
    regions: dict[str, RegionFields] = {name: region.fields for name, region in measured.items()}
    is_compiled = isinstance(work.method, CompiledMethod)
    return SpeedFields(
        timed_region=first,
        speed_protocol=speed.protocol,
        regions=regions,
        compile_seconds=measured[first].compile_seconds if is_compiled else None,
        load_average=load,
        num_cpus=os.cpu_count(),
        gpu=None if gpu is None else gpu.describe(),
        **regions[first].model_dump(),
    )


class _Region:
    """Measures one region."""

    def __init__(
        self,
        name: str,
        work: Workload,
        folder: Path,
        gpu: Gpu | None,
        clock: Clock,
        advance: Advance,
    ) -> None:
        self._name = name
        self._work = work
        self._folder = folder
        self._gpu = gpu
        self._clock = clock
        self._advance = advance

    def measure(self, videos: Sequence[Video], speed: SpeedSettings) -> MeasuredRegion:
        """The region's fields, and how long its warm-up compiled."""
        if self._name == "end_to_end":
            videos = videos_on_disk(videos, self._folder)
        device = self._work.plan.device
        warm_up = num_warmup(self._work.method, speed, len(videos))
        with peak_memory(device) as peaks:
            warm = [self._time(video, by_stage=False) for video in islice(cycle(videos), warm_up)]
            timed = self._time_all(videos, speed)
        fields = RegionFields(
            fps=timed.fps,
            **timed.latency_ms(),
            num_warmup=warm_up,
            num_timed=sum(len(runs) for runs in timed.runs),
            num_timed_clips=sum(len(r.clip_seconds) for runs in timed.runs for r in runs),
            speed_spread=spread(timed.runs),
            stage_ms_per_frame=timed.stage_ms_per_frame(),
            peak_memory_bytes=peaks.main,
            memory_bytes=MemoryBytes(**asdict(peaks)),
            energy_joules_per_frame=self._energy(videos),
        )
        return MeasuredRegion(fields, compile_seconds(warm, timed.runs))

    def _time_all(self, videos: Sequence[Video], speed: SpeedSettings) -> TimedVideos:
        by_stage = self._work.plan.device.type != "cuda"
        runs: list[list[VideoRun]] = [[] for _ in videos]
        start = self._clock()
        while len(runs[0]) < speed.repetitions or self._clock() - start < speed.seconds:
            self._time_pass(videos, runs, by_stage=by_stage)
        stage_runs = runs
        if not by_stage:
            stage_runs = [[] for _ in videos]
            for _ in range(speed.repetitions):
                self._time_pass(videos, stage_runs, by_stage=True)
        return TimedVideos(sum(video.length for video in videos), runs, stage_runs)

    def _time_pass(
        self, videos: Sequence[Video], runs: Sequence[list[VideoRun]], *, by_stage: bool
    ) -> None:
        for video, done in zip(videos, runs, strict=True):
            done.append(self._time(video, by_stage=by_stage))

    def _time(self, video: Video, *, by_stage: bool) -> VideoRun:
        run = self._prepare(video)
        timed = time_run(run, self._work.plan.device, by_stage=by_stage, clock=self._clock)
        self._advance()
        return timed

    def _prepare(self, video: Video) -> RegionRun:
        return REGION_RUNS[self._name](self._work, video, self._folder)

    def _energy(self, videos: Sequence[Video]) -> float | None:
        """Joules per source frame, the mean over the first videos; None without a GPU."""
        figures = [
            joules_per_frame(self._gpu, self._finished(video), video.length)
            for video in (videos[:ENERGY_VIDEOS] if self._gpu else [])
        ]
        known = [figure for figure in figures if figure is not None]
        return sum(known) / len(known) if known else None

    def _finished(self, video: Video) -> Callable[[], None]:
        """A run that returns when the device has finished."""
        run, synchronize = self._prepare(video), synchronizer(self._work.plan.device)

        def finish() -> None:
            run(NO_STAGES, no_mark)
            synchronize()

        return finish
