"""Differences between two measurements of a cell.

AP, AR and the tracking metrics are compared in points, cost and schedules of one trace exactly,
speed, latency, and AP of streaming within noise. Every comparison names the fields of a record that
it has seen, so that a figure which nothing compares is found by looking at the records.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from vis_bench.measures.memory.growth import needed
from vis_bench.record.metrics import ACCURACY, LEVELS, PARTS, TRACKING, Metric
from vis_bench.record.schema import (
    MachineFields,
    RegionFields,
    SourceFields,
    StreamFields,
    SubjectFields,
)
from vis_bench.show.gate.baseline import COSTS, GatedCell
from vis_bench.table.model import ABSENT
from vis_bench.text import one_line

Verdict = Literal[
    "same", "absent", "worse", "changed", "missing", "repeated", "better", "new", "not compared"
]  # fmt: skip
FAILING: tuple[Verdict, ...] = ("worse", "changed", "missing", "repeated")
_SILENT: tuple[Verdict, ...] = ("same", "absent")

# AP and AR, also of short and long videos and of levels.
_AP_AND_AR = (*ACCURACY, *PARTS, *LEVELS)
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
    "frame_latency_ms_mean", "frame_latency_ms_p50", "frame_latency_ms_p90", "frame_latency_ms_p99",
    "frame_latency_ms_max", "fill_ms", "queue_ms", "compute_ms", "last_queue_ms", "first_mask_ms",
    "throughput", "share_computed", "share_served", "age_frames", "age_frames_max", "age_ms",
    "closest_ms", "num_clips",
)  # fmt: skip

# Numbers of a record that are no results: settings and conditions, noise and intervals of results,
# sizes of the measurement, parts of a result that is compared, and what follows from it.
_SETTINGS = {*SubjectFields.model_fields, *MachineFields.model_fields, *SourceFields.model_fields}
_OF_A_REGION = {"num_warmup", "num_timed", "num_timed_clips", "speed_spread", "memory_bytes"}
_OF_A_STREAM = {
    "rate", "delay_ms", "ap_low", "ap_high", "ap_draws_low", "ap_draws_median", "ap_draws_high",
    "frame_latency_spread",
}  # fmt: skip
NO_RESULTS = {
    *_SETTINGS, *_OF_A_REGION, *(f"regions.{field}" for field in _OF_A_REGION),
    *(f"streaming.{field}" for field in _OF_A_STREAM),
    *(end for metric in _GATED for end in metric.ends or ()),
    "tracking_score_threshold", "load_average", "num_cpus", "gpu",
    "streaming_by_delay.rate", "streaming_by_delay.delay_ms", "streaming_by_rate.rate",
    "streaming_by_rate.delay_ms", "streaming_runs", "memory_points.num_frames",
    "memory_points.num_tracks", "memory_points.start_bytes", "memory_points.device_bytes",
    "memory_video_size", "memory_input_size", "memory_curve_from", "memory_max_frames",
    "memory_limit_bytes", "memory_error_bytes",
}  # fmt: skip
_REGION = ("fps", "peak_memory_bytes", "regions.fps", "regions.peak_memory_bytes")
_LATENCY = "streaming.frame_latency_ms_mean"


@dataclass(frozen=True)
class Finding:
    """A value of a cell that moved, or the reason why it was not compared; text as printed."""

    cell: str
    figure: str
    baseline: str
    current: str
    change: str
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """Outcome for one figure; texts as printed, empty where it is the same or has no older value.

    `fields`: those of the record that were looked at, as `figures_of` names them.
    """

    figure: str
    fields: tuple[str, ...]
    baseline: str = ""
    current: str = ""
    change: str = ""
    verdict: Verdict = "same"


def compare_cells(
    name: str, old: GatedCell, new: GatedCell, points: float = POINTS
) -> Iterator[Finding]:
    """All differences between two measurements of the named cell, the baseline's first."""
    return differences(name, comparisons(old, new, points))


def differences(name: str, compared: Iterable[Comparison]) -> Iterator[Finding]:
    """Findings of the named cell: comparisons of what moved or could not be compared."""
    for c in compared:
        if c.verdict not in _SILENT:
            yield Finding(name, c.figure, c.baseline, c.current, c.change, c.verdict)


