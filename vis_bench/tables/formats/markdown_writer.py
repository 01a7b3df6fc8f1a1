"""Pages as GitHub-flavoured Markdown."""

from __future__ import annotations

from tabulate import tabulate

from vis_bench.tables.grid import Entry, Grid, Page

# GitHub drops <u>; <ins> is shown underlined.
_MARKS = {None: "{}", "best": "**{}**", "second": "<ins>{}</ins>"}


def write_markdown(page: Page) -> str:
    """Title, tables, footnotes and remarks, a blank line between them; ends with a newline."""
    parts = [f"### {page.title}"] if page.title else []
    for grid in page.grids:
        heading = f"**{_escape(grid.data)}**\n\n" if grid.data else ""
        parts.append(heading + _table(grid))
    if page.footnotes:
        parts.append("\n".join(f"- [{key}] {text}" for key, text in page.footnotes.items()))
    parts += page.remarks
    return "\n\n".join(parts) + "\n"


def _table(grid: Grid) -> str:
    align = ["right" if column.numeric else "left" for column in grid.columns]
    return tabulate(
        [[_entry(entry) for entry in row] for row in grid.rows],
        headers=[_escape(column.full_title) for column in grid.columns],
        tablefmt="pipe",
        colalign=align if grid.rows else None,
        disable_numparse=True,
        preserve_whitespace=True,
    )


def _entry(entry: Entry) -> str:
    if entry.repeats:
        return ""
    notes = "".join(f" [{key}]" for key in entry.notes)
    return _MARKS[entry.mark].format(_escape(entry.text)) + notes


def _escape(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
