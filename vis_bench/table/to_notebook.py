"""Notebook writer: a few lines and a small table, as the HTML of an object at the end of a cell."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from vis_bench.table.model import Entry, Table
from vis_bench.text import single_line


def write(lines: Sequence[str], table: Table | None = None) -> str:
    """Write lines, the first one in bold, above a table without styles."""
    first, *others = map(_text, lines)
    parts = [f"<b>{first}</b>", *others]
    html = f"<p>{'<br>'.join(parts)}</p>"
    if table is None or not table.rows:
        return html
    head = "".join(f"<th>{_text(column.full_title)}</th>" for column in table.columns)
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows)
    return f"{html}<table><tr>{head}</tr>{rows}</table>"


def _cell(entry: Entry) -> str:
    return f"<td>{_text(entry.whole_text)}</td>"


def _text(text: str) -> str:
    return escape(single_line(text))
