"""Pages as an HTML fragment: a table each, footnotes and remarks below."""

from __future__ import annotations

from html import escape
from itertools import groupby

from vis_bench.tables.grid import Column, Entry, Grid, Page

_MARKS = {None: "{}", "best": "<b>{}</b>", "second": "<u>{}</u>"}

_OPEN = {True: '<td align="right">', False: "<td>"}


def write_html(page: Page) -> str:
    """The fragment; ends with a newline."""
    lines = [f"<h3>{escape(page.title)}</h3>"] if page.title else []
    for grid in page.grids:
        lines += _table(grid)
    if page.footnotes:
        notes = "".join(f"<dt>{key}</dt><dd>{escape(t)}</dd>" for key, t in page.footnotes.items())
        lines.append(f"<dl>{notes}</dl>")
    lines += [f"<p>{escape(remark)}</p>" for remark in page.remarks]
    return "\n".join(lines) + "\n"


def _table(grid: Grid) -> list[str]:
    caption = [f"<caption>{escape(grid.data)}</caption>"] if grid.data else []
    body = [f"<tr>{_row(grid, entries)}</tr>" for entries in grid.rows]
    head = ["<thead>", *_head(grid.columns), "</thead>"]
    return ["<table>", *caption, *head, "<tbody>", *body, "</tbody>", "</table>"]


def _head(columns: tuple[Column, ...]) -> list[str]:
    titles = "".join(f"<th>{escape(column.title)}</th>" for column in columns)
    if not any(column.group for column in columns):
        return [f"<tr>{titles}</tr>"]
    runs = [(group, len(list(run))) for group, run in groupby(columns, key=lambda c: c.group)]
    groups = "".join(f'<th colspan="{span}">{escape(group)}</th>' for group, span in runs)
    return [f"<tr>{groups}</tr>", f"<tr>{titles}</tr>"]


def _row(grid: Grid, entries: tuple[Entry, ...]) -> str:
    cells = zip(grid.columns, entries, strict=True)
    return "".join(f"{_OPEN[column.numeric]}{_entry(entry)}</td>" for column, entry in cells)


def _entry(entry: Entry) -> str:
    if entry.repeats:
        return ""
    notes = "".join(f"<sup>{key}</sup>" for key in entry.notes)
    return _MARKS[entry.mark].format(escape(entry.text)) + notes
