r"""LaTeX writer: booktabs tables for a page of two columns.

A document needs `\usepackage{booktabs}`.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import groupby

from vis_bench.table.model import ABSENT, Column, Entry, Page, Table
from vis_bench.text import single_line

_ROWS_PER_FLOAT = 48  # more do not fit the height of a page
_TITLE_CHARACTERS = 8  # a longer title of a column is broken into lines
_WIDE_CHARACTERS = 40  # longer texts of a column are broken into lines
_WIDE_PART = 0.27  # of the page's width, shared by columns with such texts
_MARKS = {None: "{}", "best": r"\textbf{{{}}}", "second": r"\underline{{{}}}"}
_MATH_MARKS = {**_MARKS, "best": r"\mathbf{{{}}}"}
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
        " ".join(map(_escape, page.all_remarks)),
    ]
    notes = [rf"\par\smallskip\raggedright\scriptsize {text}" for text in notes if text]
    title = page.title or " ".join(page.findings).removesuffix(".")
    lines = [r"% Needs \usepackage{booktabs}."]
    for place, table in enumerate(parts):
        lines += [r"\begin{table*}[t]", r"\centering", r"\footnotesize\setlength{\tabcolsep}{3pt}"]
        is_continued = place > 0 and parts[place - 1].data == table.data
        lines += _caption(title, table, is_continued)
        lines += _tabular(table)
        lines += notes if place == len(parts) - 1 else []
        lines.append(r"\end{table*}")
    return "\n".join(lines if parts else [*lines, *notes]) + "\n"


def _caption(title: str, table: Table, is_continued: bool) -> list[str]:
    caption = ": ".join(filter(None, (title, table.data)))
    texts = caption and caption + " (continued)" * is_continued, table.shared_text
    line = rf"\caption{{{'. '.join(map(_escape, filter(None, texts)))}}}"
    return [r"\addtocounter{table}{-1}", line] if is_continued else [line] * any(texts)


def _parts(table: Table) -> list[Table]:
    """The table in parts of about the same number of rows."""
    most = _ROWS_PER_FLOAT // 2 if any(_wide(table)) else _ROWS_PER_FLOAT
    num_parts = max(1, math.ceil(len(table.rows) / most))
    size = max(1, math.ceil(len(table.rows) / num_parts))
    return [replace(table, rows=table.rows[k * size : (k + 1) * size]) for k in range(num_parts)]


def _tabular(table: Table) -> list[str]:
    wide = _wide(table)
    paragraph = rf"p{{{_WIDE_PART / max(1, sum(wide)):.2f}\textwidth}}"
    kinds = "".join(
        paragraph if is_wide else "r" if column.numeric else "l"
        for column, is_wide in zip(table.columns, wide, strict=True)
    )
    body = [" & ".join(map(_entry, row)) + r" \\" for row in table.rows]
    head = [" & ".join(map(_title, table.columns)) + r" \\"]
    if any(column.group for column in table.columns):
        head = [*_groups(table.columns), *head]
    return [
        rf"\begin{{tabular}}{{{kinds}}}",
        r"\toprule",
        *head,
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
    ]


def _wide(table: Table) -> list[bool]:
    """True for each column whose texts are broken into lines."""
    return [
        not column.numeric and any(len(row[place].text) > _WIDE_CHARACTERS for row in table.rows)
        for place, column in enumerate(table.columns)
    ]


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
    text = _MARKS[entry.mark].format(_escape(entry.text))
    if entry.interval is not None:
        low, high = entry.interval
        value, *more = entry.text.split(" ", 1)
        number = _MATH_MARKS[entry.mark].format(value)
        text = " ".join((f"${number}_{{{low}}}^{{{high}}}$", *map(_escape, more)))
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
