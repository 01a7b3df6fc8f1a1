"""The papers' tables below each other on one page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from vis_bench.show.tables import render
from vis_bench.show.tables.model import Page, Table
from vis_bench.show.tables.to_markdown import escape_markdown


def pages_markdown(pages: Iterable[Page]) -> str:
    """The pages as Markdown; a table that stands in an earlier one is a link to it."""
    shown: dict[tuple, str] = {}
    texts = []
    for page in pages:
        own = [grid for grid in page.tables if _content(grid) not in shown]
        links = [
            f"{escape_markdown(_capitalized(grid.data or 'this table'))}: as under "
            f"[{escape_markdown(title)}](#{heading_anchor(title)}).\n"
            for grid in page.tables
            if (title := shown.get(_content(grid))) is not None
        ]
        texts += [render(_with_grids(page, own) if links else page), *links]
        shown |= {_content(grid): page.title for grid in own}
    return "\n".join(texts)


def heading_anchor(heading: str) -> str:
    """What GitHub calls a heading in addresses."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _with_grids(page: Page, grids: Iterable[Table]) -> Page:
    """The page with these of its tables, and the footnotes that they refer to."""
    grids = tuple(grids)
    used = {key for grid in grids for row in grid.rows for entry in row for key in entry.notes}
    notes = {key: text for key, text in page.footnotes.items() if key in used}
    return replace(page, tables=grids, footnotes=notes)


def _content(grid: Table) -> tuple:
    """What a table says, without the keys of its page's footnotes."""
    rows = tuple(tuple(entry.text for entry in row) for row in grid.rows)
    return grid.data, grid.columns, rows


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]
