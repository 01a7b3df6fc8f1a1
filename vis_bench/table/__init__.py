"""Tables as Markdown, CSV, LaTeX or HTML, written from one model of columns and entries.

`model` holds a table before it has a format; each `to_*` module writes it in one. `labels` are the
columns that name a measured cell, `number_format` the formats of values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from typing import Literal, get_args

from vis_bench.table.fit import choose_columns, fit_page
from vis_bench.table.model import Page, Table

Format = Literal["markdown", "csv", "latex", "html"]
FORMATS: tuple[Format, ...] = get_args(Format)


def render(
    table: Page | Table, form: Format = "markdown", columns: Sequence[str] | None = None
) -> str:
    """Write a page or a bare table in a format; the text ends with a newline.

    Args:
        columns: names of the columns to show; unless given, CSV has all and the others those that
            fit their width.
    """
    page = Page("", (table,)) if isinstance(table, Table) else table
    if columns is not None:
        page = choose_columns(page, columns)
    if form == "latex":  # a paper has no place for what was left out
        page = replace(fit_page(page, own_intervals=False), remarks=page.remarks)
    elif form != "csv":
        page = fit_page(page, own_intervals=form == "markdown")
    return import_module(f"vis_bench.table.to_{form}").write(page)
