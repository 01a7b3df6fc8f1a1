"""A history as tables, with charts in HTML, and in plain types."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from markupsafe import Markup

from vis_bench.charts import Panel, draw_inline
from vis_bench.measures.comparison import FAILING
from vis_bench.measures.registry import MEASURES
from vis_bench.record.metrics import AP, FPS, GFLOPS_PER_FRAME, PARAMS, Metric
from vis_bench.record.schema import Record
from vis_bench.show.history.charts import SIZE, Dot, history_panel
from vis_bench.show.history.timeline import CellHistory, Move, Point
from vis_bench.table.model import ABSENT, Column, Entry, Mark, Page, Table
from vis_bench.table.number_format import figure, interval_remarks, metric_column, plain
from vis_bench.text import count

# With the digits in which the gate's tolerance shows.
_AP = replace(AP, digits=2)
_MEMORY = Metric("peak_memory_bytes", "Memory (MiB)", 2**20, digits=0)
_CHARTS = {
    _AP: "AP, 95 % interval",
    FPS: "FPS, spread of equal runs",
    GFLOPS_PER_FRAME: "GFLOPs per frame",
    _MEMORY: "Peak memory (MiB)",
}
_MACHINE_KEY = "m"
_OTHER_MACHINE = "another machine than in the row above, so FPS and memory are not compared with it"
_MOVES = (
    Column("First commit", numeric=False, key="commit"), Column("Figure", numeric=False),
    Column("From"), Column("To"),
    Column("Verdict", numeric=False), Column("Change", numeric=False),
    Column("Level since", numeric=False), Column("Machine", numeric=False, context="{}"),
)  # fmt: skip
# Figures that have one row where they move together.
_KINDS = {figure: name for name, measure in MEASURES.items() for figure in measure.gated}
_COLUMNS = (
    Column("Commit", numeric=False), Column("Measured", numeric=False, weight=20),
    metric_column(_AP), replace(metric_column(FPS), weight=0), Column("Spread", joined="/"),
    replace(metric_column(GFLOPS_PER_FRAME), weight=0), Column(_MEMORY.title, key=_MEMORY.field),
    replace(metric_column(PARAMS), weight=30), Column("Videos", context="{} videos", weight=10),
    Column("Machine", numeric=False, context="{}"), Column("Moved", numeric=False),
)  # fmt: skip


def history_page(histories: Sequence[CellHistory], *, charts: bool = False) -> Page:
    """The moves of each cell, then a table for each with a row per record.

    Args:
        charts: add charts of cells with several records, which HTML alone shows.
    """
    records = [point.record for history in histories for point in history.points]
    commits = {point.commit for history in histories for point in history.points}
    size = (
        f"{count(len(records), 'record')} of {count(len(histories), 'cell')} at "
        f"{count(len(commits), 'commit')}"
    )
    tables = [_moves_table(history) for history in histories if history.moves]
    for history in histories:
        table = _cell_table(history)
        tables.append(_with_charts(table, history) if charts else table)
    changed = any(_changes(history.points) for history in histories)
    remarks = (
        *([] if any(history.moves for history in histories) else ["No figure moved."]),
        *interval_remarks(records),
        "Moved: beyond the tolerance of the gate, against the record with which the figure's level "
        "began on the machine. Rows go by the time of the measurement.",
    )
    notes = {_MACHINE_KEY: _OTHER_MACHINE} if changed else {}
    return Page(f"History of {size}", tuple(tables), notes, remarks)


def flat_page(histories: Sequence[CellHistory]) -> Page:
    """All records in one table, for CSV: the cell and the whole commit in each row."""
    tables = [_cell_table(history, whole=True) for history in histories]
    rows = [
        (Entry(history.name), *row)
        for history, table in zip(histories, tables, strict=True)
        for row in table.rows
    ]
    columns = (Column("Cell", numeric=False), *_COLUMNS)
    return Page("", (Table(columns, tuple(rows)),))


def history_json(histories: Sequence[CellHistory]) -> dict[str, Any]:
    """Moves and records in plain types, with the records' own units."""
    return {
        "moves": [
            {
                **asdict(move.finding),
                "change": _change(history, move),
                "machine": history.machines[move.at.machine],
                "commit": move.at.commit,
                "measured_at": move.at.record.created_at,
                "since": move.since.commit,
                "record": str(move.at.path),
            }
            for history in histories
            for move in history.moves
        ],
        "cells": [
            {
                "cell": history.name,
                "records": [
                    {
                        "commit": point.commit,
                        "dirty": point.is_dirty,
                        "measured_at": point.record.created_at,
                        "machine": history.machines[point.machine],
                        "record": str(point.path),
                        **{
                            field: getattr(point.record, field)
                            for field in (
                                "num_videos",
                                "ap",
                                "ap_low",
                                "ap_high",
                                "fps",
                                "speed_spread",
                                "gflops_per_frame",
                                "num_params",
                                "peak_memory_bytes",
                            )
                        },
                        "moved": [m.finding.figure for m in history.moves if m.at is point],
                    }
                    for point in history.points
                ],
            }
            for history in histories
        ],
    }


