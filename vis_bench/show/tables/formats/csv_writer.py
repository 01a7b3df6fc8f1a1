"""Pages as CSV: every row stands alone, and figures of different data have columns of their own."""

from __future__ import annotations

import re

from vis_bench.show.tables.grid import ABSENT, Grid, Page
from vis_bench.text import single_line

# What a spreadsheet computes where a cell begins with it, unless it is a plain number; and what
# GitHub obeys where a line begins with it.
_FORMULA = re.compile(r"[=@+-]|::")
_NUMBER = re.compile(r"[+-]?[0-9.,]+( %)?")


def write_csv(page: Page) -> str:
    """One header and one row per table row. A text that begins like a formula gets a leading `'`.

    Figures are titled with the data set they belong to, so that two data sets never share a
    column; the ends of an interval have columns behind that of its figure. Where the page has
    footnotes, a last column spells out those of the row.
    """
    import pandas as pd  # a third of a second, which commands without a CSV save

    rows = [row for grid in page.grids for row in _rows(grid, page)]
    titles = dict.fromkeys(title for grid in page.grids for title in _titles(grid))
    if page.footnotes:
        titles["Notes"] = None
    frame = pd.DataFrame(rows, columns=list(titles), dtype=object).fillna("")
    return frame.to_csv(index=False, lineterminator="\n")


def csv_text(text: str) -> str:
    """The text on one line, as no spreadsheet takes it for a formula."""
    line = single_line(text)
    harmless = line == ABSENT or _NUMBER.fullmatch(line) or not _FORMULA.match(line)
    return line if harmless else f"'{line}"


def _rows(grid: Grid, page: Page) -> list[dict[str, str]]:
    rows = []
    for entries in grid.rows:
        values = [v for c, e in zip(grid.columns, entries, strict=True) for v in e.values(c)]
        row = dict(zip(_titles(grid), map(csv_text, values), strict=True))
        keys = dict.fromkeys(key for entry in entries for key in entry.notes)
        row["Notes"] = csv_text("; ".join(page.footnotes[key] for key in keys))
        rows.append(row)
    return rows


def _titles(grid: Grid) -> list[str]:
    suffix = f" ({grid.data})" if grid.data else ""
    return [
        csv_text(title + (suffix if place >= grid.num_labels else ""))
        for place, column in enumerate(grid.columns)
        for title in column.value_titles
    ]
