r"""LaTeX writer: booktabs tables for a page of two columns.

A document needs `\usepackage{booktabs,graphicx}`.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import groupby

from vis_bench.show.tables.model import ABSENT, Column, Entry, Page, Table
from vis_bench.text import single_line

_ROWS_PER_FLOAT = 48  # more do not fit the height of a page
_TITLE_CHARACTERS = 8  # a longer title of a column is broken into lines
# As wide as the table is, or as the page where the table is wider.
_RESIZE = r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%"
_MARKS = {None: "{}", "best": r"\textbf{{{}}}", "second": r"\underline{{{}}}"}
# Brackets and stars are grouped because an optional argument of `\\` and of rules starts with them.
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%",
    "#": r"\#", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''",
    "[": "{[}", "]": "{]}", "*": "{*}", "`": r"\textasciigrave{}",
}  # fmt: skip
# Letters that the default font encoding has besides ASCII.
_ACCENTED = frozenset(map(chr, range(0xC0, 0x100))) - frozenset(
    "\u00d0\u00d7\u00de\u00f0\u00f7\u00fe"
)
_SIGNED = re.compile(r"[+-](?=.)[0-9]*\.?[0-9]*")


def write(page: Page) -> str:
    """Write a `table*` per table, several for a long one; the notes follow the last.

    Characters that pdfLaTeX cannot set are written by their number, `U+4E2D`.
    """
    parts = [part for table in page.tables for part in _parts(table)]
    notes = [
        *(rf"\textsuperscript{{{key}}} {_escape(text)}" for key, text in page.footnotes.items()),
        *map(_escape, page.remarks),
    ]
    notes = [rf"\par\smallskip\raggedright\scriptsize {text}" for text in notes]
    lines = [r"% Needs \usepackage{booktabs,graphicx}."]
    for place, table in enumerate(parts):
        lines += [r"\begin{table*}[t]", r"\centering", r"\footnotesize"]
        lines += [r"\setlength{\tabcolsep}{3pt}"]
        if page.title:
            continued = " (continued)" if place else ""
            lines += [r"\addtocounter{table}{-1}"] if place else []
            lines.append(rf"\caption{{{_escape(page.title)}{continued}}}")
        lines += [rf"\par\smallskip {_escape(table.data)}\par\smallskip"] if table.data else []
        lines += [_RESIZE, *_tabular(table), "}"]
        lines += notes if place == len(parts) - 1 else []
        lines.append(r"\end{table*}")
    return "\n".join(lines if parts else [*lines, *notes]) + "\n"


def _parts(table: Table) -> list[Table]:
    """The table in parts of about the same number of rows."""
    num_parts = max(1, math.ceil(len(table.rows) / _ROWS_PER_FLOAT))
    size = max(1, math.ceil(len(table.rows) / num_parts))
    return [replace(table, rows=table.rows[k * size : (k + 1) * size]) for k in range(num_parts)]


def _tabular(table: Table) -> list[str]:
    kinds = "".join("r" if column.numeric else "l" for column in table.columns)
    body = [" & ".join(map(_entry, row)) + r" \\" for row in table.rows]
    head = [" & ".join(map(_title, table.columns)) + r" \\"]
    if any(column.group for column in table.columns):
        head = [*_groups(table.columns), *head]
    return [
        rf"\begin{{tabular}}{{{kinds}}}", r"\toprule", *head, r"\midrule", *body,
        r"\bottomrule", r"\end{tabular}",
    ]  # fmt: skip


def _groups(columns: tuple[Column, ...]) -> list[str]:
    cells, rules, start = [], [], 1
    for group, run in groupby(columns, key=lambda column: column.group):
        span = len(list(run))
        cells.append(
            rf"\multicolumn{{{span}}}{{c}}{{{_escape(group)}}}" if group else "& " * (span - 1)
        )
        rules += [rf"\cmidrule(lr){{{start}-{start + span - 1}}}"] if group else []
        start += span
    return [" & ".join(cells) + r" \\", "".join(rules)]


def _title(column: Column) -> str:
    text = single_line(column.title)
    words = [word for word in re.split(r" |(?<=/)", text) if word]
    if len(text) <= _TITLE_CHARACTERS or len(words) == 1:
        return _escape(text)
    side = "r" if column.numeric else "l"
    lines = r" \\ ".join(map(_escape, words))
    return rf"\shortstack[{side}]{{{lines}}}"


def _entry(entry: Entry) -> str:
    if entry.repeats:
        return ""
    text = _MARKS[entry.mark].format(_escape(entry.text)) + entry.interval_text
    notes = ",".join(entry.notes)
    return text + (rf"\textsuperscript{{{notes}}}" if notes else "")


def _escape(text: str) -> str:
    text = single_line(text)
    if text == ABSENT:
        return "--"
    if _SIGNED.fullmatch(text):
        return f"${text}$"
    # GitHub obeys lines of a log that begin with two colons.
    return "{}" * text.startswith("::") + "".join(map(_escape_character, text))


def _escape_character(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    settable = character.isascii() or character in _ACCENTED
    return character if settable else f"U+{ord(character):04X}"
