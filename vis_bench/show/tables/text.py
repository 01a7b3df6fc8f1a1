"""A table as text, in any of the formats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from vis_bench.show.tables.formats import WRITERS, Format
from vis_bench.show.tables.grid import Column, Grid, Page, grid_of


def table_of(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """A table with one row per mapping, columns in the order of its keys."""
    return pd.DataFrame(list(rows))


def render(table: Page | Grid | pd.DataFrame, form: Format = "markdown") -> str:
    """The table as text that ends with a newline."""
    if isinstance(table, pd.DataFrame):
        table = grid_of_frame(table)
    if isinstance(table, Grid):
        table = Page("", (table,), {})
    return WRITERS[form](table)


def grid_of_frame(frame: pd.DataFrame) -> Grid:
    """The table with columns of figures marked as such."""
    rows = [[str(value) for value in row] for row in frame.values.tolist()]
    numeric = [
        any(_starts_with_number(row[place]) for row in rows) for place in range(frame.shape[1])
    ]
    columns = [Column(str(c), numeric=n) for c, n in zip(frame.columns, numeric, strict=True)]
    return grid_of(columns, rows)


def _starts_with_number(text: str) -> bool:
    """Whether a column with such an entry holds figures: `12.5`, `12.5 (spread 11 %)`, `1..3`."""
    try:
        float(text.split(" ")[0].split("..")[0])
    except ValueError:
        return False
    return True
