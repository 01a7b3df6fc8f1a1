"""Number formats of all tables: points, FPS with its spread, intervals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from vis_bench.record.metrics import AP, FPS, MIB, TRACKING, Metric
from vis_bench.table.model import ABSENT, Column, Entry
from vis_bench.text import count

if TYPE_CHECKING:  # the schema takes longer to import than a small file to evaluate
    from vis_bench.record.schema import Record, RegionFields

# Runs that differ by more than this fraction of their median are marked.
SPREAD_LIMIT = 0.10
# The machine was loaded if its load exceeds this part of its cores.
BUSY = 0.5
# Methods are compared in this region; others have no `model`.
USUAL_REGION = "model+tracker"
# Footnote of FPS whose run-to-run spread is unknown, and its key.
UNKNOWN_KEY = "?"
SPREAD_UNKNOWN = "spread unknown: timed once, or by other code"
ENOUGH_VIDEOS = 60  # intervals of fewer are approximate
INTERVAL_NOTE = "95 %: interval for the mean of sets of as many videos, by half-samples"


def points(fraction: float | None, *, signed: bool = False) -> str:
    """A fraction in points of 100, as "12.3"; a number that prints as zero has no sign."""
    if fraction is None or math.isnan(fraction):
        return ABSENT
    text = f"{100 * fraction:{'+' if signed else ''}.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def points_entry(
    fraction: float | None, ends: tuple[float, float] | None = None, *, signed: bool = False
) -> Entry:
    """A fraction in points, with the ends of its interval."""
    if ends is None:
        return Entry(points(fraction, signed=signed))
    low, high = (points(end, signed=signed) for end in ends)
    return Entry(points(fraction, signed=signed), interval=(low, high))


def range_text(low: float | None, high: float | None, *, signed: bool = False) -> str:
    """An interval in points, as "12.3 to 45.6"; empty without both ends."""
    if low is None or high is None:
        return ""
    return f"{points(low, signed=signed)} to {points(high, signed=signed)}"


def bracketed(low: float | None, high: float | None, *, signed: bool = False) -> str:
    """An interval behind its value, as " (95 %: 12.3 to 45.6)"; empty without both ends."""
    text = range_text(low, high, signed=signed)
    return f" (95 %: {text})" if text else ""


def number(value: float | None, digits: int, unit: float = 1.0) -> str:
    """A value in a unit; a dash where there is none."""
    return ABSENT if value is None else f"{value / unit:.{digits}f}"


def p_text(p_value: float | None) -> str:
    """A p-value to three digits, as "0.012" or "< 0.001"; a dash where there is none."""
    return "< 0.001" if p_value is not None and p_value < 0.001 else number(p_value, 3)


def mebibytes(value: float | None, digits: int = 0) -> str:
    """Bytes in MiB, without the unit."""
    return number(value, digits, MIB)


def percent(fraction: float, digits: int = 0, *, signed: bool = False) -> str:
    """A fraction as "12 %"."""
    return f"{100 * fraction:{'+' if signed else ''}.{digits}f} %"


def figure(record: Record, metric: Metric) -> str:
    """A value of a record in the unit of its column; a dash where it was not measured."""
    value = metric.of(record)
    return ABSENT if value is None else metric.text(value)


def entry_of(record: Record, metric: Metric) -> Entry:
    """A value with its interval, or with the spread of its runs."""
    if metric is FPS:
        return fps_entry(record, record)
    return Entry(figure(record, metric), interval=metric.interval(record))


def fps_entry(record: Record, region: RegionFields) -> Entry:
    """FPS of a region with the range over processes, or the spread of one process's runs."""
    text = ABSENT if region.fps is None else FPS.text(region.fps)
    return Entry(text + fps_marks(record, region), interval=fps_range(region))


def fps_range(region: RegionFields) -> tuple[str, str] | None:
    """The least and the most FPS of several processes as printed; None of one."""
    if region.fps_low is None or region.fps_high is None:
        return None
    return FPS.text(region.fps_low), FPS.text(region.fps_high)


def interval_remarks(records: Iterable[Record], metric: Metric = AP) -> tuple[str, ...]:
    """Footnote explaining the intervals over videos of a metric, if the table shows any; it counts
    the videos where a run was limited to a few.
    """
    if metric is FPS:  # see `fps_remarks`
        return ()
    shown = [record for record in records if metric.interval(record)]
    notes = interval_notes(record.num_videos for record in shown)
    counts = {record.num_videos if record.limited else None for record in shown}
    few = counts.pop() if len(counts) == 1 else None
    return tuple(
        note if few is None else note.replace("as many videos", count(few, "video"))
        for note in notes
    )


def interval_notes(nums_videos: Iterable[int | None]) -> tuple[str, ...]:
    """The same, from the number of videos behind each interval."""
    known = [ENOUGH_VIDEOS if number is None else number for number in nums_videos]
    return (f"{INTERVAL_NOTE}{approximate(min(known))}.",) if known else ()


