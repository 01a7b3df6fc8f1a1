"""Memory over length: the table `memory`, with the longest video for some sizes of memory, and its
chart of measured peaks and the curves through them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from vis_bench.charts import Panel, Series
from vis_bench.measures.memory.growth import FARTHEST, Growth, growth_of
from vis_bench.record.metrics import MIB
from vis_bench.record.names import COST_MARKS
from vis_bench.record.schema import Record
from vis_bench.table.labels import Labels, cell_columns, cell_names, measured_order
from vis_bench.table.model import ABSENT, Column, Entry, Page, Table
from vis_bench.table.number_format import mebibytes, plain
from vis_bench.text import count, listed

TITLE = "Memory over length: how long a video fits"
# GiB of the columns with the longest video, beside the limits of the records' configs.
LIMITS_GIB = (8, 24, 80)
EXTRAPOLATED, AT_LEAST = "*", "≥"
_MIB_REMARK = (
    "MiB: tensors on a GPU; on a CPU resident memory of the process, Python, libraries and weights "
    "included, without freed blocks that malloc keeps. Peak: at the longest length."
)
_LONGEST_REMARK = "Longest video, in frames, by the curve through the measured lengths."
_EXTRAPOLATED_REMARK = f"{EXTRAPOLATED}: extrapolated, outside the measured lengths."
_AT_LEAST_REMARK = (
    f"{AT_LEAST}: longer ones may fit, too; nothing is extrapolated beyond four times the longest "
    "measured length (a config's memory.lengths), or without a curve that predicts the lengths "
    "between."
)
_COLUMNS = (
    Column(
        "Over",
        numeric=False,
        context="over {}",
        weight=6,
        remarks=("Over clip: the video is one clip, and the longest one the longest clip.",),
    ),
    Column("Measured", numeric=False, context="measured at {} frames"),
    Column("Tracks", weight=5),
    Column("Peak (MiB)", remarks=(_MIB_REMARK,)),
    Column("Fixed (MiB)", weight=4, remarks=("Fixed: of no frame, on the curve.",)),
    Column("MiB/frame"),
)


def over_length(records: Sequence[Record]) -> list[Record]:
    """The records with memory over length, in the order of the table of all records."""
    return sorted((r for r in records if r.memory_points), key=measured_order)


def memory_page(records: Sequence[Record]) -> Page:
    """A row per record, with a column for each size of memory."""
    rows = over_length(records)
    asked = {limit for row in rows if (limit := _limit_gib(row)) is not None}
    limits = sorted({*LIMITS_GIB, *asked})
    columns = (
        *_COLUMNS,
        *(Column(f"{x:g} GiB", group="Longest video", merges=True) for x in limits),
    )
    lines = [[*_sizes(row), *_figures(row, limits)] for row in rows]
    values = [
        (_explained(column, entries), entries)
        for n, column in enumerate(columns)
        for entries in [[line[n] for line in lines]]
    ]
    table, grown = Table.of_columns([*_labels(rows), *values]), _grown(rows)
    found = (f"{_finding(grown)}.",) if grown else ()
    return Page(TITLE, (table,), {}, tuple(_cautions(rows)), found)


def _cautions(rows: Sequence[Record]) -> Iterator[str]:
    """Sentences on rows with random weights, and on rows that were measured on CPUs alone."""
    elsewhere = "device", "dataset", "split"
    names = zip(cell_names(rows, marks=(), leave_out=elsewhere), rows, strict=True)
    random = [name for name, row in names if row.weights_source == "random"]
    if random:
        yield f"Random weights: {'; '.join(random)}. Trained ones find other tracks."
    if rows and all(row.cuda is None for row in rows):
        yield "Measured on CPUs: GPUs with as much memory may hold fewer or more frames."


def _labels(records: Sequence[Record]) -> Labels:
    """Labels of the rows; the data set matters little, unless rows differ in nothing else."""
    labels = [
        (replace(column, weight=3) if column.title == "Data" else column, entries)
        for column, entries in cell_columns(records, marks=COST_MARKS)
    ]
    sizes = [record.memory_video_size for record in records]
    texts = [ABSENT if size is None else f"{size[0]}x{size[1]}" for size in sizes]
    video = Column(
        "Video", numeric=False, context="video of {}", joined=", ", weight=8, names_row=True
    )
    return [*labels[:-2], (video, [Entry(text) for text in texts]), *labels[-2:]]


def _explained(column: Column, texts: Sequence[str]) -> Column:
    """The column with what its figures mean."""
    if not column.group or not texts:
        return column
    remarks = [_LONGEST_REMARK]
    remarks += [_EXTRAPOLATED_REMARK] if any(EXTRAPOLATED in text for text in texts) else []
    remarks += [_AT_LEAST_REMARK] if any(AT_LEAST in text for text in texts) else []
    return replace(column, remarks=tuple(remarks))


def _limit_gib(record: Record) -> float | None:
    """The limit that the record's config sets."""
    memory = record.config.get("memory")
    limit = memory.get("limit_gib") if isinstance(memory, dict) else None
    return limit if isinstance(limit, int | float) and limit > 0 else None