def comparisons(old: GatedCell, new: GatedCell, points: float = POINTS) -> Iterator[Comparison]:
    """Outcomes for every figure of the older measurement."""
    changed = list(_data(old, new))
    yield from changed
    if not changed:
        yield from _accuracy(old, new, points)
    yield from _cost(old, new)
    yield from _speed(old, new)
    if not changed:
        yield from _streaming(old, new, points)
    yield from _memory(old, new)


def comparable_figures(cell: GatedCell) -> set[str]:
    """Return the figures in which a later measurement can differ from this one.

    FPS of a busy machine, or of one run, is none of them: nobody knows its noise.
    """
    return {same.figure for same in comparisons(cell, cell) if same.verdict == "same"}


def figures_without_rule(
    old: GatedCell, new: GatedCell, compared: Iterable[Comparison]
) -> set[str]:
    """Results in either record, by their fields, that no comparison has looked at."""
    seen = {field for comparison in compared for field in comparison.fields}
    return {
        field
        for field in figures_of(old) | figures_of(new)
        if not {field, field.partition(".")[0]} & (seen | NO_RESULTS)
    }


def figures_of(value: Any, path: str = "") -> set[str]:
    """Fields of a record that hold numbers, unknown ones too; nested ones as `streaming.ap`.

    The members of a list or a mapping have the name of their field.
    """
    if isinstance(value, BaseModel):
        return {
            name
            for field, inner in value
            for name in figures_of(inner, f"{path}.{field}" if path else field)
        }
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return {path} if isinstance(value, int | float) and not isinstance(value, bool) else set()
    return {name for inner in value for name in figures_of(inner, path)}


def _data(old: GatedCell, new: GatedCell) -> Iterator[Comparison]:
    """Other videos or annotations, on which AP is another measurement."""
    fields = (*GATED_METRICS, "streaming", "streaming_by_delay", "streaming_by_rate")
    for key in _DATA:
        before, now = getattr(old, key), getattr(new, key)
        if before != now:
            change = "AP and AR cannot be compared"
            yield Comparison(key, fields, str(before)[:12], str(now)[:12], change, "changed")


def _accuracy(old: GatedCell, new: GatedCell, points: float) -> Iterator[Comparison]:
    thresholds = old.tracking_score_threshold, new.tracking_score_threshold
    gated: Sequence[Metric] = _GATED
    if None not in thresholds and thresholds[0] != thresholds[1]:
        before, now = map(str, thresholds)
        change = "tracking metrics cannot be compared"
        fields = tuple(metric.field for metric in TRACKING)
        yield Comparison("tracking_score_threshold", fields, before, now, change, "changed")
        gated = _AP_AND_AR
    for metric in gated:
        before, now = getattr(old, metric.field), getattr(new, metric.field)
        yield _in_points(metric.field, metric.field, before, now, points, new, "accuracy")


def _in_points(
    figure: str, field: str, old: float | None, new: float | None, points: float,
    after: GatedCell, measurement: str, noise: tuple[float, float] = (0.0, 0.0),
) -> Comparison:  # fmt: skip
    """Compare AP or a metric like it, fractions both.

    Args:
        noise: how far AP may fall, and how far it may rise, by the noise of both sides.
    """
    if old is None:
        return Comparison(figure, (field,), verdict="absent")
    if new is None:
        return _lost(figure, f"{100 * old:.2f}", after, measurement, (field,))
    beyond = max(new - old - noise[1], old - new - noise[0])
    if 100 * beyond <= points + _ROUNDING:
        return Comparison(figure, (field,))
    was, is_now, change = told_apart(100 * old, 100 * new, digits=2)
    explained = noise[1] if new > old else -noise[0]
    noisy = f", noise explains {100 * explained:+.2f}" if any(noise) else ""
    return Comparison(figure, (field,), was, is_now, f"{change} points{noisy}", _verdict(new > old))


def _cost(old: GatedCell, new: GatedCell) -> Iterator[Comparison]:
    before, now = old.flop_convention, new.flop_convention
    if before and now and before != now:
        change = "another rule of counting"
        yield Comparison("flop_convention", (), before, now, change, "changed")
    for figure in COSTS:
        before, now = getattr(old, figure), getattr(new, figure)
        if before is None:
            yield Comparison(figure, (figure,), verdict="absent")
        elif now is None:
            yield _lost(figure, f"{before:,.10g}", new, "flops", (figure,))
        elif before == now:
            yield Comparison(figure, (figure,))
        else:
            yield Comparison(figure, (figure,), *_cost_texts(before, now), "changed")


