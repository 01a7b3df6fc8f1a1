"""Tables made for their width: what all rows share goes above them, and eight columns stay.

CSV and JSON keep every column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from vis_bench.errors import InputError
from vis_bench.table.model import ABSENT, Column, Entry, Page, Table

NUM_COLUMNS = 8  # fit the 830 pixels of a README's column, and both columns of a paper
_GRID_COLUMNS = 12  # three values at three resolutions, with method, clip length and stride

_NOTHING = {ABSENT, ""}


def fit_page(page: Page, *, own_intervals: bool = True, most: int = NUM_COLUMNS) -> Page:
    """The page with few columns in tables whose columns have a weight.

    Args:
        own_intervals: whether intervals take columns of their own.
        most: columns that have room.
    """
    tables: list[Table] = []
    dropped: dict[str, None] = {}
    for table in page.tables:
        fitted, titles = _fit(table, own_intervals, most)
        tables += _split(fitted, own_intervals, most)
        dropped |= dict.fromkeys(titles)
    remark = f"Left out for width, but in CSV and JSON: {', '.join(dropped)}."
    remarks = (*page.remarks, *([remark] if dropped else []))
    return replace(page, tables=tuple(tables), remarks=remarks)


def choose_columns(page: Page, names: Sequence[str]) -> Page:
    """The page with only the named columns, in the order of the names."""
    known = {column.name: None for table in page.tables for column in table.columns}
    for name in names:
        if known and name not in known:
            raise InputError(f"--columns names {name!r}; expected some of: {', '.join(known)}")
    return replace(page, tables=tuple(_chosen(table, names) for table in page.tables))


def with_interval_columns(table: Table) -> Table:
    """The table with intervals in columns of their own, or in brackets where these lack a title."""
    columns: list[Column] = []
    rows: list[list[Entry]] = [[] for _ in table.rows]
    for place, column in enumerate(table.columns):
        entries = [row[place] for row in table.rows]
        columns.append(column)
        in_brackets = column.has_interval and not column.interval_title
        for row, entry in zip(rows, entries, strict=True):
            behind = f" ({entry.interval_text})" if in_brackets and entry.interval else ""
            row.append(replace(entry, text=entry.text + behind, interval=None))
        if _has_own_interval(table, place):
            columns.append(Column(column.interval_title, column.group, weight=column.weight))
            for row, entry in zip(rows, entries, strict=True):
                row.append(Entry(entry.interval_text, repeats=entry.repeats))
    return replace(table, columns=tuple(columns), rows=tuple(map(tuple, rows)))


def _fit(table: Table, own_intervals: bool, most: int) -> tuple[Table, list[str]]:
    """The table with few columns, and the titles of those that were dropped with their values."""
    table = _without_equal(table)
    for place in reversed(range(1, len(table.columns))):
        if table.columns[place].joined == "/":
            table = join(table, place)
    dropped: list[str] = []
    while _num_columns(table, own_intervals) > most:
        least = _least_needed(table.columns)
        if least is None:
            break
        place, column = least, table.columns[least]
        if place and column.joined and (not column.weight or _tells_apart(table, place)):
            table = join(table, place)
        else:
            dropped.insert(0, column.full_title)
            table = _without(table, place)
    return _merged(table), dropped


def _without_equal(table: Table) -> Table:
    """The table without columns that are empty, and without those that are the same in all rows,
    whose values move above it.
    """
    for place in reversed(range(len(table.columns))):
        column, texts = table.columns[place], {row[place].text for row in table.rows}
        if (column.context or column.joined or column.weight) and texts <= _NOTHING:
            table = _without(table, place)
        elif column.context and len(texts) == 1:
            shared = column.context.format(*texts)
            shared = shared.removesuffix("s") if texts == {"1"} else shared
            table = replace(_without(table, place), shared=(shared, *table.shared))
    return table


def _merged(table: Table) -> Table:
    """The table with one column where neighbors that merge have the same entries."""
    for place in reversed(range(1, len(table.columns))):
        left, right = table.columns[place - 1 : place + 1]
        if left.merges and right.merges and all(r[place - 1] == r[place] for r in table.rows):
            title = f"{left.title}, {right.title}"
            columns = (*table.columns[: place - 1], replace(left, title=title))
            columns += table.columns[place:]
            table = replace(table, columns=columns)
            table = _without(table, place)
    return table


def _least_needed(columns: Sequence[Column]) -> int | None:
    """The first column that can share another's place, or else the heaviest; None without any."""
    for place, column in enumerate(columns):
        if place and column.joined and not column.weight:
            return place
    heaviest = max(range(len(columns)), key=lambda place: columns[place].weight)
    return heaviest if columns[heaviest].weight else None


