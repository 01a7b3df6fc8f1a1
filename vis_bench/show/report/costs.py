"""Costs: speed by region and stage, multiply-adds, parameters, memory, energy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vis_bench.measures.speed.settings import OTHER, STAGE_NAMES
from vis_bench.measures.speed.table import MEBIBYTE, blank_regions, untimed_remarks
from vis_bench.record.metrics import FPS, GFLOPS_PER_FRAME, PARAMS, Metric
from vis_bench.record.schema import Record, RegionFields
from vis_bench.show.report.table import LETTERS, measured, whole, words
from vis_bench.table.model import Column, Entry, Table
from vis_bench.table.number_format import num_timed_videos, spread_words

# A bar of the chart: its name, and milliseconds per source frame by stage.
StageBar = tuple[str, dict[str, float]]


def size_table(records: Sequence[Record | None]) -> Table | None:
    """Multiply-adds and parameters; None if no record has any."""
    metrics = (GFLOPS_PER_FRAME, Metric("gflops_per_clip", "GFLOPs/clip", digits=2), PARAMS)
    known = [r for r in records if r is not None]
    shown = [m for m in metrics if any(m.of(r) is not None for r in known)]
    if not shown:
        return None
    headings = [Column("Figure", numeric=False)]
    headings += [Column(letter) for letter in LETTERS[: len(records)]]
    if len(records) == 1:
        headings[1] = Column("Value")
    rows = [
        [
            words(m.title),
            *(measured(None if r is None else m.of(r), m.digits, m.scale) for r in records),
        ]
        for m in shown
    ]
    return Table.of(headings, rows, "Multiply-adds and parameters")


def speed_table(records: Sequence[Record | None]) -> Table | None:
    """A row per timed region; None if there is none."""
    regions = _regions(records)
    if not regions:
        return None
    headings = [Column("Region", numeric=False), Column("FPS")]
    headings += [
        Column("Interval (ms), p50", hint="between the results of two clips"),
        Column("p90"),
        Column("p99"),
    ]
    headings += [Column("Memory (MiB)", hint="peak"), Column("J/frame")]
    headings += [Column("Timed videos")]
    if len(records) == 2:
        headings.insert(0, Column("", numeric=False, hint="subject"))
    rows = []
    for letter, record, name, region in regions:
        row = [words(letter)] if len(records) == 2 else []
        row += [
            words(name),
            _fps(region),
            measured(region.latency_ms_p50, 1),
            measured(region.latency_ms_p90, 1),
            measured(region.latency_ms_p99, 1),
            measured(region.peak_memory_bytes, 0, MEBIBYTE),
            measured(region.energy_joules_per_frame, 2),
            whole(num_timed_videos(record)),
        ]
        rows.append(row)
    return Table.of(headings, rows, "Speed by timed region")


def stage_bars(records: Sequence[Record | None]) -> list[StageBar]:
    """A bar for each region whose stages were timed."""
    is_pair = len(records) == 2
    return [
        (f"{letter}: {name}" if is_pair else name, dict(region.stage_ms_per_frame))
        for letter, _, name, region in _regions(records)
        if region.stage_ms_per_frame
    ]


def stage_table(records: Sequence[Record | None]) -> Table | None:
    """Milliseconds per source frame by stage, a row per region; None if there is none."""
    bars = stage_bars(records)
    if not bars:
        return None
    stages = stage_order(bars)
    headings = [Column("ms/frame", numeric=False), *(Column(stage) for stage in stages)]
    rows = [
        [
            words(name),
            *(measured(parts.get(s), 2) for s in stages),
            measured(sum(parts.values()), 2),
        ]
        for name, parts in bars
    ]
    return Table.of([*headings, Column("sum")], rows, "Milliseconds per source frame by stage")


def stage_order(bars: Sequence[StageBar]) -> list[str]:
    """Timed stages in the order in which they run."""
    timed = {stage for _, parts in bars for stage in parts}
    known = [stage for stage in (*STAGE_NAMES, OTHER) if stage in timed]
    return known + sorted(timed - set(known))


def cost_remarks(records: Sequence[Record | None]) -> list[str]:
    """Sentences about missing speed and limits of its comparison."""
    timed = [r for r in records if r is not None and r.fps is not None]
    remarks = []
    if len(timed) < len(records):
        missing = "Speed was not measured" if not timed else "The speed of one was not measured"
        remarks.append(f"{missing}.")
    machines = {(r.device, r.num_threads, r.timed_region) for r in timed}
    if len(machines) > 1:
        remarks.append("A and B were timed on other machines or regions; do not compare speed.")
    if any(r.speed_spread is None for r in timed):
        remarks.append("How far equal runs lie apart is not known everywhere.")
    return remarks + untimed_remarks(r for r in records if r is not None)


def _regions(records: Sequence[Record | None]) -> list[tuple[str, Record, str, RegionFields]]:
    found = []
    for letter, record in zip(LETTERS, records, strict=False):
        if record is not None:
            regions = record.regions or ({str(record.timed_region): record} if record.fps else {})
            regions = {**regions, **blank_regions(record)}
            found += [(letter, record, name, region) for name, region in regions.items()]
    return found


def _fps(region: RegionFields) -> Entry:
    cell = measured(region.fps, FPS.digits, FPS.scale)
    return replace(cell, detail=spread_words(region))
