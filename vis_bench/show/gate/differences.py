"""Differences between two measurements of a cell.

AP, AR and the tracking metrics are compared in points, cost and schedules of one trace exactly,
speed and latency within noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from vis_bench.cost.memory.growth import needed
from vis_bench.record.metrics import ACCURACY, LEVELS, PARTS, TRACKING, Metric
from vis_bench.record.schema import StreamFields
from vis_bench.show.gate.baseline import COSTS, GatedCell, GatedSpeed
from vis_bench.table.model import ABSENT
from vis_bench.text import one_line

Verdict = Literal["worse", "changed", "missing", "repeated", "better", "new", "not compared"]
FAILING: tuple[Verdict, ...] = ("worse", "changed", "missing", "repeated")

# AP and AR, also of short and long videos and of levels, but not AR by area.
_AP_AND_AR = (*ACCURACY[:9], *PARTS, *LEVELS)
_GATED = (*_AP_AND_AR, *TRACKING)
GATED_METRICS = tuple(metric.field for metric in _GATED)
# On other videos AP is another measurement.
_DATA = ("num_videos", "annotations_sha256")

# In points; smaller differences are arithmetic.
_ROUNDING = 1e-9
POINTS = 0.1  # that AP, AR and the tracking metrics may fall, of 100
# Fractions by which FPS may fall and memory may grow, if runs agree perfectly. On top comes the
# spread of either side so many times; of a spread a busy machine moves memory by a part only.
_SPEED, _MEMORY, _SPREADS, _MEMORY_SPREAD = 0.05, 0.10, 2.0, 0.05


# Figures that follow from a trace without a clock or a network.
SCHEDULED = (
    "frame_latency_ms_mean", "frame_latency_ms_p99", "fill_ms", "queue_ms", "compute_ms",
    "throughput", "share_computed", "share_served", "age_frames",
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """A value of a cell that moved, or the reason why it was not compared; text as printed."""

    cell: str
    figure: str
    baseline: str
    current: str
    change: str
    verdict: Verdict


# A finding without its cell.
_Moved = tuple[str, str, str, str, Verdict]


def compare_cells(
    name: str, old: GatedCell, new: GatedCell, points: float = POINTS
) -> Iterator[Finding]:
    """All differences between two measurements of the named cell, the baseline's first."""
    changed = list(_data(old, new))
    accuracy = () if changed else _accuracy(old, new, points)
    streaming = () if changed else _streaming(old, new, points)
    memory = _memory(old, new)
    for moved in (*changed, *accuracy, *_cost(old, new), *_speed(old, new), *streaming, *memory):
        yield Finding(name, *moved)


def comparable_figures(cell: GatedCell) -> set[str]:
    """Return the figures in which a later measurement can differ from this one.

    FPS of a busy machine, or of one run, is none of them: nobody knows its noise.
    """
    kept = {key: getattr(cell, key) for key in ("method", "dataset", "split", *_DATA)}
    measured = {moved.figure for moved in compare_cells("", cell, GatedCell(**kept))}
    unfit = {same.figure for same in compare_cells("", cell, cell)}
    busy = "FPS" in unfit
    return {f for f in measured - unfit if not (busy and f.startswith("FPS ("))}


def _data(old: GatedCell, new: GatedCell) -> Iterator[_Moved]:
    """Other videos or annotations, on which AP is another measurement."""
    for key in _DATA:
        before, now = getattr(old, key), getattr(new, key)
        if before != now:
            yield key, str(before)[:12], str(now)[:12], "AP and AR cannot be compared", "changed"


def _accuracy(old: GatedCell, new: GatedCell, points: float) -> Iterator[_Moved]:
    thresholds = old.tracking_score_threshold, new.tracking_score_threshold
    gated: Sequence[Metric] = _GATED
    if None not in thresholds and thresholds[0] != thresholds[1]:
        before, now = map(str, thresholds)
        change = "tracking metrics cannot be compared"
        yield "tracking_score_threshold", before, now, change, "changed"
        gated = _AP_AND_AR
    for metric in gated:
        before, now = getattr(old, metric.field), getattr(new, metric.field)
        if before is not None and now is None:
            yield _lost(metric.field, f"{100 * before:.2f}", new, "accuracy")
        elif before is not None and abs(100 * (now - before)) > points + _ROUNDING:
            was, is_now, change = told_apart(100 * before, 100 * now, digits=2)
            yield metric.field, was, is_now, f"{change} points", _verdict(now > before)


