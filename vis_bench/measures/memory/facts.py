"""Memory over length: words, comparison at the longest common length, and what it needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vis_bench.measures.comparison import (
    Comparison,
    better_or_worse,
    beyond_noise,
    in_mib,
    lost,
    noisy,
    other_machine,
)
from vis_bench.measures.figure import Figure
from vis_bench.measures.measure import Measure
from vis_bench.measures.memory.growth import needed
from vis_bench.measures.memory.settings import MemorySettings
from vis_bench.measures.memory.table import memory_page, memory_panels
from vis_bench.record.metrics import MEMORY_PER_FRAME, PEAK_MEMORY
from vis_bench.record.schema import MemoryFields, Record
from vis_bench.table.number_format import mebibytes

NAME = "memory"
# The fraction by which a peak may grow.
_GROWTH = 0.10


def words(record: Record) -> str:
    """The slope of the line as printed."""
    slope = record.memory_bytes_per_frame
    return "" if slope is None else f"{mebibytes(slope, 2)} MiB/frame"


def figures(record: Record) -> list[Figure]:
    """Memory per frame, and the peak at the longest length."""
    if not record.memory_points:
        return []
    peaks = needed(record.memory_points)
    longest = max(peaks)
    title = f"Peak at {longest} frames (MiB)"
    peak = replace(PEAK_MEMORY, field=f"memory_peak_{longest}_frames", title=title)
    return [
        Figure(MEMORY_PER_FRAME, record.memory_bytes_per_frame),
        Figure(peak, peaks[longest], compared=_figure(longest)),
    ]


def _figure(num_frames: int) -> str:
    return f"peak memory ({num_frames} frames)"


def compare(old: Record, new: Record, points: float) -> Iterator[Comparison]:
    """The peak at the longest length that both measured."""
    if not old.memory_points:
        return
    before, now = needed(old.memory_points), needed(new.memory_points)
    figure, fields = _figure(max(before)), ("memory_points.peak_bytes",)
    if not new.memory_points:
        yield lost(figure, before[max(before)], in_mib, new, NAME, fields)
    elif other := other_machine(old, new):
        yield Comparison("memory over length", fields, *other, "not compared")
    elif not (common := before.keys() & now.keys()):
        was, is_now = (", ".join(map(str, sorted(lengths))) for lengths in (before, now))
        change = "no length in common"
        yield Comparison("memory over length", fields, was, is_now, change, "not compared")
    else:
        longest = max(common)
        peaks = old_peak, new_peak = before[longest], now[longest]
        change = beyond_noise(new_peak / old_peak, _GROWTH, ())
        figure = _figure(longest)
        yield noisy(figure, fields, peaks, in_mib, change, better_or_worse(new_peak < old_peak))


MEASURE = Measure(
    NAME,
    runner="vis_bench.measures.memory.run",
    fields=MemoryFields,
    needs=frozenset({"frames", "videos", "one process"}),
    page=memory_page,
    panels=memory_panels,
    compare=compare,
    figures=figures,
    words=words,
    settings=MemorySettings,
)
