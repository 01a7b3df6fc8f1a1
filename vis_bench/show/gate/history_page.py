"""A history as tables, with charts in HTML, and in plain types."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from markupsafe import Markup

from vis_bench.charts import draw_each_inline
from vis_bench.grouping import grouped
from vis_bench.measures.comparison import FAILING
from vis_bench.measures.figure import Figure
from vis_bench.measures.registry import figures_of
from vis_bench.record.metrics import PARAMS, title_of
from vis_bench.record.names import measured_again
from vis_bench.record.schema import Record
from vis_bench.show.gate.differences import comparisons, kind_of, moved_entries
from vis_bench.show.gate.history import HOW_FIGURES_MOVE, CellHistory, Move, Point
from vis_bench.show.gate.history_charts import SIZE, Dot, history_panel
from vis_bench.table.labels import cell_names, first_videos, shared_words
from vis_bench.table.model import ABSENT, Column, Emphasis, Entry, Page, Table
from vis_bench.table.number_format import figure as printed
from vis_bench.table.number_format import fps_remarks, interval_remarks, metric_column, plain
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
    Column("Verdict", numeric=False, weight=1), Column("Change"),
    Column("Level since", numeric=False, weight=2),
    Column("Machine", numeric=False, context="{}", weight=3),
)  # fmt: skip
_COMMIT = Column("Commit", numeric=False), Column("Measured", numeric=False, weight=20)
_CONDITIONS = (
    replace(metric_column(PARAMS), weight=30), Column("Videos", context="{} videos", weight=10),
    Column("Machine", numeric=False, context="{}"), Column("Moved", numeric=False),
)  # fmt: skip
_STAY = 4  # columns of figures that stay in narrow tables
# By what a cell is counted: the worst of its figures.
_STATES = {"worse": ("worse", "missing"), "changed": ("changed", "repeated"), "better": ("better",)}
_MANY = 20  # cells without a move fold in HTML if they are more
_LEFT_OUT = ("device", "num_videos")  # of a cell's name: they vary over its history


def history_page(histories: Sequence[CellHistory], *, charts: bool = False) -> Page:
    """The moves of all cells, a table for each cell that moved, and one of all others.

    Args:
        charts: add charts of the figures that moved, which HTML alone shows.
    """
    tables = _tables(dict(zip(_names(histories), histories, strict=True)), charts)
    if tables:
        last = [history.points[-1].record for history in histories]
        limited = _limited_to(histories)
        words = (f"limited to {count(limited, 'video')}",) if limited else ()
        tables[0] = replace(tables[0], shared=(*shared_words(last, _LEFT_OUT), *words))
    points = [point for history in histories for point in history.points]
    num_commits = len({point.commit for point in points})
    size = (
        f"{count(len(points), 'record')} of {count(len(histories), 'cell')} at "
        f"{count(num_commits, 'commit')}."
    )
    changed = any(_changes(history.points) for history in histories)
    notes = {_MACHINE_KEY: _OTHER_MACHINE} if changed else {}
    records = [point.record for point in points]
    remarks = size, *interval_remarks(records), *fps_remarks(records), _MOVED
    return Page(finding(histories), tuple(tables), notes, remarks)


def _tables(named: Mapping[str, CellHistory], charts: bool) -> list[Table]:
    moved = {name: history for name, history in named.items() if history.moves}
    still = {name: history for name, history in named.items() if not history.moves}
    tables = [_moves_table(moved, charts)] if moved else []
    tables += [_cell_table(name, history) for name, history in moved.items()]
    if still:
        others = replace(_table(still), data=f"No move: {count(len(still), 'cell')}")
        folds = moved or len(still) > _MANY
        tables.append(replace(others, fold=others.data) if folds else others)
    return tables


def finding(histories: Sequence[CellHistory]) -> str:
    """Cells that are worse, changed or better now, and since which commit."""
    if not histories:
        return "No records"
    cells = count(len(histories), "cell")
    worst = [moved for history in histories if (moved := _worst_state(history))]
    by_state = grouped(worst, lambda moved: moved[0])
    parts: list[str] = []
    for state in filter(by_state.__contains__, _STATES):
        firsts = sorted((move.at for _, move in by_state[state]), key=lambda at: at.order)
        of = "" if parts else f" of {cells}"
        since = " since" if len({at.label for at in firsts}) == 1 else ", the first since"
        parts.append(f"{len(firsts)}{of} {state}{since} {firsts[0].label}")
    if parts:
        return "; ".join(parts)
    several = sum(len(history.points) > 1 for history in histories)
    if several:
        return f"No figure of {count(several, 'cell')} moved"
    return f"{cells} measured once: nothing to compare"


def _worst_state(history: CellHistory) -> tuple[str, Move] | None:
    """The worst state of the cell's figures, and the first move to it; None where none moved."""
    standing = _standing(history)
    for state, verdicts in _STATES.items():
        for move in standing:
            if move.finding.verdict in verdicts:
                return state, move
    return None


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
    compared = comparisons(old.at.record, move.at.record)
    return old.at.machine == move.at.machine or any(c.figure == figure for c in compared)


