"""Headline numbers with intervals, AP per category and IoU threshold, and where AP is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.metrics.analyse import Analysis
from vis_bench.metrics.compare import Difference, difference_of
from vis_bench.metrics.error_breakdown import ERRORS, IDENTITY_ERRORS, ErrorBreakdown
from vis_bench.metrics.matching import IOU_THRESHOLDS
from vis_bench.records.metrics import ACCURACY_TITLES, TRACKING_TITLES, same_ap
from vis_bench.records.schema import Record
from vis_bench.show.report.facts import LETTERS
from vis_bench.show.report.samples import interval_of, same_numbers
from vis_bench.show.report.table import (
    Cell,
    Heading,
    Table,
    difference,
    interval,
    points,
    signed,
    whole,
    words,
)

# Those that stand on top.
CARDS = ("ap", "ap75", "ar10", "hota")
_TITLES = {**ACCURACY_TITLES, **TRACKING_TITLES}
_ALL, _MOST = 0, -1


@dataclass(frozen=True)
class Card:
    """A headline number: of each subject, and the difference of two."""

    title: str
    numbers: Sequence[Cell]
    difference: Cell | None


def cards(samples: Sequence[Analysis]) -> list[Card]:
    """AP, AP75, AR10 and HOTA."""
    return [
        Card(
            _TITLES[key],
            [interval(interval_of(side.overall[key])) for side in samples],
            difference(_difference(samples, key)) if len(samples) == 2 else None,
        )
        for key in CARDS
    ]


def metrics_table(samples: Sequence[Analysis]) -> Table:
    """Every number that has an interval; of two subjects also the paired differences."""
    headings = [Heading("Metric", is_number=False), *_sides(samples, "{}")]
    rows = []
    for key in same_numbers(samples):
        row = [words(_TITLES[key])]
        row += [interval(interval_of(side.overall[key])) for side in samples]
        if len(samples) == 2:
            changed = _difference(samples, key)
            p_value = changed.p_value
            row += [difference(changed)]
            row += [Cell("-") if p_value is None else Cell(f"{p_value:.3f}", p_value)]
        rows.append(row)
    if len(samples) == 2:
        headings += [
            Heading("B - A", hint="in points, with its paired 95 % interval"),
            Heading("p", hint="two-sided, of no difference"),
        ]
    return Table("Metrics with 95 % intervals", headings, rows)


def category_table(samples: Sequence[Analysis]) -> Table:
    """A row per category that has objects: AP with intervals, then AP at each IoU threshold."""
    ap_TK = [threshold_aps(side) for side in samples]
    headings = [
        Heading("Category", is_number=False), Heading("Objects"), *_sides(samples, "AP {}"),
    ]  # fmt: skip
    thresholds = [f"{t:.2f}".lstrip("0") for t in IOU_THRESHOLDS]
    if len(samples) == 2:
        headings += [Heading("B - A", hint="AP, with its paired 95 % interval")]
        headings += [Heading(t, hint=f"B - A at an IoU of {t}") for t in thresholds]
    else:
        headings += [Heading("AR100")]
        headings += [Heading(t, hint=f"AP at an IoU of {t}") for t in thresholds]
    rows = []
    for k, category in enumerate(samples[0].evaluation.matches.categories):
        sides = [side.by_category["ap"][:, k] for side in samples]
        if np.isnan(sides[0][0]):
            continue
        row = [words(category.name), whole(int(category.num_objects_VA[:, _ALL].sum()))]
        row += [interval(interval_of(values_S)) for values_S in sides]
        if len(samples) == 2:
            row += [difference(difference_of(*sides))]
            row += [_moved(float(change)) for change in ap_TK[1][:, k] - ap_TK[0][:, k]]
        else:
            row += [points(float(samples[0].by_category["ar100"][0, k]))]
            row += [points(float(value), shaded=True) for value in ap_TK[0][:, k]]
        rows.append(row)
    return Table("AP per category and per IoU threshold", headings, rows)


def threshold_aps(side: Analysis) -> np.ndarray:
    """AP at each IoU threshold of each category, (T, K); NaN without objects."""
    precision_TRK = side.evaluation.curves.precision_TRKAM[..., _ALL, _MOST]
    return np.where(precision_TRK[:, 0] > -1, precision_TRK.mean(1), np.nan)


def contradictions(samples: Sequence[Analysis], records: Sequence[Record | None]) -> list[str]:
    """A sentence for each record whose AP is not that of its predictions."""
    found = []
    for letter, side, record in zip(LETTERS, samples, records, strict=False):
        measured = interval_of(side.overall["ap"]).value
        if record is None or record.ap is None or measured is None:
            continue
        if not same_ap(record.ap, measured):
            found.append(
                f"The record {letter} says AP {100 * record.ap:.2f}, but its predictions have "
                f"{100 * measured:.2f}; this page shows what the predictions have."
            )
    return found


def _difference(samples: Sequence[Analysis], key: str) -> Difference:
    return difference_of(samples[0].overall[key], samples[1].overall[key])


def _moved(change: float) -> Cell:
    return Cell(signed(change), change, shade=max(-1.0, min(1.0, 3 * change)))


def _sides(samples: Sequence[Analysis], form: str) -> list[Heading]:
    letters = LETTERS[: len(samples)] if len(samples) == 2 else ("",)
    hint = "in points, with its 95 % interval"
    return [Heading(form.format(letter).strip() or "Points", hint=hint) for letter in letters]


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
