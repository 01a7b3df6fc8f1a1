"""CSV writer: every row stands alone, and values of different data sets have own columns."""

from __future__ import annotations

import csv
import io
import re

from vis_bench.table.model import ABSENT, Page, Table
from vis_bench.text import single_line

# Spreadsheets compute a cell that begins with one of these unless it is a plain number; a line
# that begins with two colons is a command to GitHub.
_FORMULA = re.compile(r"[=@+-]|::")
_NUMBER = re.compile(r"[+-]?[0-9.,]+( %)?")
_NOTES = 0  # key of the footnotes, no text, so that a column titled "Notes" keeps its values


def write(page: Page) -> str:
    """Write one header and one row per table row; text like a formula gets a leading `'`.

    Values are titled with their data set. A last column spells out a row's footnotes.
    """
    rows = [row for table in page.tables for row in _rows(table, page)]
    titles: dict[str | int, str] = {t: t for table in page.tables for t in _titles(table)}
    if page.footnotes:
        titles[_NOTES] = "Notes"
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([titles.values(), *([row.get(key, "") for key in titles] for row in rows)])
    return text.getvalue()


def csv_text(text: str) -> str:
    """The text on one line, quoted where a spreadsheet would take it for a formula."""
    line = single_line(text)
    harmless = line == ABSENT or _NUMBER.fullmatch(line) or not _FORMULA.match(line)
    return line if harmless else f"'{line}"


def _rows(table: Table, page: Page) -> list[dict[str | int, str]]:
    """Values by title, and the footnotes."""
    rows = []
    for entries in table.rows:
        values = [v for c, e in zip(table.columns, entries, strict=True) for v in e.values(c)]
        row: dict[str | int, str] = dict(zip(_titles(table), map(csv_text, values), strict=True))
        keys = dict.fromkeys(key for entry in entries for key in entry.notes)
        row[_NOTES] = csv_text("; ".join(page.footnotes[key] for key in keys))
        rows.append(row)
    return rows


def _titles(table: Table) -> list[str]:
    suffix = f" ({table.data})" if table.data else ""
    return [
        csv_text(title + (suffix if place >= table.num_labels else ""))
        for place, column in enumerate(table.columns)
        for title in column.value_titles
    ]
