"""Pages as HTML documents that stand alone: no script, no file and no address but their own."""

from __future__ import annotations

from html import escape
from itertools import groupby

from vis_bench.show.tables.grid import Column, Entry, Grid, Page
from vis_bench.text import single_line

_MARKS = {None: "{}", "best": "<b>{}</b>", "second": "<u>{}</u>"}
_UNTITLED = "Table"
_STYLE = """
:root { color-scheme: light dark; --text: #1f2328; --page: #fff; --line: #d1d9e0; --head: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --page: #0d1117; --line: #3d444d; --head: #151b23; }
}
body { margin: 2rem; background: var(--page); color: var(--text);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.4rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
caption { padding: .4rem 0; font-weight: 600; text-align: left; }
th, td { padding: .25rem .6rem; border: 1px solid var(--line); text-align: left; }
th { background: var(--head); vertical-align: bottom; }
th.group { text-align: center; }
th.number, td.number { text-align: right; white-space: nowrap; }
sup { font-size: .75em; line-height: 0; }
.notes, .remark { max-width: 75ch; }
.notes dt { float: left; clear: left; min-width: 1.5rem; }
.notes dd { margin-left: 1.5rem; }
""".strip()


def write_html(page: Page) -> str:
    """A whole document: its title, a table per grid, footnotes and remarks; ends with a newline."""
    title = _text(page.title)
    lines = [
        "<!doctype html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title or _UNTITLED}</title>", f"<style>\n{_STYLE}\n</style>", "</head>", "<body>",
    ]  # fmt: skip
    lines += [f"<h1>{title}</h1>"] if title else []
    for grid in page.grids:
        lines += _table(grid)
    if page.footnotes:
        notes = [f"<dt>{key}</dt><dd>{_text(text)}</dd>" for key, text in page.footnotes.items()]
        lines += ['<dl class="notes">', *notes, "</dl>"]
    lines += [f'<p class="remark">{_text(remark)}</p>' for remark in page.remarks]
    return "\n".join([*lines, "</body>", "</html>"]) + "\n"


def _table(grid: Grid) -> list[str]:
    caption = [f"<caption>{_text(grid.data)}</caption>"] if grid.data else []
    body = [f"<tr>{_row(grid, entries)}</tr>" for entries in grid.rows]
    head = ["<thead>", *_head(grid.columns), "</thead>"]
    return [
        '<div class="wide">', "<table>", *caption, *head, "<tbody>", *body, "</tbody>", "</table>",
        "</div>",
    ]  # fmt: skip


def _head(columns: tuple[Column, ...]) -> list[str]:
    titles = "".join(f"<th{_alignment(c)}>{_text(c.title)}</th>" for c in columns)
    if not any(column.group for column in columns):
        return [f"<tr>{titles}</tr>"]
    runs = [(group, len(list(run))) for group, run in groupby(columns, key=lambda c: c.group)]
    groups = "".join(
        f'<th class="group" colspan="{span}">{_text(group)}</th>' for group, span in runs
    )
    return [f"<tr>{groups}</tr>", f"<tr>{titles}</tr>"]


def _row(grid: Grid, entries: tuple[Entry, ...]) -> str:
    cells = zip(grid.columns, entries, strict=True)
    return "".join(f"<td{_alignment(column)}>{_entry(entry)}</td>" for column, entry in cells)


def _alignment(column: Column) -> str:
    return ' class="number"' if column.numeric else ""


def _entry(entry: Entry) -> str:
    if entry.repeats:
        return ""
    notes = "".join(f"<sup>{key}</sup>" for key in entry.notes)
    return _MARKS[entry.mark].format(_text(entry.text)) + entry.interval_text + notes


def _text(text: str) -> str:
    return escape(single_line(text))
