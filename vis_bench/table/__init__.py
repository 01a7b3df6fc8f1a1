"""Tables as Markdown, CSV, LaTeX or HTML, written from one model of columns and entries.

`model` holds a table before it has a format; each `to_*` module writes it in one. `labels` are the
columns that name a measured cell, `number_format` the formats of values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Literal, get_args

from vis_bench.table.fit import choose_columns, fit_page
from vis_bench.table.model import Page, Table

Format = Literal["markdown", "csv", "latex", "html"]
FORMATS: tuple[Format, ...] = get_args(Format)


# What a text holds: pages, tables, and paragraphs that are written as they are.
Part = Page | Table | str


def fitted(table: Page | Table, columns: Sequence[str] | None = None) -> Page:
    """The page as Markdown and a terminal show it, with intervals in columns of their own.

    Args:
        columns: names of the columns to show; those that fit unless given.
    """
    page = Page("", (table,)) if isinstance(table, Table) else table
    return fit_page(page if columns is None else choose_columns(page, columns))


def as_markdown(parts: Iterable[Part]) -> str:
    """Write parts below each other as Markdown."""
    return "\n".join(f"{p}\n" if isinstance(p, str) else render(p) for p in parts)


def render(
    table: Page | Table, form: Format = "markdown", columns: Sequence[str] | None = None
) -> str:
    """Write a page or a bare table in a format; the text ends with a newline.

    Args:
        columns: names of the columns to show; unless given, CSV has all and the others those that
            fit their width.
    """
    page = Page("", (table,)) if isinstance(table, Table) else table
    if form == "markdown":
        return import_module("vis_bench.table.to_markdown").write(fitted(page, columns))
    if columns is not None:
        page = choose_columns(page, columns)
    if form == "latex":  # a paper has no place for what was left out
        page = replace(fit_page(page, own_intervals=False), remarks=page.remarks)
    elif form != "csv":
        page = fit_page(page, own_intervals=False)
    return import_module(f"vis_bench.table.to_{form}").write(page)
