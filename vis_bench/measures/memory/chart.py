"""Memory over length as a chart: measured peaks, the curves through them, and sizes of memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from vis_bench.charts import Panel, Series
from vis_bench.measures.memory.growth import FARTHEST, Growth, growth_of
from vis_bench.measures.memory.table import (
    EXTRAPOLATED,
    LIMITS_GIB,
    longest_text,
    over_length,
)
from vis_bench.record.metrics import MIB
from vis_bench.record.names import COST_MARKS
from vis_bench.record.schema import Record
from vis_bench.table.labels import cell_names

_GIBIBYTE = 1024 * MIB
_STEPS = 24  # of a curve beyond the measured lengths
_ROOM = 1.25  # of the axes, beyond what is drawn


def memory_panels(records: Sequence[Record]) -> list[Panel]:
    """MiB over frames; none where no record has memory over length."""
    rows = [(record, growth) for record in over_length(records) if (growth := growth_of(record))]
    if not rows:
        return []
    names = _names([record for record, _ in rows])
    series = [
        own
        for name, (record, growth) in zip(names, rows, strict=True)
        for own in _series(name, record, growth)
    ]
    lowest = min(y for own in series for y in own.y)
    highest = max(y for own in series for y in own.y)
    shortest = min(x for own in series for x in own.x)
    longest = max(x for own in series for x in own.x)
    ends = shortest / _ROOM, longest * _ROOM
    limits = [1024.0 * gib for gib in LIMITS_GIB if lowest < 1024 * gib]
    top = max(highest, *limits[:1]) * _ROOM
    series += [
        Series(
            f"{mib / 1024:g} GiB",
            "",
            ends,
            (mib, mib),
            labels=(f"{mib / 1024:g} GiB", ""),
            kind="dotted",
        )
        for mib in limits
        if mib < top
    ]
    return [
        Panel(
            _finding(list(zip(names, (growth for _, growth in rows), strict=True))),
            "frames of the video (log scale)",
            "peak memory (MiB, log scale)",
            tuple(series),
            "log",
            yscale="log",
            xlim=ends,
            ylim=(lowest / _ROOM, top),
            names="ends",
            remark=f"dotted: extrapolated, to {FARTHEST} times the longest measured length at most",
        )
    ]


def _names(records: Sequence[Record]) -> list[str]:
    """Names of the records; the data set matters little, unless they differ in nothing else."""
    brief = cell_names(records, marks=COST_MARKS, leave_out=("dataset", "split"))
    return brief if len({*brief}) == len(records) else cell_names(records, marks=COST_MARKS)


def _series(name: str, record: Record, growth: Growth) -> Iterator[Series]:
    """The measured peaks, and the curve behind the longest length."""
    lengths = sorted(growth.peaks)
    measured = tuple(growth.peaks[n] / MIB for n in lengths)
    at, is_hollow = tuple(map(float, lengths)), record.reconstruction
    yield Series(name, record.method, at, measured, is_hollow=is_hollow)
    end = min(FARTHEST * lengths[-1], growth.most or FARTHEST * lengths[-1])
    if growth.coefficients and end > lengths[-1]:
        beyond = np.geomspace(lengths[-1], end, _STEPS)
        drawn = tuple(growth.bytes_at(n) / MIB for n in beyond)
        yield Series(name, record.method, tuple(map(float, beyond)), drawn, kind="dotted")


def _finding(rows: Sequence[tuple[str, Growth]]) -> str:
    """The fewest frames that fill the smallest size of memory, and those that fit of the others."""
    limit = LIMITS_GIB[0] * _GIBIBYTE
    found = [(growth.longest(limit), name, growth) for name, growth in rows]
    full = [(longest.frames, name, growth) for longest, name, growth in found if not longest.more]
    fitting = [longest.frames for longest, _, _ in found if longest.more]
    parts = []
    if full:
        _, name, growth = min(full, key=lambda row: row[0])
        parts.append(f"{longest_text(growth, limit)} frames of {name}")
    if fitting:
        parts.append(f"at least {min(fitting)} {'of any other' if full else 'frames of any cell'}")
    text = f"{LIMITS_GIB[0]} GiB hold {', and '.join(parts)}"
    return f"{text} ({EXTRAPOLATED}: extrapolated)" if EXTRAPOLATED in text else text