def _speed(old: GatedCell, new: GatedCell) -> Iterator[Comparison]:
    timed, now = old.timed_regions(), new.timed_regions()
    if now and not timed:
        change = "no speed in the baseline"
        yield Comparison("FPS and memory", _REGION, ABSENT, "measured", change, "not compared")
    if not timed:
        return
    if now and (other := _other_machine(old, new)):
        yield Comparison("FPS and memory", _REGION, *other, "not compared")
        return
    if now and (busy := _busy(old, new)):
        yield Comparison("FPS", ("fps", "regions.fps"), *busy, "not compared")
    for region, before in timed.items():
        yield from _region(region, before, now.get(region, RegionFields()), old, new)


def _region(
    region: str, old: RegionFields, new: RegionFields, before: GatedCell, after: GatedCell
) -> Iterator[Comparison]:
    """The differences of a region, timed for the cells `before` and `after`."""
    spreads = [s for s in (old.speed_spread, new.speed_spread) if s is not None]
    figure, fields = f"FPS ({region})", ("fps", "regions.fps")
    if old.fps is not None and new.fps is None:
        yield _lost(figure, f"{old.fps:,.1f}", after, "speed", fields)
    elif old.fps is not None and new.fps is not None and not _busy(before, after):
        texts = f"{old.fps:,.1f}", f"{new.fps:,.1f}"
        if len(spreads) < 2:
            yield _one_run(figure, fields, *texts)
        else:
            change = _beyond_noise(new.fps / old.fps, _SPEED, spreads)
            yield _noisy(figure, fields, texts, change, _verdict(new.fps > old.fps))
    figure, fields = f"peak memory ({region})", ("peak_memory_bytes", "regions.peak_memory_bytes")
    was, now = old.peak_memory_bytes, new.peak_memory_bytes
    if was is not None and now is None:
        yield _lost(figure, _mebibytes(was), after, "speed", fields)
    elif was and now is not None:  # of none at all nothing is a multiple
        part = [min(spread, _MEMORY_SPREAD) for spread in spreads]
        change = _beyond_noise(now / was, _MEMORY, part)
        texts = _mebibytes(was), _mebibytes(now)
        yield _noisy(figure, fields, texts, change, _verdict(now < was))


def _streaming(old: GatedCell, new: GatedCell, points: float) -> Iterator[Comparison]:
    """Figures of one trace exactly, but for AP; of two traces AP and latency within their noise.

    What is on show after an infinite delay does not depend on the clock, if every clip is computed.
    """
    now = {_at(stream): stream for stream in new.streaming}
    same_trace = old.streaming_trace_sha256 == new.streaming_trace_sha256
    other = _other_timing(old, new) if now and not same_trace else None
    if other and old.streaming:
        figures = "streaming AP and latency"
        yield Comparison(figures, ("streaming.ap", _LATENCY), *other, "not compared")
    rates: set[float] = set()
    for before in old.streaming:
        after = now.get(_at(before), StreamFields(rate=before.rate))
        timeless = before.delay_ms is None and old.streaming_policy == "all"
        if same_trace or timeless or not other:
            yield _streaming_ap(before, after, new, points, clocked=not (same_trace or timeless))
        if same_trace:
            yield from _schedule(before, after)
        elif not other and before.rate not in rates:  # latency does not depend on the delay
            rates.add(before.rate)
            yield from _frame_latency(before, after, new)


def _other_timing(old: GatedCell, new: GatedCell) -> tuple[str, str, str] | None:
    """Both machines and their difference, if their latencies cannot be compared."""
    if old.streaming_device != new.streaming_device:
        return str(old.streaming_device), str(new.streaming_device), "clips timed elsewhere"
    return _other_machine(old, new)


def _at(stream: StreamFields) -> str:
    delay = "inf" if stream.delay_ms is None else f"{stream.delay_ms:.0f} ms"
    return f"{stream.rate:g} frames/s, {delay}"


