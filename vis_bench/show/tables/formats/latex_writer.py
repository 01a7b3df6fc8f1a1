r"""Pages as LaTeX tables in the booktabs style, made for a page of two columns.

A document needs `\usepackage{booktabs,graphicx}`.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import groupby

from vis_bench.show.tables.grid import ABSENT, Column, Entry, Grid, Page
from vis_bench.text import single_line

# More rows than this do not fit the height of a page.
_ROWS_PER_FLOAT = 48
# A longer title of a column is broken into lines.
_TITLE_CHARACTERS = 8
# As wide as it is, or as the page where it is wider.
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


def write_latex(page: Page) -> str:
    """A `table*` for each grid, several for a long one; the notes follow the last.

    Ends with a newline. Characters that pdfLaTeX cannot set are written by their number, `U+4E2D`.
    """
    parts = [part for grid in page.grids for part in _parts(grid)]
    lines = [r"% Needs \usepackage{booktabs,graphicx}."]
    for place, grid in enumerate(parts):
        lines += [r"\begin{table*}[t]", r"\centering", r"\footnotesize"]
        lines += [r"\setlength{\tabcolsep}{3pt}"]
        if page.title:
            continued = " (continued)" if place else ""
            lines += [r"\addtocounter{table}{-1}"] if place else []
            lines.append(rf"\caption{{{_escape(page.title)}{continued}}}")
        lines += [rf"\par\smallskip {_escape(grid.data)}\par\smallskip"] if grid.data else []
        lines += [_RESIZE, *_tabular(grid), "}"]
        lines += _notes(page) if place == len(parts) - 1 else []
        lines.append(r"\end{table*}")
    return "\n".join(lines if parts else [*lines, *_notes(page)]) + "\n"


def _parts(grid: Grid) -> list[Grid]:
    """The grid in parts of about the same number of rows."""
    num_parts = max(1, math.ceil(len(grid.rows) / _ROWS_PER_FLOAT))
    size = max(1, math.ceil(len(grid.rows) / num_parts))
    return [replace(grid, rows=grid.rows[k * size : (k + 1) * size]) for k in range(num_parts)]


def _notes(page: Page) -> list[str]:
    notes = [rf"\textsuperscript{{{key}}} {_escape(text)}" for key, text in page.footnotes.items()]
    texts = [*notes, *map(_escape, page.remarks)]
    return [rf"\par\smallskip\raggedright\scriptsize {text}" for text in texts]


def _tabular(grid: Grid) -> list[str]:
    kinds = "".join("r" if column.numeric else "l" for column in grid.columns)
    body = [" & ".join(_entry(entry) for entry in row) + r" \\" for row in grid.rows]
    return [
        rf"\begin{{tabular}}{{{kinds}}}", r"\toprule", *_head(grid.columns), r"\midrule", *body,
        r"\bottomrule", r"\end{tabular}",
    ]  # fmt: skip


def _head(columns: tuple[Column, ...]) -> list[str]:
    titles = " & ".join(map(_title, columns)) + r" \\"
    if not any(column.group for column in columns):
        return [titles]
    cells, rules, start = [], [], 1
    for group, run in groupby(columns, key=lambda column: column.group):
        span = len(list(run))
        cells.append(
            rf"\multicolumn{{{span}}}{{c}}{{{_escape(group)}}}" if group else "& " * (span - 1)
        )
        rules += [rf"\cmidrule(lr){{{start}-{start + span - 1}}}"] if group else []
        start += span
    return [" & ".join(cells) + r" \\", "".join(rules), titles]


def _title(column: Column) -> str:
    """A column's title, a long one on several lines."""
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
    notes = ",".join(entry.notes)
    text = _MARKS[entry.mark].format(_escape(entry.text)) + entry.interval_text
    return text + (rf"\textsuperscript{{{notes}}}" if notes else "")


def _escape(text: str) -> str:
    text = single_line(text)
    if text == ABSENT:
        return "--"
    # GitHub obeys lines of a log that begin with two colons.
    escaped = "{}" * text.startswith("::") + "".join(map(_escape_character, text))
    return f"${escaped}$" if _is_signed(text) else escaped


def _escape_character(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    settable = character.isascii() or character in _ACCENTED
    return character if settable else f"U+{ord(character):04X}"


def _is_signed(text: str) -> bool:
    number = text[1:].replace(".", "", 1)
    return text[:1] in ("+", "-") and number.isascii() and number.isdigit()
