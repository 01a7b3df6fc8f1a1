"""A history as tables, with charts in HTML, and in plain types."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from markupsafe import Markup

from vis_bench.charts import Panel, draw_inline
from vis_bench.measures.comparison import FAILING
from vis_bench.measures.figure import Figure
from vis_bench.measures.registry import MEASURES, figures_of
from vis_bench.record.metrics import PARAMS, title_of
from vis_bench.record.schema import Record
from vis_bench.show.gate.differences import Finding, comparisons
from vis_bench.show.history.charts import SIZE, Dot, history_panel
from vis_bench.show.history.timeline import HOW_FIGURES_MOVE, CellHistory, Move, Point
from vis_bench.table.labels import cell_names, shared_words
from vis_bench.table.model import ABSENT, Column, Entry, Mark, Page, Table
from vis_bench.table.number_format import figure as printed
from vis_bench.table.number_format import interval_remarks, metric_column, plain
from vis_bench.text import count, single_line

_MACHINE_KEY = "m"
_OTHER_MACHINE = (
    "another machine than in the row above, so what depends on it is not compared with that row"
)
_MOVED = f"{HOW_FIGURES_MOVE} Rows go by the time of the measurement."
_CELL = Column("Cell", numeric=False, key="cell")
_MOVES = (
    _CELL, Column("Commit", numeric=False, key="commit"), Column("Figure", numeric=False),
    Column("From"), Column("To"),
    Column("Verdict", numeric=False, weight=1), Column("Change", numeric=False),
    Column("Level since", numeric=False, weight=2),
    Column("Machine", numeric=False, context="{}", weight=3),
)  # fmt: skip
# Figures that have one row where they move together.
_KINDS = {figure: name for name, measure in MEASURES.items() for figure in measure.gated}
_COMMIT = Column("Commit", numeric=False), Column("Measured", numeric=False, weight=20)
_CONDITIONS = (
    replace(metric_column(PARAMS), weight=30), Column("Videos", context="{} videos", weight=10),
    Column("Machine", numeric=False, context="{}"), Column("Moved", numeric=False),
)  # fmt: skip
_STAY = 4  # columns of figures that stay in narrow tables
# By what a cell is counted: the worst of its figures.
_STATES = {"worse": ("worse", "missing"), "changed": ("changed", "repeated"), "better": ("better",)}
_LEFT_OUT = ("device", "num_videos")  # of a cell's name: they vary over its history


def history_page(histories: Sequence[CellHistory], *, charts: bool = False) -> Page:
    """The moves of all cells, a table for each cell that moved, and one of all others.

    Args:
        charts: add charts of cells with several records, which HTML alone shows.
    """
    named = dict(zip(_names(histories), histories, strict=True))
    moved = {name: history for name, history in named.items() if history.moves}
    still = {name: history for name, history in named.items() if not history.moves}
    tables = [_moves_table(moved)] if moved else []
    tables += [_cell_table(name, history, charts) for name, history in moved.items()]
    if still:
        others = _still_table(still, charts)
        tables.append(replace(others, fold=others.data) if moved else others)
    shared = shared_words([h.points[-1].record for h in histories], _LEFT_OUT) if named else ()
    tables[:1] = [replace(table, shared=shared) for table in tables[:1]]
    records = [point.record for history in histories for point in history.points]
    commits = {point.commit for history in histories for point in history.points}
    size = (
        f"{count(len(records), 'record')} of {count(len(histories), 'cell')} at "
        f"{count(len(commits), 'commit')}."
    )
    changed = any(_changes(history.points) for history in histories)
    notes = {_MACHINE_KEY: _OTHER_MACHINE} if changed else {}
    return Page(
        finding(histories), tuple(tables), notes, (size, *interval_remarks(records), _MOVED)
    )


def finding(histories: Sequence[CellHistory]) -> str:
    """Cells that are worse, changed or better now, and since which commit."""
    groups: dict[str, list[Move]] = {state: [] for state in _STATES}
    for history in histories:
        standing = _standing(history)
        for state, verdicts in _STATES.items():
            own = [move for move in standing if move.finding.verdict in verdicts]
            if own:
                groups[state].append(own[0])
                break
    parts: list[str] = []
    for state, firsts in groups.items():
        if not firsts:
            continue
        commits = {m.at.label: None for m in sorted(firsts, key=lambda m: m.at.order)}
        of = "" if parts else f" of {count(len(histories), 'cell')}"
        since = "since" if len(commits) == 1 else ", the first since"
        parts.append(f"{len(firsts)}{of} {state} {since} {next(iter(commits))}".replace(" ,", ","))
    if parts:
        return "; ".join(parts)
    if not histories:
        return "No records"
    several = [history for history in histories if len(history.points) > 1]
    if several:
        return f"No figure of {count(len(several), 'cell')} moved"
    return f"{count(len(histories), 'cell')} measured once: nothing to compare"


def _standing(history: CellHistory) -> list[Move]:
    """The last move of each figure; of one that machines do not share, the last on each."""
    last: list[Move] = []
    for move in history.moves:
        last = [old for old in last if not _replaces(move, old)]
        last.append(move)
    return last


def _replaces(move: Move, old: Move) -> bool:
    figure = move.finding.figure
    if old.finding.figure != figure:
        return False
    compared = comparisons(old.at.cell, move.at.cell)
    return old.at.machine == move.at.machine or any(c.figure == figure for c in compared)


def _names(histories: Sequence[CellHistory]) -> list[str]:
    """Labels of the cells, or what the gate calls a cell whose label another one has."""
    records = [history.points[-1].record for history in histories]
    labels = cell_names(records, leave_out=_LEFT_OUT)
    return [
        label if labels.count(label) == 1 else history.name
        for label, history in zip(labels, histories, strict=True)
    ]


def flat_page(histories: Sequence[CellHistory]) -> Page:
    """All records in one table, for CSV: the cell and the whole commit in each row."""
    names = [history.name for history in histories]
    return Page("", (_table(dict(zip(names, histories, strict=True)), whole=True),))


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
                        "num_videos": point.record.num_videos,
                        **dict(_numbers(point.record)),
                        PARAMS.field: PARAMS.of(point.record),
                        "moved": [m.finding.figure for m in history.moves if m.at is point],
                    }
                    for point in history.points
                ],
            }
            for history in histories
        ],
    }


def _numbers(record: Record) -> Iterator[tuple[str, float | None]]:
    """The figures by their names, with the ends of their intervals."""
    for figure in figures_of(record):
        yield figure.metric.field, figure.value
        yield from zip(figure.metric.ends or (), (figure.low, figure.high), strict=False)


def _moves_table(histories: Mapping[str, CellHistory]) -> Table:
    """A row per cell and figure; of a kind that moved at one record, the first names the others."""
    rows = list[list[str | Entry]]()
    for name, history in histories.items():
        together: dict[tuple[Point, str], list[str]] = {}
        for move in history.moves:
            figure = move.finding.figure
            together.setdefault((move.at, _KINDS.get(figure, figure)), []).append(figure)
        for move in history.moves:
            found = move.finding
            first, *others = together[move.at, _KINDS.get(found.figure, found.figure)]
            if found.figure != first:
                continue
            too = f"; {', '.join(map(title_of, others))} too" if others else ""
            mark: Mark | None = "best" if found.verdict in FAILING else None
            rows.append(
                [
                    name,
                    move.at.label,
                    title_of(first),
                    found.baseline,
                    found.current,
                    Entry(found.verdict, mark),
                    _change(history, move) + too,
                    move.since.label,
                    history.machines[move.at.machine],
                ]
            )
    return Table.of(_MOVES, rows, "Moved")


def _change(history: CellHistory, move: Move) -> str:
    """The change, with the machine of the level if it is another one."""
    other = "" if move.since.machine == move.at.machine else history.machines[move.since.machine]
    return move.finding.change + (f", from {other}" if other else "")


def _cell_table(name: str, history: CellHistory, charts: bool) -> Table:
    """A row per record of one cell, below its charts."""
    table = _table({name: history})
    own = replace(table, columns=table.columns[1:], rows=tuple(row[1:] for row in table.rows))
    return _with_charts(replace(own, data=name), _charts(history) if charts else Markup())


def _still_table(histories: Mapping[str, CellHistory], charts: bool) -> Table:
    """The records of cells in which no figure moved, behind their charts."""
    table = replace(_table(histories), data=f"No move: {count(len(histories), 'cell')}")
    drawn = {name: _charts(history) for name, history in histories.items()} if charts else {}
    heading = Markup("<h3>{}</h3>\n")
    parts = [heading.format(single_line(name)) + own for name, own in drawn.items() if own]
    return _with_charts(table, Markup("\n").join(parts))


def _table(histories: Mapping[str, CellHistory], *, whole: bool = False) -> Table:
    """A row per record behind the name of its cell; bold where a figure moved.

    Args:
        whole: write whole commits.
    """
    shown = _shown_figures(histories.values())
    rows = []
    for name, history in histories.items():
        changed = set(_changes(history.points))
        for place, point in enumerate(history.points):
            record = point.record
            moved = {m.finding.figure: m.finding.verdict for m in history.moves if m.at is point}
            entries = {f.metric.field: _entry(f, moved) for f in _figures(history, point)}
            notes = (_MACHINE_KEY,) if place in changed and not whole else ()
            rows.append(
                (
                    Entry(name, repeats=place > 0),
                    Entry(point.commit if whole else point.label, notes=notes),
                    Entry(point.date or ABSENT),
                    *(entries.get(column.name, Entry(ABSENT)) for column in shown),
                    Entry(printed(record, PARAMS), mark="best" if PARAMS.field in moved else None),
                    Entry(plain(record.num_videos)),
                    Entry(
                        history.machines[point.machine], repeats=place > 0 and place not in changed
                    ),
                    Entry("; ".join(_brief(moved))),
                )
            )
    return Table((_CELL, *_COMMIT, *shown, *_CONDITIONS), tuple(rows))


def _shown_figures(histories: Iterable[CellHistory]) -> list[Column]:
    """A column for each figure that any record has; in narrow tables those that moved stay, and
    the last of the others go first.
    """
    histories = list(histories)
    moved = {move.finding.figure for history in histories for move in history.moves}
    shown = {
        figure.metric.field: (figure.metric, figure.compared in moved)
        for history in histories
        for point in history.points
        for figure in figures_of(point.record)
        if figure.value is not None
    }
    return [
        Column(
            metric.title,
            has_interval=metric.ends is not None,
            key=metric.field,
            weight=0 if has_moved else max(0, n - _STAY),
        )
        for n, (metric, has_moved) in enumerate(shown.values(), 1)
    ]


def _entry(figure: Figure, moved: Mapping[str, str]) -> Entry:
    mark: Mark | None = "best" if figure.compared in moved else None
    return Entry(figure.text, mark, interval=figure.ends if figure.metric.ends else None)


def _figures(history: CellHistory, point: Point) -> list[Figure]:
    """The figures of a record, with as many digits as their moves need."""
    digits: dict[str, int] = {}
    for move in history.moves:
        for text in (move.finding.baseline, move.finding.current):
            name, own = move.finding.figure, len(text.partition(".")[2])
            digits[name] = max(own, digits.get(name, 0))
    return [
        replace(f, metric=replace(f.metric, digits=digits.get(f.compared, f.metric.digits)))
        for f in figures_of(point.record)
    ]


def _brief(moved: Mapping[str, str]) -> list[str]:
    """Figures with their verdicts; of several of a kind the first."""
    firsts = {_KINDS.get(figure, figure): figure for figure in reversed(list(moved))}
    return [
        f"{title_of(f)} {verdict}" for f, verdict in moved.items() if firsts[_KINDS.get(f, f)] == f
    ]


def _changes(points: Sequence[Point]) -> list[int]:
    """Places of records on another machine than the one before."""
    return [n for n in range(1, len(points)) if points[n].machine != points[n - 1].machine]


def _with_charts(table: Table, drawn: Markup) -> Table:
    """The table, with charts in place of the bars of AP's interval where there are any."""
    if not drawn:
        return table
    columns = (replace(c, interval_title="") if c.has_interval else c for c in table.columns)
    return replace(table, columns=tuple(columns), charts=drawn)


