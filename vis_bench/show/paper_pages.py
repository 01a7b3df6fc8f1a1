"""The papers' tables below each other on one page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from vis_bench.show.tables.formats.markdown_writer import escape_markdown
from vis_bench.show.tables.grid import Grid, Page
from vis_bench.show.tables.text import render


def pages_markdown(pages: Iterable[Page]) -> str:
    """The pages as Markdown; a table that stands in an earlier one is a link to it."""
    shown: dict[tuple, str] = {}
    texts = []
    for page in pages:
        own = [grid for grid in page.grids if _content(grid) not in shown]
        links = [
            f"{escape_markdown(_capitalized(grid.data or 'this table'))}: as under "
            f"[{escape_markdown(title)}](#{heading_anchor(title)}).\n"
            for grid in page.grids
            if (title := shown.get(_content(grid))) is not None
        ]
        texts += [render(_with_grids(page, own) if links else page), *links]
        shown |= {_content(grid): page.title for grid in own}
    return "\n".join(texts)


def heading_anchor(heading: str) -> str:
    """What GitHub calls a heading in addresses."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _with_grids(page: Page, grids: Iterable[Grid]) -> Page:
    """The page with these of its tables, and the footnotes that they refer to."""
    grids = tuple(grids)
    used = {key for grid in grids for row in grid.rows for entry in row for key in entry.notes}
    notes = {key: text for key, text in page.footnotes.items() if key in used}
    return replace(page, grids=grids, footnotes=notes)


def _content(grid: Grid) -> tuple:
    """What a table says, without the keys of its page's footnotes."""
    rows = tuple(tuple(entry.text for entry in row) for row in grid.rows)
    return grid.data, grid.columns, rows


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]
