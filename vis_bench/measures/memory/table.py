"""Memory over length: the table `memory`, with the longest video for some sizes of memory, and its
chart of measured peaks and the curves through them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from vis_bench.charts import Panel, Series
from vis_bench.measures.memory.growth import Growth, growth_of
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
_ROOM = 1.05  # of the axes, beyond what is drawn


def memory_panels(records: Sequence[Record]) -> list[Panel]:
    """MiB over frames, above those of no frame; none where no record has memory over length."""
    rows = _grown(records)
    if not rows:
        return []
    names = _names([record for record, _ in rows])
    series = []
    for name, (record, growth) in zip(names, rows, strict=True):
        lengths, peaks = zip(*sorted(growth.peaks.items()), strict=True)
        fixed, *_ = growth.coefficients or (min(peaks),)
        grown = tuple(max(0.0, peak - fixed) / MIB for peak in peaks)
        at, is_hollow = tuple(map(float, lengths)), record.reconstruction
        series.append(Series(name, record.method, at, grown, is_hollow=is_hollow))
    return [
        Panel(
            _finding(rows),
            "frames of the video",
            "MiB above those of no frame",
            tuple(series),
            xlim=(0.0, _ROOM * max(x for own in series for x in own.x)),
            ylim=(0.0, _ROOM * max(1.0, *(y for own in series for y in own.y))),
            names="ends",
        )
    ]


def _grown(records: Sequence[Record]) -> list[tuple[Record, Growth]]:
    return [(record, own) for record in over_length(records) if (own := growth_of(record))]


def _names(records: Sequence[Record]) -> list[str]:
    """Names of the records; the data set matters little, unless they differ in nothing else."""
    brief = cell_names(records, marks=COST_MARKS, leave_out=("dataset", "split"))
    return brief if len({*brief}) == len(records) else cell_names(records, marks=COST_MARKS)


def _finding(grown: Sequence[tuple[Record, Growth]]) -> str:
    """The memory of a frame, the frames that the least size holds, and the cells that are flat."""
    limit = LIMITS_GIB[0] * _GIBIBYTE
    rows = list(zip(_names([record for record, _ in grown]), [g for _, g in grown], strict=True))
    flat = {name: max(g.peaks) for name, g in rows if _is_flat_below(g, limit)}
    slopes = sorted((g.coefficients[1], name) for name, g in rows if len(g.coefficients) == 2)
    full = [(own.frames, name, g) for name, g in rows if not (own := g.longest(limit)).more]
    parts = []
    if slopes:
        ends = [f"{mebibytes(slope, 2)} MiB ({name})" for slope, name in slopes]
        parts.append(f"a frame takes {' to '.join(dict.fromkeys((ends[0], ends[-1])))}")
    if full:
        _, name, growth = min(full, key=lambda row: row[0])
        parts.append(f"{LIMITS_GIB[0]} GiB hold {longest_text(growth, limit)} frames of {name}")
    if flat:
        names = listed([*flat]) if len(flat) < 3 else count(len(flat), "cell")
        parts.append(f"memory of {names} is flat up to {min(flat.values())} frames")
    text = "; ".join(parts) or TITLE
    return text[:1].upper() + text[1:]


def _is_flat_below(growth: Growth, limit: float) -> bool:
    return growth.kind == "flat" and growth.longest(limit).frames == max(growth.peaks)