def _tells_apart(table: Table, place: int) -> bool:
    """True if without a column some rows would have one name."""
    naming = [n for n, column in enumerate(table.columns) if column.names_row]
    if place not in naming:
        return False
    others = [n for n in naming if n != place]
    whole, without = (
        {tuple(row[n].text for n in ns) for row in table.rows} for ns in (naming, others)
    )
    return len(without) < len(whole)


def _split(table: Table, own_intervals: bool, most: int) -> list[Table]:
    """The table, or one for each few groups of columns where all are too many."""
    most = max(most, _GRID_COLUMNS) if table.is_grid else most
    labels = [n for n, column in enumerate(table.columns) if not column.group]
    runs = groupby(range(len(table.columns)), key=lambda place: table.columns[place].group)
    groups = [list(run) for group, run in runs if group]
    if _num_columns(table, own_intervals) <= most or len(groups) < 2:
        return [table]
    tables: list[Table] = []
    places: list[int] = []
    for group in [*groups, []]:
        wider = table.picked([*labels, *places, *group])
        if places and (not group or _num_columns(wider, own_intervals) > most):
            tables.append(table.picked([*labels, *places]))
            places = []
        places += group
    return tables


def _num_columns(table: Table, own_intervals: bool) -> int:
    places = range(len(table.columns))
    return len(places) + own_intervals * sum(_has_own_interval(table, n) for n in places)


def _has_own_interval(table: Table, place: int) -> bool:
    column = table.columns[place]
    has_title = column.has_interval and bool(column.interval_title)
    return has_title and any(row[place].interval for row in table.rows)


def _chosen(table: Table, names: Sequence[str]) -> Table:
    places = {column.name: place for place, column in enumerate(table.columns)}
    picked = table.picked([places[name] for name in names if name in places])
    columns = (replace(c, weight=0, joined=c.joined.strip("/")) for c in picked.columns)
    return replace(picked, columns=tuple(columns))


def _without(table: Table, place: int) -> Table:
    """The table without a column, whose notes move to the first one that stays."""
    others = [n for n in range(len(table.columns)) if n != place]
    rows = []
    for row in table.rows:
        entries = [row[n] for n in others]
        if entries and row[place].notes:
            entries[0] = replace(entries[0], notes=(*entries[0].notes, *row[place].notes))
        rows.append(tuple(entries))
    return replace(table.picked(others), rows=tuple(rows))


def join(table: Table, place: int) -> Table:
    """The table with a column joined to the nearest one on its left that stays."""
    stays = [n for n in range(place) if not (n and table.columns[n].joined)] or [0]
    base = stays[-1]
    left, right = table.columns[base], table.columns[place]
    title = f"{left.title}/{right.title.lower()}" if right.joined == "/" else left.title
    joined = replace(left, title=title, numeric=left.numeric and right.numeric, context="")
    columns = (*table.columns[:base], joined, *table.columns[base + 1 :])
    rows = tuple(
        (*row[:base], _joined_entry(row[base], row[place], right.joined), *row[base + 1 :])
        for row in table.rows
    )
    others = [n for n in range(len(columns)) if n != place]
    return replace(table, columns=columns, rows=rows).picked(others)


def _joined_entry(one: Entry, other: Entry, sign: str) -> Entry:
    texts = (one.words or one.text, other.words or other.text)
    text = sign.join(text for text in texts if text not in _NOTHING)
    return replace(one, text=text or one.text, words="", notes=(*one.notes, *other.notes))
