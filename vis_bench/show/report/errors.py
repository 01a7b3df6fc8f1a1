"""Where AP is lost: each kind of error, in points and as a share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vis_bench.metrics.analyse import Analysis
from vis_bench.metrics.error_breakdown import ERRORS, IDENTITY_ERRORS, ErrorBreakdown
from vis_bench.show.report.subjects import LETTERS
from vis_bench.show.report.table import Cell, Heading, Table, points, words

_PART = "identity: "
_ROWS = (ERRORS[0], *(f"{_PART}{kind}" for kind in IDENTITY_ERRORS), *ERRORS[1:])
KINDS: Mapping[str, str] = {
    "identity": "A track does not stay with one object, or not alone; of that:",
    "identity: switch": "A track goes over to another object.",
    "identity: fragment": "Several tracks share one object.",
    "identity: drift": "A track leaves its object for the background.",
    "class": "The object is found under another category.",
    "mask quality": "The object is found, but not its whole mask.",
    "duplicate": "Another track has found the object.",
    "background": "No object is there.",
    "missed": "No track finds the object.",
}


def error_table(samples: Sequence[Analysis]) -> Table:
    """A row per kind of error."""
    headings = [Heading("Error", is_number=False)]
    for letter in LETTERS[: len(samples)]:
        prefix = f"{letter} " if len(samples) == 2 else ""
        headings += [Heading(f"{prefix}points"), Heading(f"{prefix}share")]
    rows = [
        [words(kind), *(cell for side in samples for cell in _cells(side.errors, kind))]
        for kind in _ROWS
    ]
    return Table("Points of AP that repairing each kind of error gains", headings, rows)


def _cells(errors: ErrorBreakdown, row: str) -> list[Cell]:
    """Points and share; those of a kind of identity error are part of `identity`."""
    kind = row.removeprefix(_PART)
    is_part = row.startswith(_PART)
    gain = (errors.identity_gains if is_part else errors.gains)[kind]
    share = (errors.identity_shares() if is_part else errors.shares())[kind]
    return [points(gain + 0.0), Cell(f"{100 * share:.0f} %", share)]