def _streaming_ap(
    old: StreamFields, new: StreamFields, after: GatedCell, points: float, *, clocked: bool
) -> Comparison:
    """Compare AP; where the clips were timed twice, beyond the draws of both sides."""
    figure, field = f"streaming AP ({_at(old)})", "streaming.ap"
    noise = 0.0, 0.0
    if clocked and old.ap is not None and new.ap is not None:
        if old.frame_latency_spread is None and new.frame_latency_spread is None:
            return _one_run(figure, (field,), f"{100 * old.ap:.2f}", f"{100 * new.ap:.2f}")
        (low, high), (new_low, new_high) = _drawn(old), _drawn(new)
        noise = (old.ap - low) + (new_high - new.ap), (high - old.ap) + (new.ap - new_low)
    return _in_points(figure, field, old.ap, new.ap, points, after, "streaming", noise)


def _drawn(stream: StreamFields) -> tuple[float, float]:
    """Range of AP over draws of recorded runs, in which AP itself may not lie."""
    values = stream.ap, stream.ap_draws_low, stream.ap_draws_high
    known = [value for value in values if value is not None]
    return min(known), max(known)


def _schedule(old: StreamFields, new: StreamFields) -> Iterator[Comparison]:
    for name in SCHEDULED:
        figure, field = f"{name} ({_at(old)})", f"streaming.{name}"
        before, now = getattr(old, name), getattr(new, name)
        if before == now:
            yield Comparison(figure, (field,))
        else:
            change = "another schedule of the same trace"
            yield Comparison(figure, (field,), str(before), str(now), change, "changed")


def _frame_latency(old: StreamFields, new: StreamFields, after: GatedCell) -> Iterator[Comparison]:
    figure, fields = f"frame latency ({old.rate:g} frames/s)", (_LATENCY,)
    before, now = old.frame_latency_ms_mean, new.frame_latency_ms_mean
    if not before:
        return
    if now is None:
        yield _lost(figure, f"{before:,.1f} ms", after, "streaming", fields)
        return
    spreads = [s for s in (old.frame_latency_spread, new.frame_latency_spread) if s is not None]
    texts = f"{before:,.1f} ms", f"{now:,.1f} ms"
    if len(spreads) < 2:
        yield _one_run(figure, fields, *texts)
    else:
        change = _beyond_noise(now / before, _SPEED, spreads)
        yield _noisy(figure, fields, texts, change, _verdict(now < before))


def _memory(old: GatedCell, new: GatedCell) -> Iterator[Comparison]:
    """The peak at the longest length that both measured."""
    if not old.memory_points:
        return
    before, now = needed(old.memory_points), needed(new.memory_points)
    figure, fields = f"peak memory ({max(before)} frames)", ("memory_points.peak_bytes",)
    if not new.memory_points:
        yield _lost(figure, _mebibytes(before[max(before)]), new, "memory", fields)
    elif other := _other_machine(old, new):
        yield Comparison("memory over length", fields, *other, "not compared")
    elif not (common := before.keys() & now.keys()):
        was, is_now = (", ".join(map(str, sorted(lengths))) for lengths in (before, now))
        change = "no length in common"
        yield Comparison("memory over length", fields, was, is_now, change, "not compared")
    else:
        longest = max(common)
        old_peak, new_peak = before[longest], now[longest]
        change = _beyond_noise(new_peak / old_peak, _MEMORY, ())
        figure, texts = (
            f"peak memory ({longest} frames)",
            (_mebibytes(old_peak), _mebibytes(new_peak)),
        )
        yield _noisy(figure, fields, texts, change, _verdict(new_peak < old_peak))


def _lost(
    figure: str, value: str, new: GatedCell, measurement: str, fields: tuple[str, ...]
) -> Comparison:
    """A value that is gone, with the reason for which its measurement failed."""
    why = new.failures.get(measurement)
    change = "no longer measured" if why is None else f"{measurement} failed: {one_line(why)}"
    return Comparison(figure, fields, value, ABSENT, change, "missing")


def _noisy(
    figure: str, fields: tuple[str, ...], texts: tuple[str, str], change: str, verdict: Verdict
) -> Comparison:
    """A value with noise, and its change in words, empty where noise explains it."""
    if not change:
        return Comparison(figure, fields)
    return Comparison(figure, fields, *texts, change, verdict)


def _one_run(figure: str, fields: tuple[str, ...], old: str, new: str) -> Comparison:
    return Comparison(figure, fields, old, new, "one run only: spread unknown", "not compared")


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
