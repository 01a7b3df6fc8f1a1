"""HTML writer: documents that load nothing, read without scripts, and sort with one."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING

from vis_bench.grouping import grouped
from vis_bench.table.model import ABSENT, Column, Entry, Page, Table
from vis_bench.text import single_line

if TYPE_CHECKING:
    from jinja2 import Template

# A click on a heading sorts, a second one the other way; cells without a number stay last.
_SCRIPT = """"use strict";
function sortBy(heading) {
  const body = heading.closest("table").tBodies[0], column = heading.cellIndex;
  const isNumber = heading.classList.contains("number");
  const up = heading.getAttribute("aria-sort") === (isNumber ? "descending" : "ascending");
  const sign = isNumber === up ? 1 : -1;
  for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  const keyOf = (row) => {
    const text = row.cells[column].textContent;
    return isNumber ? parseFloat(text) : text;
  };
  const compare = (a, b) => isNumber
    ? Number.isNaN(a) - Number.isNaN(b) || sign * (a - b) || 0
    : sign * a.localeCompare(b, "en", { numeric: true });
  const rows = Array.from(body.rows).sort((one, other) => compare(keyOf(one), keyOf(other)));
  body.append(...rows);
}
const headings = "table.sortable thead tr:last-child th:not(.bar)";
for (const heading of document.querySelectorAll(headings)) {
  const button = document.createElement("button");
  button.append(...heading.childNodes);
  button.addEventListener("click", () => sortBy(heading));
  heading.append(button);
}
"""


def write(page: Page) -> str:
    """Write a document with its title, a table each, footnotes and remarks."""
    from markupsafe import Markup

    from vis_bench.charts import css_colors

    tables = tuple(_interval_first(part) for table in page.tables for part in _parts(table))
    return _template().render(
        page=replace(page, tables=tables),
        groups=_groups,
        bars_of=_bars_of,
        in_percent=_in_percent,
        is_sortable=_is_sortable,
        is_unranked=_is_unranked,
        script=Markup(_SCRIPT),
        chart_colors=Markup(css_colors()),
        script_digest=script_digest(_SCRIPT),
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader  # only this format waits for it

    environment = Environment(
        loader=PackageLoader("vis_bench.table", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["line"] = single_line
    return environment.get_template("page.html.jinja")


def script_digest(script: str) -> str:
    """Hash of an inline script for the Content-Security-Policy."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _parts(table: Table) -> list[Table]:
    """The table, or one for each value of the columns that part it, below the charts of all."""
    places = [n for n, column in enumerate(table.columns) if column.title in table.parted_by]
    if not places:
        return [table]
    parts = []
    others = [n for n in range(len(table.columns)) if n not in places]
    for texts, rows in grouped(table.rows, lambda row: tuple(row[n].text for n in places)).items():
        heads = (table.columns[n].title.rstrip(")").partition(" (") for n in places)
        words = (f"{head[0]} {text} {head[2]}" for head, text in zip(heads, texts, strict=True))
        heading = ", ".join(map(str.strip, words)).capitalize()
        own = replace(table, rows=tuple(rows), fold=heading, charts=None)
        parts.append(own.picked(others))
    return [replace(table, rows=()), *parts]


def _interval_first(table: Table) -> Table:
    """The table with its first column of intervals right behind the first text."""
    columns = table.columns
    values = _bars_of(table)
    names = [n for n, column in enumerate(columns) if not column.numeric]
    if not (names and values) or _groups(columns):
        return table
    order = [n for n in range(len(columns)) if n != values[0]]
    order.insert(order.index(names[0]) + 1, values[0])
    return table.picked(order)


def _groups(columns: tuple[Column, ...]) -> list[tuple[str, int]]:
    """Neighboring groups with their widths; none where no column has one."""
    if not any(column.group for column in columns):
        return []
    return [(group, len(list(run))) for group, run in groupby(columns, lambda c: c.group)]


def _bars_of(table: Table) -> list[int]:
    """The columns of values with intervals that all lie within 0 and 100."""
    found = []
    for place, column in enumerate(table.columns):
        entries = [row[place] for row in table.rows if row[place].interval]
        if (
            column.interval_title
            and not column.group
            and entries
            and all(map(_in_percent, entries))
        ):
            found.append(place)
    return [] if table.is_grid else found


def _in_percent(entry: Entry) -> tuple[float, float, float] | None:
    """The value and the ends of its interval, within 0 and 100; None for others."""
    if entry.interval is None:
        return None
    try:
        value, low, high = map(float, (entry.text, *entry.interval))
    except ValueError:
        return None
    return (value, low, high) if 0 <= low <= high <= 100 and 0 <= value <= 100 else None


def _is_sortable(table: Table) -> bool:
    return not any(entry.repeats for row in table.rows for entry in row)


def _is_unranked(table: Table, row: tuple[Entry, ...]) -> bool:
    return table.columns[0].title == "Rank" and row[0].text == ABSENT
