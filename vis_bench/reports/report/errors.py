"""Where AP is lost: each kind of error, in points and as a share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vis_bench.evaluation.error_breakdown import ERRORS
from vis_bench.reports.report.samples import Samples
from vis_bench.reports.report.subjects import LETTERS
from vis_bench.reports.report.table import Cell, Heading, Table, points, words

KINDS: Mapping[str, str] = {
    "identity": "A track follows several objects over time.",
    "class": "The object is found under another category.",
    "mask quality": "The object is found, but not its whole mask.",
    "duplicate": "Another track has found the object.",
    "background": "No object is there.",
    "missed": "No track finds the object.",
}


def error_table(samples: Sequence[Samples]) -> Table:
    """A row per kind of error."""
    headings = [Heading("Error", is_number=False)]
    for letter in LETTERS[: len(samples)]:
        prefix = f"{letter} " if len(samples) == 2 else ""
        headings += [Heading(f"{prefix}points"), Heading(f"{prefix}share")]
    rows = []
    for kind in ERRORS:
        row = [words(kind)]
        for side in samples:
            share = side.errors.shares()[kind]
            row += [points(side.errors.gains[kind] + 0.0), Cell(f"{100 * share:.0f} %", share)]
        rows.append(row)
    return Table("Points of AP that repairing each kind of error gains", headings, rows)