def _cost(old: GatedCell, new: GatedCell) -> Iterator[_Moved]:
    before, now = old.flop_convention, new.flop_convention
    if before and now and before != now:
        yield "flop_convention", before, now, "another rule of counting", "changed"
    for figure in COSTS:
        before, now = getattr(old, figure), getattr(new, figure)
        if before is not None and now is None:
            yield _lost(figure, f"{before:,.10g}", new, "flops")
        elif before is not None and before != now:
            yield figure, *_cost_texts(before, now), "changed"


def _speed(old: GatedCell, new: GatedCell) -> Iterator[_Moved]:
    timed, now = old.timed_regions(), new.timed_regions()
    if now and not timed:
        change = "no speed in the baseline"
        yield "FPS and memory", ABSENT, "measured", change, "not compared"
    if not timed:
        return
    if now and (other := _other_machine(old, new)):
        yield "FPS and memory", *other, "not compared"
        return
    if now and (busy := _busy(old, new)):
        yield "FPS", *busy, "not compared"
    for region, before in timed.items():
        yield from _region(region, before, now.get(region, GatedSpeed()), old, new)


def _streaming(old: GatedCell, new: GatedCell, points: float) -> Iterator[_Moved]:
    """Figures of one trace, exactly but for AP; of two traces the latency, on one device."""
    if not old.streaming:
        return
    if not new.streaming:
        yield _lost("streaming", f"{len(old.streaming)} rates and delays", new, "streaming")
        return
    now = {_at(stream): stream for stream in new.streaming}
    same_trace = old.streaming_trace_sha256 == new.streaming_trace_sha256
    other = None if same_trace else _other_timing(old, new)
    if other:
        yield "frame latency", *other, "not compared"
    rates: set[float] = set()
    for before in old.streaming:
        name, after = _at(before), now.get(_at(before))
        if after is None:
            yield _lost(f"streaming AP ({name})", "measured", new, "streaming")
        elif same_trace:
            yield from _of_one_trace(name, before, after, points)
        elif not other and before.rate not in rates:  # latency does not depend on the delay
            rates.add(before.rate)
            yield from _of_two_traces(f"{before.rate:g} frames/s", before, after)


def _other_timing(old: GatedCell, new: GatedCell) -> tuple[str, str, str] | None:
    """Both machines and their difference, if their latencies cannot be compared."""
    if old.streaming_device != new.streaming_device:
        return str(old.streaming_device), str(new.streaming_device), "clips timed elsewhere"
    return _other_machine(old, new)


def _at(stream: StreamFields) -> str:
    delay = "inf" if stream.delay_ms is None else f"{stream.delay_ms:.0f} ms"
    return f"{stream.rate:g} frames/s, {delay}"


def _of_one_trace(
    name: str, old: StreamFields, new: StreamFields, points: float
) -> Iterator[_Moved]:
    for figure in SCHEDULED:
        before, now = getattr(old, figure), getattr(new, figure)
        if before != now:
            change = "another schedule of the same trace"
            yield f"{figure} ({name})", str(before), str(now), change, "changed"
    moved = 0.0 if old.ap is None or new.ap is None else new.ap - old.ap
    if abs(100 * moved) > points + _ROUNDING:
        was, is_now, change = told_apart(100 * (old.ap or 0), 100 * (new.ap or 0), digits=2)
        yield f"streaming AP ({name})", was, is_now, f"{change} points", _verdict(moved > 0)


def _of_two_traces(name: str, old: StreamFields, new: StreamFields) -> Iterator[_Moved]:
    before, now = old.frame_latency_ms_mean, new.frame_latency_ms_mean
    spreads = [s for s in (old.frame_latency_spread, new.frame_latency_spread) if s is not None]
    if not before or now is None:
        return
    figure, texts = f"frame latency ({name})", (f"{before:,.1f} ms", f"{now:,.1f} ms")
    if len(spreads) < 2:
        yield figure, *texts, "one run only: spread unknown", "not compared"
    elif change := _beyond_noise(now / before, _SPEED, spreads):
        yield figure, *texts, change, _verdict(now < before)


def _region(
    region: str, old: GatedSpeed, new: GatedSpeed, before: GatedCell, after: GatedCell
) -> Iterator[_Moved]:
    """The differences of a region, timed for the cells `before` and `after`."""
    spreads = [s for s in (old.speed_spread, new.speed_spread) if s is not None]
    figure = f"FPS ({region})"
    if old.fps is not None and new.fps is None:
        yield _lost(figure, f"{old.fps:,.1f}", after, "speed")
    elif old.fps is not None and new.fps is not None and not _busy(before, after):
        texts = f"{old.fps:,.1f}", f"{new.fps:,.1f}"
        if len(spreads) < 2:
            yield figure, *texts, "one run only: spread unknown", "not compared"
        elif change := _beyond_noise(new.fps / old.fps, _SPEED, spreads):
            yield figure, *texts, change, _verdict(new.fps > old.fps)
    figure, was, now = f"peak memory ({region})", old.peak_memory_bytes, new.peak_memory_bytes
    if was is not None and now is None:
        yield _lost(figure, _mebibytes(was), after, "speed")
    elif was and now is not None:  # of none at all nothing is a multiple
        part = [min(spread, _MEMORY_SPREAD) for spread in spreads]
        if change := _beyond_noise(now / was, _MEMORY, part):
            yield figure, _mebibytes(was), _mebibytes(now), change, _verdict(now < was)


