"""Markdown of the generated pages: what was found, a picture, then tables, long ones folded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from vis_bench.table import render
from vis_bench.table.model import Page
from vis_bench.table.to_markdown import escape_markdown
from vis_bench.text import count

_MOST_ROWS = 12  # of a table that is not folded
GENERATED = (
    "<!-- Generated from the records by `python results/refresh.py`; edits are overwritten. -->\n"
)


def section(page: Page, text: str = "", *, level: int = 2, fold: str = "") -> str:
    """Title, findings, a text of Markdown such as a picture, and the tables with their notes.

    Args:
        level: of the heading.
        fold: what the folded tables are; empty for tables in full.
    """
    parts = [f"{'#' * level} {escape_markdown(page.title)}\n"] if page.title else []
    parts += [f"{bold(page.findings)}\n"] if page.findings else []
    parts += [text] if text else []
    tables = render(replace(page, title="", findings=()))
    return "\n".join([*parts, folded(fold, tables) if fold else tables])


def fold_of(page: Page) -> str:
    """The words on the folded tables of a page; empty where they are short."""
    rows = [len(table.rows) for table in page.tables]
    return f"All {count(sum(rows), 'row')}" if max(rows, default=0) > _MOST_ROWS else ""


def folded(summary: str, text: str) -> str:
    """Markdown behind a line that opens it."""
    return f"<details>\n<summary>{summary}</summary>\n\n{text}\n</details>\n"


def bold(sentences: Sequence[str]) -> str:
    """Sentences as bold Markdown."""
    return f"**{escape_markdown(' '.join(sentences))}**"


def heading_anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
