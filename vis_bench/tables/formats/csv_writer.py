"""Pages as CSV: every row stands alone, and figures of different data have columns of their own."""

from __future__ import annotations

import pandas as pd

from vis_bench.tables.grid import Grid, Page, single_line


def write_csv(page: Page) -> str:
    """One header and one row per table row. A text that begins like a formula stays as it is.

    Figures are titled with the data set they belong to, so that two data sets never share a
    column; the ends of an interval have columns behind that of its figure. Where the page has
    footnotes, a last column spells out those of the row.
    """
    rows = [row for grid in page.grids for row in _rows(grid, page)]
    titles = dict.fromkeys(title for grid in page.grids for title in _titles(grid))
    if page.footnotes:
        titles["Notes"] = None
    frame = pd.DataFrame(rows, columns=list(titles), dtype=object).fillna("")
    return frame.to_csv(index=False, lineterminator="\n")


def _rows(grid: Grid, page: Page) -> list[dict[str, str]]:
    rows = []
    for entries in grid.rows:
        values = [v for c, e in zip(grid.columns, entries, strict=True) for v in e.values(c)]
        row = dict(zip(_titles(grid), map(single_line, values), strict=True))
        keys = dict.fromkeys(key for entry in entries for key in entry.notes)
        row["Notes"] = "; ".join(page.footnotes[key] for key in keys)
        rows.append(row)
    return rows


def _titles(grid: Grid) -> list[str]:
    suffix = f" ({grid.data})" if grid.data else ""
    return [
        title + (suffix if place >= grid.num_labels else "")
        for place, column in enumerate(grid.columns)
        for title in column.value_titles
    ]