def _memory(old: GatedCell, new: GatedCell) -> Iterator[_Moved]:
    """The peak at the longest length that both measured."""
    if not old.memory_points:
        return
    before, now = needed(old.memory_points), needed(new.memory_points)
    figure = "memory over length"
    if not new.memory_points:
        yield _lost(figure, _mebibytes(max(before.values())), new, "memory")
    elif other := _other_machine(old, new):
        yield figure, *other, "not compared"
    elif not (common := before.keys() & now.keys()):
        was, is_now = (", ".join(map(str, sorted(lengths))) for lengths in (before, now))
        yield figure, was, is_now, "no length in common", "not compared"
    else:
        longest = max(common)
        old_peak, new_peak = before[longest], now[longest]
        if change := _beyond_noise(new_peak / old_peak, _MEMORY, ()):
            texts = _mebibytes(old_peak), _mebibytes(new_peak)
            verdict = _verdict(new_peak < old_peak)
            yield f"peak memory ({longest} frames)", *texts, change, verdict


def _lost(figure: str, value: str, new: GatedCell, measurement: str) -> _Moved:
    """A value that is gone, with the reason for which its measurement failed."""
    why = new.failures.get(measurement)
    change = "no longer measured" if why is None else f"{measurement} failed: {one_line(why)}"
    return figure, value, ABSENT, change, "missing"


def _verdict(is_better: bool) -> Verdict:
    return "better" if is_better else "worse"


def _beyond_noise(ratio: float, floor: float, spreads: Iterable[float]) -> str:
    """The change in words; empty where noise explains it."""
    factor = (1 + floor) * math.prod(1 + _SPREADS * spread for spread in spreads)
    if 1 / factor <= ratio <= factor:
        return ""
    return f"{_percent(ratio)}, noise explains {_percent(factor if ratio > 1 else 1 / factor)}"


def _other_machine(old: GatedCell, new: GatedCell) -> tuple[str, str, str] | None:
    """Both machines and their difference, if their speeds cannot be compared."""
    if old.device != new.device:
        return str(old.device), str(new.device), "another device"
    if old.num_threads != new.num_threads:
        return f"{old.num_threads} threads", f"{new.num_threads} threads", "other threads"
    if old.kernel_build != new.kernel_build:
        return str(old.kernel_build), str(new.kernel_build), "another build of the kernels"
    return None


def _busy(old: GatedCell, new: GatedCell) -> tuple[str, str, str] | None:
    """Both load averages, if either exceeds the number of CPUs."""
    if any((cell.load_average or 0) > (cell.num_cpus or math.inf) for cell in (old, new)):
        return _load_text(old), _load_text(new), "the machine was busy"
    return None


def _load_text(cell: GatedCell) -> str:
    load = "unknown" if cell.load_average is None else f"{cell.load_average:.1f}"
    return f"load {load} on {cell.num_cpus} CPUs"


def told_apart(old: float, new: float, digits: int) -> tuple[str, str, str]:
    """Two values and their difference with enough decimals to differ, at least `digits`."""
    while True:
        texts = f"{old:,.{digits}f}", f"{new:,.{digits}f}", f"{new - old:+,.{digits}f}"
        if (texts[0] != texts[1] and float(texts[2].replace(",", ""))) or digits >= 15:
            return texts
        digits += 1


def _cost_texts(old: float, new: float) -> tuple[str, str, str]:
    """A count with its difference, any other value with its ratio if that is visible."""
    if isinstance(old, int) and isinstance(new, int):
        return told_apart(old, new, digits=0)
    ratio = f"{new / old:.4g}" if old else "1"
    if ratio == "1":
        return told_apart(old, new, digits=2)
    return f"{old:,.10g}", f"{new:,.10g}", f"x {ratio}"


def _mebibytes(value: int) -> str:
    return f"{value / 2**20:,.0f} MiB"


def _percent(factor: float) -> str:
    return f"{100 * (factor - 1):+.0f} %"
