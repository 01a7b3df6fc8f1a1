"""Speed as a table of every timed region, with stages, memory and energy, and as a chart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace

from vis_bench.charts import Panel, Series
from vis_bench.measures.speed.settings import OTHER, STAGE_NAMES
from vis_bench.record.names import COST_MARKS
from vis_bench.record.schema import Record, RegionFields
from vis_bench.table.labels import cell_columns, cell_names, measured_order
from vis_bench.table.model import ABSENT, Column, Entry, Page, Table
from vis_bench.table.number_format import (
    SPREAD_UNKNOWN,
    fps_entry,
    fps_remarks,
    mebibytes,
    num_timed_videos,
    number,
    plain,
    speed_notes,
)
from vis_bench.text import single_line

TITLE = "Speed of the timed regions"
_INTERVAL = "Interval (ms)"
_STAGES = "ms/frame"
_REGION = Column("Region", numeric=False, context="region {}")
_COLUMNS = (
    Column("FPS", has_interval=True, interval_title=""),
    Column("p50", group=_INTERVAL, remarks=("Interval: between the results of two clips.",)),
    Column("p90", group=_INTERVAL, weight=1),
    Column("p99", group=_INTERVAL, weight=2),
    Column("Memory (MiB)"),
    Column("J/frame", weight=1),
    Column("Compile (s)", weight=3),
    Column("Timed", context="videos timed: {}", weight=4),
    Column(
        "Load",
        context="load {} CPUs",
        weight=5,
        remarks=("Load: average before the first run, of so many CPUs.",),
    ),
)
# A timed region of a record; regions that the method does not have hold no figures.
RegionRow = tuple[Record, str, RegionFields]


def speed_page(records: Sequence[Record]) -> Page:
    """A row per record and region, and milliseconds per source frame by stage."""
    tables = [table for table in (speed_table(records), stage_table(records)) if table.rows]
    unknown = [f"FPS: {SPREAD_UNKNOWN}."] if any(map(speed_notes, records)) else []
    return Page(TITLE, tuple(tables), {}, (*unknown, *untimed_remarks(records)))


def timed_regions(record: Record) -> Mapping[str, RegionFields]:
    """The timed regions by name, with the record's own figures as one, unless it is listed."""
    own = {} if record.fps is None else {str(record.timed_region): record}
    return {**own, **record.regions}


def speed_table(records: Sequence[Record]) -> Table:
    """FPS, memory and energy of every record and region."""
    rows = _rows(records)
    fps, *others = _COLUMNS
    fps = replace(fps, remarks=fps_remarks(row[0] for row in rows))
    lines = [[row[1], *_figures(row[0], row[2])] for row in rows]
    return _table(rows, [_REGION, fps, *others], lines)


def stage_table(records: Sequence[Record]) -> Table:
    """Milliseconds per source frame by stage and in all, of the regions whose stages were timed."""
    rows = [row for row in _rows(records) if row[2].stage_ms_per_frame]
    timed = set[str]().union(*(fields.stage_ms_per_frame for _, _, fields in rows))
    stages = in_order(timed)
    columns = [_REGION, *(Column(stage, group=_STAGES) for stage in (*stages, "sum"))]
    lines = []
    for _, region, fields in rows:
        timed_ms = fields.stage_ms_per_frame
        values = [*(timed_ms.get(stage) for stage in stages), sum(timed_ms.values())]
        lines.append([region, *(number(value, 2) for value in values)])
    return _table(rows, columns, lines, "Stages")


def in_order(stages: Set[str]) -> list[str]:
    """Timed stages in the order in which they run; those of other code follow."""
    known = [stage for stage in (*STAGE_NAMES, OTHER) if stage in stages]
    return [*known, *sorted(stages - {*known})]


def _in_order(records: Sequence[Record]) -> list[Record]:
    """The records by data set, method, clip and size, and otherwise as they are given."""
    return sorted(records, key=lambda record: measured_order(record)[:-1])


def _rows(records: Sequence[Record]) -> list[RegionRow]:
    return [
        (record, region, fields)
        for record in _in_order(records)
        for region, fields in {**_listed(record), **blank_regions(record)}.items()
    ]


def _listed(record: Record) -> Mapping[str, RegionFields]:
    """The regions that a record lists; that of its own figures where it lists none."""
    return record.regions or timed_regions(record)


def _table(
    rows: Sequence[RegionRow],
    columns: Sequence[Column],
    lines: Sequence[Sequence[str | Entry]],
    caption: str = "",
) -> Table:
    values = [(column, [line[n] for line in lines]) for n, column in enumerate(columns)]
    labels = cell_columns([row[0] for row in rows], marks=COST_MARKS)
    return Table.of_columns([*labels, *values], caption)


def blank_regions(record: Record) -> dict[str, RegionFields]:
    """Regions that the config names and the method does not have, without figures."""
    return dict.fromkeys(record.untimed_regions, RegionFields())


def untimed_remarks(records: Iterable[Record]) -> list[str]:
    """Footnotes explaining the rows of `blank_regions`."""
    found = [
        f"{record.method} has no region {region}: {why}."
        for record in records
        for region, why in record.untimed_regions.items()
    ]
    return [*dict.fromkeys(found)]


def _figures(record: Record, fields: RegionFields) -> list[str | Entry]:
    return [
        fps_entry(record, fields),
        number(fields.latency_ms_p50, 1),
        number(fields.latency_ms_p90, 1),
        number(fields.latency_ms_p99, 1),
        mebibytes(fields.peak_memory_bytes),
        number(fields.energy_joules_per_frame, 2),
        number(record.compile_seconds, 1),
        plain(num_timed_videos(record)),
        _load(record),
    ]


def _load(record: Record) -> str:
    load, processors = record.load_average, record.num_cpus
    return ABSENT if load is None else f"{load:.1f} of {processors}"


def stage_panels(records: Sequence[Record]) -> list[Panel]:
    """A stacked bar for each record and timed region; none where no stage was timed."""
    bars = list(_bars(records))
    places = tuple(map(float, range(len(bars))))
    stages = [
        Series(stage, "", places, tuple(parts.get(stage, 0.0) for _, parts in bars), kind="stack")
        for stage in in_order(set().union(*(parts for _, parts in bars)))
    ]
    title = "Milliseconds per source frame by stage"
    panel = Panel(
        title,
        "",
        "ms per source frame",
        tuple(stages),
        categories=tuple(name for name, _ in bars),
        is_sideways=True,
        remark="rle encodes masks, other is between the stages",
        alt=f"{title}; the numbers are in the table.",
    )
    return [panel] if bars else []


def _bars(records: Sequence[Record]) -> Iterator[tuple[str, dict[str, float]]]:
    """Name of each record and timed region, and its milliseconds by stage."""
    rows = _in_order(records)
    for name, record in zip(cell_names(rows, marks=COST_MARKS), rows, strict=True):
        for region, fields in record.regions.items():
            if fields.stage_ms_per_frame:
                title = f"{name}, {single_line(region)}" if len(record.regions) > 1 else name
                stages = fields.stage_ms_per_frame.items()
                yield title, {single_line(stage): ms for stage, ms in stages}