def approximate(num_videos: int) -> str:
    """A remark on intervals of too few videos, in brackets; else nothing."""
    few = num_videos < ENOUGH_VIDEOS
    return f" (approximate: fewer than {ENOUGH_VIDEOS} videos)" if few else ""


def metric_column(metric: Metric, records: Iterable[Record] = ()) -> Column:
    """The column of a metric, with the score threshold of the records' tracking metrics."""
    records = list(records)
    remarks = fps_remarks(records) if metric is FPS else threshold_remarks(metric, records)
    return Column(
        metric.title,
        has_interval=metric.ends is not None,
        interval_title="" if metric is FPS else metric.ends_title,
        key=metric.field,
        weight=metric.weight,
        remarks=(*remarks, metric.remark) if metric.remark else remarks,
    )


def fps_remarks(records: Iterable[Record]) -> tuple[str, ...]:
    """Footnotes on the processes behind FPS, and on other load of the machine."""
    timed = [r for r in records if r.fps is not None and not r.external]
    processes = Counter(r.speed_processes or 1 for r in timed)
    num_single = processes.pop(1, 0)
    remarks = []
    if processes:
        counts = " or ".join(map(str, sorted(processes)))
        remarks.append(f"FPS: median of {counts} fresh processes; range: least to most of them.")
    if num_single:
        of = f" of {count(num_single, 'row')} without a range" if processes else ""
        remarks.append(f"FPS{of}: one process; others may differ by more than its runs.")
    return (*remarks, *_load_remarks(timed))


def _load_remarks(timed: Sequence[Record]) -> tuple[str, ...]:
    """Footnote on rows that were timed while more than `BUSY` of the cores were in use."""
    loads = [(r.load_average, r.num_cpus) for r in timed if r.load_average and r.num_cpus]
    busy = [(load / cpus, load, cpus) for load, cpus in loads if load > BUSY * cpus]
    if not busy:
        return ()
    _, load, cpus = max(busy)
    of = "" if len(busy) == len(timed) else f" of {count(len(busy), 'row')}"
    return (f"FPS{of} timed under load: up to {load:.1f} on {count(cpus, 'core')}.",)


def threshold_remarks(metric: Metric, records: Iterable[Record]) -> tuple[str, ...]:
    """Footnote with the score threshold of a tracking metric, and whose it is if there are more."""
    from vis_bench.record.names import method_title

    methods: dict[float, set[str]] = {}
    for record in records:
        threshold = record.tracking_score_threshold
        if metric in TRACKING and metric.of(record) is not None and threshold is not None:
            methods.setdefault(threshold, set()).add(method_title(record.method))
    if not methods:
        return ()
    several = len(methods) > 1
    texts = [
        f"{threshold:g}" + (f" ({', '.join(sorted(methods[threshold]))})" if several else "")
        for threshold in sorted(methods)
    ]
    above = " or above ".join(texts)
    return (f"HOTA, IDF1, TETA and their parts count tracks with a score above {above}.",)


def fps_marks(record: Record, region: RegionFields) -> str:
    """The spread of one process's runs, and conditions that make its FPS differ from others."""
    parts = [
        "" if fps_range(region) else spread_mark(region),
        " (beside other workers)" if record.timed_alone is False else "",
        " (paper's protocol)" if record.speed_protocol == "paper" else "",
        f" ({record.timed_region})" if region is record and not _is_usual(record) else "",
    ]
    return "".join(parts)


def _is_usual(record: Record) -> bool:
    """True if a record's FPS are of the region that methods are compared in, or by a paper."""
    return record.timed_region in (None, USUAL_REGION) or record.speed_protocol == "paper"


def spread_mark(region: RegionFields) -> str:
    """`spread_words` in brackets."""
    words = spread_words(region)
    return f" ({words})" if words else ""


def spread_words(region: RegionFields) -> str:
    """The range over processes, or the spread of one's runs where it exceeds `SPREAD_LIMIT`."""
    if (ends := fps_range(region)) is not None:
        return "\u2011".join(ends)
    spread = region.speed_spread
    return "" if spread is None or spread <= SPREAD_LIMIT else f"spread {percent(spread)}"


def speed_notes(record: Record) -> tuple[str, ...]:
    """Footnote keys of a record's FPS."""
    known = record.fps_low is not None or record.speed_spread is not None
    return () if record.fps is None or known else (UNKNOWN_KEY,)


def plain(value: object) -> str:
    """A value as text; a dash where there is none."""
    return ABSENT if value is None else str(value)


def stride_text(record: Record) -> str:
    """The clip stride; empty for clips of a whole video, which have none."""
    return "" if record.clip_length == "whole" else plain(record.clip_stride)


def num_timed_videos(record: Record) -> int | None:
    """Number of timed videos, as far as the config states it."""
    speed = record.config.get("speed")
    asked = speed.get("videos") if isinstance(speed, dict) else None
    if not isinstance(asked, int):
        return None
    return asked if record.num_videos is None else min(asked, record.num_videos)