def _names(histories: Sequence[CellHistory]) -> list[str]:
    """Labels of the cells, or what the gate calls a cell whose label another one has."""
    records = [history.points[-1].record for history in histories]
    limited = ("limited",) if _limited_to(histories) else ()
    labels = cell_names(records, leave_out=(*_LEFT_OUT, *limited))
    return [
        label if labels.count(label) == 1 else history.name
        for label, history in zip(labels, histories, strict=True)
    ]


def _limited_to(histories: Sequence[CellHistory]) -> int | None:
    """The number of videos that all records were limited to, which names leave out."""
    return first_videos([point.record for history in histories for point in history.points])


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
                        "measured_again": measured_again(point.record),
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


def _moves_table(histories: Mapping[str, CellHistory], charts: bool) -> Table:
    """A row per cell and figure; of a kind that moved at one record, the first names the others.
    The charts of all cells stand beside each other.
    """
    rows = list[list[str | Entry]]()
    for name, history in histories.items():
        at_once = grouped(history.moves, lambda move: (move.at, kind_of(move.finding.figure)))
        for moves in at_once.values():
            found = [replace(move.finding, change=_change(history, move)) for move in moves]
            at, since = moves[0].at, moves[0].since
            where = since.label, history.machines[at.machine]
            rows.append([name, at.label, *moved_entries(found), *where])
    drawn = [chart for name, own in histories.items() for chart in _charts(name, own) if charts]
    table = Table.of(_MOVES, rows, "Moved")
    return replace(table, charts=Markup("\n").join(drawn)) if drawn else table


def _change(history: CellHistory, move: Move) -> str:
    """The change, with the machine of the level if it is another one, and who accepted it."""
    other = "" if move.since.machine == move.at.machine else history.machines[move.since.machine]
    meant = move.at.accepted if move.finding.verdict in FAILING else ""
    from_other = f", from {other}" if other else ""
    return move.finding.change + from_other + (f", accepted: {meant}" if meant else "")


def _cell_table(name: str, history: CellHistory) -> Table:
    """A row per record of one cell."""
    table = _table({name: history})
    return replace(table.picked(range(1, len(table.columns))), data=name)


