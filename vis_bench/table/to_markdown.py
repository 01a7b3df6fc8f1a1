"""Markdown writer, as GitHub shows it."""

from __future__ import annotations

import re

from tabulate import tabulate

from vis_bench.table.fit import with_interval_columns
from vis_bench.table.model import Entry, Page, Table
from vis_bench.text import single_line

# GitHub drops <u>; <ins> is shown underlined.
_MARKS = {None: "{}", "best": "**{}**", "second": "<ins>{}</ins>"}

# Parts of a cell in which no line breaks: an interval, the spread of FPS.
_UNBROKEN = re.compile(r"^[+-]?[\d.]+ to [+-]?[\d.]+$|spread \d+ %")
# Beginnings of a line that make it a heading, a list or a rule.
_BLOCK = re.compile(r"^(\d*)([.)](?=\s|$)|[#+=-])")
# Characters with a meaning inside a line: emphasis, code, links, HTML, mathematics, cells.
# An underscore has one at the edge of a word, `&` before a name, addresses become links alone, and
# `#` at the end closes a heading.
_SPECIAL = re.compile(
    r"[\\`*\[\]<>|~$]|(?<![^\W_])_|_(?![^\W_])"
    r"|&(?=#?\w+;)|:(?=//)|(?<=\bwww)\.|(?<=\w)@(?=\w)|(?<!\S)#(?=#*\s*$)",
    re.IGNORECASE,
)


def write(page: Page) -> str:
    """Write title, findings, tables, footnotes and remarks with blank lines between them."""
    parts = [f"### {escape_markdown(page.title)}"] if page.title else []
    parts += [f"**{escape_markdown(finding)}**" for finding in page.findings]
    for table in page.tables:
        parts += [f"**{escape_markdown(table.data)}**"] if table.data else []
        parts += [_paragraph(table.shared_text)] if table.shared else []
        parts.append(_table(with_interval_columns(table)))
    if page.footnotes:
        notes = page.footnotes.items()
        parts.append("\n".join(f"- [{key}] {escape_markdown(text)}" for key, text in notes))
    parts += map(_paragraph, page.all_remarks)
    return "\n\n".join(parts) + "\n"


def _paragraph(text: str) -> str:
    """The text as a paragraph, even if it begins like a heading or a list."""
    return _BLOCK.sub(r"\g<1>\\\g<2>", escape_markdown(text), count=1)


def _table(table: Table) -> str:
    align = ["right" if column.numeric else "left" for column in table.columns]
    return tabulate(
        [[_entry(entry) for entry in row] for row in table.rows],
        headers=[escape_markdown(column.full_title) for column in table.columns],
        tablefmt="pipe",
        colalign=align if table.rows else None,
        disable_numparse=True,
        preserve_whitespace=True,
    )


def _entry(entry: Entry) -> str:
    if entry.repeats:
        return ""
    notes = "".join(f" [{key}]" for key in entry.notes)
    text = _UNBROKEN.sub(lambda m: m[0].replace(" ", "\u00a0"), escape_markdown(entry.text))
    return _MARKS[entry.mark].format(text) + notes


def escape_markdown(text: str) -> str:
    """The text as Markdown that shows it, on one line."""
    return _SPECIAL.sub(r"\\\g<0>", single_line(text))
