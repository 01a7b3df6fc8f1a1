r"""Pages as LaTeX tables in the booktabs style; a document needs `\usepackage{booktabs}`."""

from __future__ import annotations

from itertools import groupby

from vis_bench.tables.grid import ABSENT, Column, Entry, Grid, Page

_MARKS = {None: "{}", "best": r"\textbf{{{}}}", "second": r"\underline{{{}}}"}
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%",
    "#": r"\#", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip


def write_latex(page: Page) -> str:
    """A `table` environment with a `tabular` for each grid; ends with a newline."""
    lines = [
        r"% Needs \usepackage{booktabs}.",
        r"\begin{table}[t]", r"\centering", r"\footnotesize", r"\setlength{\tabcolsep}{3pt}",
    ]  # fmt: skip
    if page.title:
        lines.append(rf"\caption{{{_escape(page.title)}}}")
    for grid in page.grids:
        lines += [rf"\par\smallskip {_escape(grid.data)}\par\smallskip"] if grid.data else []
        lines += _tabular(grid)
    notes = [rf"\textsuperscript{{{key}}} {_escape(text)}" for key, text in page.footnotes.items()]
    for text in [*notes, *map(_escape, page.remarks)]:
        lines.append(rf"\par\smallskip\raggedright {text}")
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _tabular(grid: Grid) -> list[str]:
    kinds = "".join("r" if column.numeric else "l" for column in grid.columns)
    body = [" & ".join(_entry(entry) for entry in row) + r" \\" for row in grid.rows]
    return [
        rf"\begin{{tabular}}{{{kinds}}}", r"\toprule", *_head(grid.columns), r"\midrule", *body,
        r"\bottomrule", r"\end{tabular}",
    ]  # fmt: skip


def _head(columns: tuple[Column, ...]) -> list[str]:
    titles = " & ".join(_escape(column.title) for column in columns) + r" \\"
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


def _entry(entry: Entry) -> str:
    if entry.repeats:
        return ""
    notes = ",".join(entry.notes)
    text = _MARKS[entry.mark].format(_escape(entry.text))
    return text + (rf"\textsuperscript{{{notes}}}" if notes else "")


def _escape(text: str) -> str:
    if text == ABSENT:
        return "--"
    escaped = "".join(_SPECIAL.get(character, character) for character in text)
    return f"${escaped}$" if _is_signed(text) else escaped


def _is_signed(text: str) -> bool:
    return text[:1] in "+-" and text[1:].replace(".", "", 1).isdigit()
