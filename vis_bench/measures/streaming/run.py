"""Streaming AP of a job: time its clips, schedule them, infer once, evaluate what was on show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import count, starmap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.datasets import Dataset
from vis_bench.data.results_file import Results, Track, write_results
from vis_bench.data.video import Video
from vis_bench.files import write_atomically
from vis_bench.grouping import grouped
from vis_bench.inference.loop import ENCODE_FRAMES
from vis_bench.inference.publications import Publications, publish_video
from vis_bench.measures.speed.measure import num_warmup
from vis_bench.measures.speed.regions import Workload
from vis_bench.measures.speed.settings import SpeedSettings
from vis_bench.measures.streaming.settings import delays_of, rates_of
from vis_bench.measures.streaming.trace import Runs, Trace, time_videos
from vis_bench.method import VISMethod
from vis_bench.metrics.ap import Evaluation
from vis_bench.metrics.matching import Matches, match
from vis_bench.metrics.resample import resampled_ap
from vis_bench.metrics.streaming import (
    Delay,
    Policy,
    Shown,
    VideoStream,
    latency_figures,
    show_figures,
)
from vis_bench.progress import Bars
from vis_bench.record.names import file_stem
from vis_bench.record.schema import Record, StreamFields, StreamingFields, StreamPoint
from vis_bench.record.store import RESULTS_ENDING, TRACE_ENDING, name_by_content

if TYPE_CHECKING:  # a run imports the measurements
    from vis_bench.runs.attempt import Attempt
    from vis_bench.runs.build import CheckedMethod
    from vis_bench.runs.config import Cell
    from vis_bench.runs.jobs import Job

# Rates of the curve of AP over rates, in frames per second.
RATES = (1, 2, 3, 6, 10, 15, 24, 30, 60, 120)
# AP of an infinite delay that `delay_95_ms` asks for.
SHARE = 0.95


def check(cell: Cell, dataset: Dataset, method: CheckedMethod) -> None:
    """Refuse a rate that is not known."""
    rates_of(cell.streaming, dataset.name)


def measure(attempt: Attempt, record: Record) -> StreamingFields:
    """Time the clips, infer what is on show, and write the trace and a results file for each rate
    and delay; the record names these files and this machine.
    """
    job, folder, stem = attempt.job, attempt.results, file_stem(record)
    settings = job.cell.streaming
    trace, processes = _trace(attempt, str(record.device))
    rates = rates_of(settings, job.dataset.name)
    more = rates if settings.policy == "newest" else sorted({*rates, *map(Fraction, RATES)})
    streams = {
        rate: _Streams.of(job.videos, trace, rate, settings.policy)
        for rate in dict.fromkeys((*rates, *more))
    }
    asked = [
        (streams[rate], text, delay)
        for rate in rates
        for text, delay in delays_of(settings.delays, rate)
    ]
    by_delay = [(streams[rate], delay) for rate in rates for delay in _delay_grid(streams[rate])]
    by_rate = [(streams[rate], 1 / rate) for rate in more]
    rows = [(own, delay) for own, _, delay in asked]
    screen = _Screen.of(attempt, [*rows, *by_delay, *by_rate])
    curve = list(starmap(screen.point, by_delay))
    by_own_rate = grouped(curve, lambda point: point.rate)
    written = folder / f"{stem}{TRACE_ENDING}"
    write_atomically(written, trace.encoded())
    return StreamingFields(
        streaming=tuple(
            _measured(
                screen,
                own,
                delay,
                f"{stem}.{float(own.rate):g}fps.{text}",
                folder,
                by_own_rate[float(own.rate)],
            )
            for own, text, delay in asked
        ),
        streaming_policy=settings.policy,
        streaming_by_delay=tuple(curve),
        streaming_by_rate=tuple(starmap(screen.point, by_rate)),
        streaming_trace=name_by_content(written, TRACE_ENDING).name,
        streaming_trace_sha256=trace.sha256,
        streaming_device=trace.device,
        streaming_runs=trace.num_runs,
        streaming_processes=processes,
    )


def _trace(attempt: Attempt, device: str) -> tuple[Trace, int | None]:
    """The trace that the run names, or that of this machine with its number of processes."""
    job, number = attempt.job, attempt.job.cell.streaming.processes
    if job.trace is not None:
        return job.trace, None
    found = attempt.in_processes(number, f"{attempt.title}, clips", time_job)
    runs: Runs = {v.id: [run for of in found for run in of[v.id]] for v in job.videos}
    return Trace(job.cell.method, device, runs), number


def time_job(job: Job, method: VISMethod, bars: Bars, title: str) -> Runs:
    """Time the clips of a job in this process."""
    settings, videos = job.cell.streaming, job.videos
    warmup = num_warmup(method, SpeedSettings(warmup=settings.warmup), len(videos))
    work = Workload(method, job.plan, job.dataset.category_ids)
    with bars.bar(title, warmup + settings.repetitions * len(videos)) as advance:
        return time_videos(work, videos, warmup, settings.repetitions, advance)


@dataclass(frozen=True)
class _Streams:
    """Passes over the job's videos at one rate, each a run of every video."""

    rate: Fraction
    passes: Sequence[Sequence[VideoStream]]

    @classmethod
    def of(cls, videos: Sequence[Video], trace: Trace, rate: Fraction, policy: Policy) -> _Streams:
        return cls(
            rate,
            [
                [
                    VideoStream.of(trace.runs[video.id][number], rate, policy, ENCODE_FRAMES)
                    for video in videos
                ]
                for number in range(trace.num_runs)
            ],
        )

    def middle(self) -> Sequence[VideoStream]:
        """The pass of median length; the longer of the two in the middle."""
        return sorted(self.passes, key=_busy)[len(self.passes) // 2]


def _busy(streams: Sequence[VideoStream]) -> int:
    return sum(clip.total for stream in streams for clip in stream.clips)


def _delay_grid(streams: _Streams) -> Iterator[Delay]:
    """Whole frames, farther and farther apart, up to the first that shows what infinity does."""
    middle = streams.middle()
    final = [stream.on_show(None) for stream in middle]
    for number in count():
        frames = number if number < 4 else 2 ** (number // 2) * (2 + number % 2) // 2
        delay = Fraction(frames) / streams.rate
        yield delay
        if [stream.on_show(delay) for stream in middle] == final:
            return


# What each frame of a video shows, and the clips that were computed for it.
_ClipTable = tuple[tuple[int, ...], tuple[Shown | None, ...]]


def _table(stream: VideoStream, delay: Delay) -> _ClipTable:
    return tuple(step.clip for step in stream.steps), stream.on_show(delay)


@dataclass
class _Screen:
    """Publications of a method, and the matches of the tables of sources met before."""

    ground_truth: GroundTruth
    publications: dict[tuple[int, tuple[int, ...]], Publications]
    known: dict[tuple[_ClipTable, ...], Matches] = field(default_factory=dict)

    @classmethod
    def of(cls, attempt: Attempt, asked: Sequence[tuple[_Streams, Delay]]) -> _Screen:
        """Infer every video, once for each choice of clips, and keep what is asked for."""
        job = attempt.job
        assert job.ground_truth is not None, "resolve_jobs refuses streaming without annotations"
        wanted: dict[tuple[int, tuple[int, ...]], set[Shown]] = {}
        for streams, delay in asked:
            for streams_V in streams.passes:
                for place, stream in enumerate(streams_V):
                    computed, shown = _table(stream, delay)
                    sources = wanted.setdefault((place, computed), set())
                    sources |= {source for source in shown if source is not None}
        found = {}
        total = sum(job.videos[place].length for place, _ in wanted)
        bar = attempt.bars.bar(f"{attempt.title}, on show", total)
        with bar as advance, attempt.calling() as method:
            for (place, computed), sources in wanted.items():
                video = job.videos[place]
                found[place, computed] = publish_video(
                    method, video, job.plan, job.dataset.category_ids, computed, sources
                )
                advance(video.length)
        return cls(job.ground_truth, found)

    def tracks(self, tables: Sequence[_ClipTable]) -> list[Track]:
        """The tracks of all videos."""
        return [
            track
            for place, (computed, shown) in enumerate(tables)
            for track in self.publications[place, computed].tracks(shown)
        ]

    def matches(self, streams: Sequence[VideoStream], delay: Delay) -> Matches:
        """Matches of one pass; equal tables are matched once."""
        tables = tuple(_table(stream, delay) for stream in streams)
        if tables not in self.known:
            self.known[tables] = match(self.ground_truth, Results.of(self.tracks(tables)))
        return self.known[tables]

    def ap(self, streams: Sequence[VideoStream], delay: Delay) -> float:
        """AP of one pass."""
        matches = self.matches(streams, delay)
        return float(resampled_ap(matches, np.ones((1, len(matches.videos)), int))[0])

    def point(self, streams: _Streams, delay: Delay) -> StreamPoint:
        """AP of the middle pass."""
        ap = self.ap(streams.middle(), delay)
        return StreamPoint(rate=float(streams.rate), delay_ms=_milliseconds(delay), ap=ap)


def _milliseconds(delay: Delay) -> float | None:
    return None if delay is None else float(1000 * delay)


def _measured(
    screen: _Screen,
    streams: _Streams,
    delay: Delay,
    stem: str,
    folder: Path,
    curve: Sequence[StreamPoint],
) -> StreamFields:
    """All figures of one rate and delay, and its results file; those without a range are of the
    middle pass.
    """
    middle, passes = streams.middle(), streams.passes
    written = folder / f"{stem}{RESULTS_ENDING}"
    tables = [_table(stream, delay) for stream in middle]
    write_results(screen.tracks(tables), written)
    evaluation = Evaluation(screen.matches(middle, delay), ())
    low, high = evaluation.interval or (None, None)
    aps = [screen.ap(streams_V, delay) for streams_V in passes]
    means = [latency_figures(streams_V)["frame_latency_ms_mean"] for streams_V in passes]
    return StreamFields(
        rate=float(streams.rate),
        delay_ms=_milliseconds(delay),
        ap=evaluation.summary()["ap"],
        predictions=name_by_content(written, RESULTS_ENDING).name,
        ap_low=low,
        ap_high=high,
        ap_pass_low=min(aps) if len(passes) > 1 else None,
        ap_pass_high=max(aps) if len(passes) > 1 else None,
        frame_latency_spread=_spread(means),
        delay_95_ms=_delay_of_share(curve),
        **latency_figures(middle),
        **show_figures(middle, delay),
    )


def _spread(values: Sequence[float]) -> float | None:
    """(Longest - shortest) / mean; None of one value."""
    if len(values) < 2 or not sum(values):
        return None
    return (max(values) - min(values)) / (sum(values) / len(values))


def _delay_of_share(curve: Sequence[StreamPoint]) -> float | None:
    """The least delay with `SHARE` of the last one's AP; None where that is 0 or unknown."""
    final = curve[-1].ap
    if not final:
        return None
    return next(p.delay_ms for p in curve if p.ap is not None and p.ap >= SHARE * final)