def _table(histories: Mapping[str, CellHistory], *, whole: bool = False) -> Table:
    """A row per record behind the name of its cell; bold where a figure moved.

    Args:
        whole: write whole commits.
    """
    shown = _shown_figures(histories.values())
    rows = []
    for name, history in histories.items():
        changed = _changes(history.points)
        for place, point in enumerate(history.points):
            moved = {m.finding.figure: m.finding.verdict for m in history.moves if m.at is point}
            machine = history.machines[point.machine]
            notes = (_MACHINE_KEY,) if place in changed else ()
            again = measured_again(point.record)
            label = f"{point.label}, measured again: {again}" if again else point.label
            commit = Entry(point.commit) if whole else Entry(label, notes=notes)
            rows.append(
                (
                    Entry(name, repeats=place > 0),
                    commit,
                    Entry(point.date or ABSENT),
                    *_row_figures(history, point, shown, moved),
                    Entry(plain(point.record.num_videos)),
                    Entry(machine, repeats=place not in (0, *changed)),
                    Entry("; ".join(_brief(moved))),
                )
            )
    return Table((_CELL, *_COMMIT, *shown, *_CONDITIONS), tuple(rows), is_grid=True)


def _row_figures(
    history: CellHistory, point: Point, shown: Sequence[Column], moved: Mapping[str, str]
) -> list[Entry]:
    """The entries of the shown columns, and the number of parameters."""
    entries = {f.metric.field: _entry(f, moved) for f in _figures(history, point)}
    size = Entry(printed(point.record, PARAMS), mark="best" if PARAMS.field in moved else None)
    return [*(entries.get(column.name, Entry(ABSENT)) for column in shown), size]


def _shown_figures(histories: Iterable[CellHistory]) -> list[Column]:
    """A column for each figure that any record has, those of most records first; in narrow tables
    those that moved stay, and the last of the others go first.
    """
    histories = list(histories)
    moved = {move.finding.figure for history in histories for move in history.moves}
    known = [
        figure
        for history in histories
        for point in history.points
        for figure in figures_of(point.record)
        if figure.value is not None
    ]
    num_records = Counter(figure.metric.field for figure in known)
    known.sort(key=lambda figure: -num_records[figure.metric.field])
    shown = {f.metric.field: (f.metric, f.compared in moved) for f in known}
    return [
        replace(metric_column(metric), weight=0 if has_moved else max(0, n - _STAY))
        for n, (metric, has_moved) in enumerate(shown.values(), 1)
    ]


def _entry(figure: Figure, moved: Mapping[str, str]) -> Entry:
    mark: Emphasis | None = "best" if figure.compared in moved else None
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
    firsts = [figures[0] for figures in grouped(moved, kind_of).values()]
    return [f"{title_of(figure)} {moved[figure]}" for figure in firsts]


def _changes(points: Sequence[Point]) -> list[int]:
    """Places of records on another machine than the one before."""
    return [n for n in range(1, len(points)) if points[n].machine != points[n - 1].machine]


def _charts(name: str, history: CellHistory) -> list[Markup]:
    """A chart of each figure that moved, under the cell's name."""
    machines = [history.machines[point.machine] for point in history.points]
    method = history.points[0].record.method
    panels = [
        history_panel(f"{single_line(name)}: {title}", method, [dot for _, dot in dots], machines)
        for title, dots in grouped(_dots(history), lambda pair: pair[0]).items()
        if any(dot.moved for _, dot in dots)
    ]
    panels[1:] = [replace(panel, names="none") for panel in panels[1:]]  # one legend
    digest = hashlib.sha256(history.name.encode()).hexdigest()[:8]
    return draw_each_inline(panels, f"h{digest}", size=SIZE)


def _dots(history: CellHistory) -> Iterator[tuple[str, Dot]]:
    """Title of the chart and dot of each drawn figure of each record."""
    moves = {(move.at, move.finding.figure): move.finding for move in history.moves}
    for place, point in enumerate(history.points):
        machine = history.machines[point.machine]
        for figure in figures_of(point.record):
            if figure.value is not None and figure.is_drawn:
                title = ", ".join(filter(None, (figure.metric.title, figure.bars)))
                move = moves.get((point, figure.compared))
                moved = "" if move is None else f"{move.baseline} to {move.current}"
                scale = figure.metric.scale
                low, high = (None if x is None else x / scale for x in (figure.low, figure.high))
                value = figure.value / scale
                yield title, Dot(place, value, low, high, machine, point.label, moved)