def _moves_table(history: CellHistory) -> Table:
    """A row per figure; of a kind that moved at one record, the first names the others."""
    together: dict[tuple[Point, str], list[str]] = {}
    for move in history.moves:
        figure = move.finding.figure
        together.setdefault((move.at, _KINDS.get(figure, figure)), []).append(figure)
    rows = list[list[str | Entry]]()
    for move in history.moves:
        found = move.finding
        first, *others = together[move.at, _KINDS.get(found.figure, found.figure)]
        if found.figure != first:
            continue
        change = _change(history, move) + (f"; {', '.join(others)} too" if others else "")
        mark: Mark | None = "best" if found.verdict in FAILING else None
        rows.append(
            [
                move.at.label,
                first,
                found.baseline,
                found.current,
                Entry(found.verdict, mark),
                change,
                move.since.label,
                history.machines[move.at.machine],
            ]
        )
    return Table.of(_MOVES, rows, f"Moved: {history.name}")


def _change(history: CellHistory, move: Move) -> str:
    """The change, with the machine of the level if it is another one."""
    other = "" if move.since.machine == move.at.machine else history.machines[move.since.machine]
    return move.finding.change + (f", from {other}" if other else "")


def _cell_table(history: CellHistory, *, whole: bool = False) -> Table:
    """A row per record; bold where a figure moved.

    Args:
        whole: write whole commits.
    """
    changed = set(_changes(history.points))
    rows = []
    for place, point in enumerate(history.points):
        record = point.record
        moved = {m.finding.figure: m.finding.verdict for m in history.moves if m.at is point}
        values = []
        for metric in (_AP, FPS, GFLOPS_PER_FRAME, _MEMORY, PARAMS):
            entry = Entry(figure(record, metric), interval=metric.interval(record))
            is_moved = _gate_name(record, metric) in moved
            values.append(replace(entry, mark="best") if is_moved else entry)
        spread = record.speed_spread
        values.insert(2, Entry(ABSENT if spread is None else f"{100 * spread:.0f} %"))
        rows.append(
            (
                Entry(
                    point.commit if whole else point.label,
                    notes=(_MACHINE_KEY,) if place in changed and not whole else (),
                ),
                Entry(point.date or ABSENT),
                *values,
                Entry(plain(record.num_videos)),
                Entry(history.machines[point.machine], repeats=place > 0 and place not in changed),
                Entry("; ".join(_brief(moved))),
            )
        )
    return Table(_COLUMNS, tuple(rows), history.name)


def _brief(moved: Mapping[str, str]) -> list[str]:
    """Figures with their verdicts; of several of a kind the first."""
    firsts = {_KINDS.get(figure, figure): figure for figure in reversed(list(moved))}
    return [f"{f} {verdict}" for f, verdict in moved.items() if firsts[_KINDS.get(f, f)] == f]


def _changes(points: Sequence[Point]) -> list[int]:
    """Places of records on another machine than the one before."""
    return [n for n in range(1, len(points)) if points[n].machine != points[n - 1].machine]


def _gate_name(record: Record, metric: Metric) -> str:
    """The gate's name of a metric in a record."""
    region = record.timed_region
    if metric in (FPS, _MEMORY):
        return f"{'FPS' if metric is FPS else 'peak memory'} ({region})"
    return metric.field


def _with_charts(table: Table, history: CellHistory) -> Table:
    """The table, with charts in place of the bars of AP's interval where there are any."""
    drawn = _charts(history)
    if not drawn:
        return table
    columns = (replace(c, interval_title="") if c.has_interval else c for c in table.columns)
    return replace(table, columns=tuple(columns), charts=drawn)


def _charts(history: CellHistory) -> Markup:
    """A chart of each metric with several values; empty without any."""
    machines = [history.machines[point.machine] for point in history.points]
    moves = {(move.at, move.finding.figure): move.finding for move in history.moves}
    panels: list[Panel] = []
    for metric, title in _CHARTS.items():
        dots = []
        for place, point in enumerate(history.points):
            value = metric.of(point.record)
            if value is None:
                continue
            low, high = (
                None if end is None else end / metric.scale
                for end in _ends(point.record, metric, value)
            )
            found = moves.get((point, _gate_name(point.record, metric)))
            moved = "" if found is None else f"{found.baseline} to {found.current}"
            at = value / metric.scale
            dots.append(Dot(place, at, low, high, machines[place], point.label, moved))
        if len(dots) > 1:
            method = history.points[0].record.method
            panel = history_panel(title, method, dots, machines)
            panels.append(replace(panel, names="none") if panels else panel)  # one legend
    digest = hashlib.sha256(history.name.encode()).hexdigest()[:8]
    names = (f"h{digest}-{n}" for n in range(len(panels)))
    drawn = (draw_inline([own], name, size=SIZE) for own, name in zip(panels, names, strict=False))
    return Markup("\n").join(drawn)


def _ends(record: Record, metric: Metric, value: float) -> tuple[float | None, float | None]:
    """The interval of AP, or the spread of FPS around its value."""
    if metric is _AP and record.ap_low is not None:
        return record.ap_low, record.ap_high
    if metric is FPS and record.speed_spread is not None:
        half = min(record.speed_spread / 2, 1.0)
        return value * (1 - half), value * (1 + half)
    return None, None