def _sizes(record: Record) -> tuple[str, ...]:
    lengths = [point.num_frames for point in record.memory_points]
    tracks = [point.num_tracks or 0 for point in record.memory_points]
    return (
        plain(record.memory_over),
        ", ".join(map(str, lengths)),
        str(max(tracks)),
        mebibytes(record.memory_points[-1].peak_bytes),
    )


def _figures(record: Record, limits_gib: Sequence[float]) -> list[str]:
    growth = growth_of(record)
    if growth is None:
        return [ABSENT] * (2 + len(limits_gib))
    fixed, *slopes = growth.coefficients or (None,)
    per_frame = mebibytes(slopes[0], 2) if slopes else growth.kind
    if len(slopes) > 1:
        per_frame += f" + {slopes[1] / MIB:.3g} n"
    longest = [longest_text(growth, limit * 1024 * MIB) for limit in limits_gib]
    return [mebibytes(fixed), per_frame, *longest]


def longest_text(growth: Growth, limit: float) -> str:
    """The longest video within some bytes: `96`, `240*` if extrapolated, `≥640` for a bound."""
    longest = growth.longest(limit)
    if not longest.frames:
        return "0" if growth.coefficients else f"<{min(growth.peaks)}"
    mark = EXTRAPOLATED if longest.extrapolated else ""
    return f"{AT_LEAST if longest.more else ''}{longest.frames}{mark}"


_GIBIBYTE = 1024 * MIB
_STEPS = 24  # of a curve beyond the measured lengths
_ROOM = 1.25  # of the axes, beyond what is drawn


def memory_panels(records: Sequence[Record]) -> list[Panel]:
    """MiB over frames; none where no record has memory over length."""
    rows = _grown(records)
    if not rows:
        return []
    names = _names([record for record, _ in rows])
    series = [
        own
        for name, (record, growth) in zip(names, rows, strict=True)
        for own in _series(name, record, growth)
    ]
    frames = [x for own in series for x in own.x]
    peaks = [y for own in series for y in own.y]
    ends, lowest = (min(frames) / _ROOM, max(frames) * _ROOM), min(peaks)
    limits = [1024.0 * gib for gib in LIMITS_GIB if lowest < 1024 * gib]
    top = max(*peaks, *limits[:1]) * _ROOM
    series += [_limit(mib, ends) for mib in limits if mib < top]
    return [
        Panel(
            _finding(rows),
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


def _grown(records: Sequence[Record]) -> list[tuple[Record, Growth]]:
    return [(record, own) for record in over_length(records) if (own := growth_of(record))]


def _limit(mib: float, ends: tuple[float, float]) -> Series:
    """A dotted line at a size of memory."""
    name = f"{mib / 1024:g} GiB"
    return Series(name, "", ends, (mib, mib), labels=(name, ""), kind="dotted")


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


def _finding(grown: Sequence[tuple[Record, Growth]]) -> str:
    """Sentences on the smallest size of memory and on cells whose memory does not grow."""
    limit = LIMITS_GIB[0] * _GIBIBYTE
    rows = list(zip(_names([record for record, _ in grown]), [g for _, g in grown], strict=True))
    flat = {name: max(g.peaks) for name, g in rows if _is_flat_below(g, limit)}
    growing = [(name, g) for name, g in rows if name not in flat]
    parts = [_held(growing, limit, " whose memory grows" if flat else "")] if growing else []
    slopes = [g.coefficients[1] for _, g in growing if len(g.coefficients) == 2]
    if slopes:
        ends = dict.fromkeys(mebibytes(slope, 2) for slope in (min(slopes), max(slopes)))
        parts.insert(0, f"a frame takes {' to '.join(ends)} MiB")
    if flat:
        names = listed([*flat]) if len(flat) < 3 else count(len(flat), "cell")
        parts.append(f"memory of {names} is flat up to {min(flat.values())} frames")
    text = "; ".join(parts)
    return text[:1].upper() + text[1:]


def _held(rows: Sequence[tuple[str, Growth]], limit: float, which: str) -> str:
    """The fewest frames that fill the smallest size of memory, and those that fit of the others."""
    found = [(growth.longest(limit), name, growth) for name, growth in rows]
    full = [(longest.frames, name, growth) for longest, name, growth in found if not longest.more]
    fitting = [(longest.frames, max(growth.peaks)) for longest, _, growth in found if longest.more]
    parts = []
    if full:
        _, name, growth = min(full, key=lambda row: row[0])
        parts.append(f"{longest_text(growth, limit)} frames of {name}")
    if fitting:
        fewest = min(frames for frames, _ in fitting)
        mark = EXTRAPOLATED if any(fewest > measured for _, measured in fitting) else ""
        others = "of any other" if full else "frames of any cell"
        parts.append(f"at least {fewest}{mark} {others}{which}")
    text = f"{LIMITS_GIB[0]} GiB hold {', and '.join(parts)}"
    return f"{text} ({EXTRAPOLATED}: extrapolated)" if EXTRAPOLATED in text else text


def _is_flat_below(growth: Growth, limit: float) -> bool:
    return growth.kind == "flat" and growth.longest(limit).frames == max(growth.peaks)