def _charts(history: CellHistory) -> Markup:
    """A chart of each figure with several values; empty without any."""
    machines = [history.machines[point.machine] for point in history.points]
    moves = {(move.at, move.finding.figure): move.finding for move in history.moves}
    drawn: dict[str, list[Dot]] = {}
    for place, point in enumerate(history.points):
        for figure in figures_of(point.record):
            if figure.value is not None and figure.is_drawn:
                title = ", ".join(filter(None, (figure.metric.title, figure.bars)))
                move = moves.get((point, figure.compared))
                dot = _dot(figure, figure.value, place, point, move, machines[place])
                drawn.setdefault(title, []).append(dot)
    panels: list[Panel] = []
    for title, dots in drawn.items():
        if len(dots) > 1:
            panel = history_panel(title, history.points[0].record.method, dots, machines)
            panels.append(replace(panel, names="none") if panels else panel)  # one legend
    digest = hashlib.sha256(history.name.encode()).hexdigest()[:8]
    charts = (draw_inline([own], f"h{digest}-{n}", size=SIZE) for n, own in enumerate(panels))
    return Markup("\n").join(charts)


def _dot(
    figure: Figure, value: float, place: int, point: Point, move: Finding | None, machine: str
) -> Dot:
    """The value of a record in the printed unit."""
    scale = figure.metric.scale
    low, high = (None if end is None else end / scale for end in (figure.low, figure.high))
    moved = "" if move is None else f"{move.baseline} to {move.current}"
    return Dot(place, value / scale, low, high, machine, point.label, moved)
