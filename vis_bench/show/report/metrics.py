"""Headline numbers with intervals, AP per category and IoU threshold, and where AP is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vis_bench.metrics.analyse import Analysis
from vis_bench.metrics.matching import IOU_THRESHOLDS
from vis_bench.records.metrics import ACCURACY_TITLES, TRACKING_TITLES, same_ap
from vis_bench.records.schema import Record
from vis_bench.show.report.table import (
    LETTERS,
    Cell,
    Heading,
    Table,
    change,
    difference,
    interval,
    points,
    whole,
    words,
)

# Headline numbers.
CARDS = ("ap", "ap75", "ar10", "hota")
_TITLES = {**ACCURACY_TITLES, **TRACKING_TITLES}
_ALL = 0


def cards(samples: Sequence[Analysis]) -> list[dict[str, Any]]:
    """Title, number of each side, and difference of AP, AP75, AR10 and HOTA."""
    return [
        {
            "title": _TITLES[key],
            "numbers": [interval(side.overall[key]) for side in samples],
            "difference": _difference(samples, key)[0] if len(samples) == 2 else None,
        }
        for key in CARDS
    ]


def metrics_table(samples: Sequence[Analysis]) -> Table:
    """Every number that has an interval; of two sides also the paired differences."""
    headings = [Heading("Metric", is_number=False), *_sides(samples, "{}")]
    if len(samples) == 2:
        headings += [
            Heading("B - A", hint="in points, with its paired 95 % interval"),
            Heading("p", hint="two-sided, of no difference"),
        ]
    rows = []
    for key in samples[0].overall:
        if all(key in side.overall for side in samples):
            row = [words(_TITLES[key]), *(interval(side.overall[key]) for side in samples)]
            rows.append([*row, *_difference(samples, key)] if len(samples) == 2 else row)
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
        row += map(interval, sides)
        if len(samples) == 2:
            row += [difference(*sides)[0]]
            row += [change(float(moved), 3) for moved in ap_TK[1][:, k] - ap_TK[0][:, k]]
        else:
            row += [points(float(samples[0].by_category["ar100"][0, k]))]
            row += [points(float(value), shaded=True) for value in ap_TK[0][:, k]]
        rows.append(row)
    return Table("AP per category and per IoU threshold", headings, rows)


def threshold_aps(side: Analysis) -> np.ndarray:
    """AP at each IoU threshold of each category, (T, K); NaN without objects."""
    precision_TRK = side.evaluation.precision_TRK
    return np.where(precision_TRK[:, 0] > -1, precision_TRK.mean(1), np.nan)


def contradictions(samples: Sequence[Analysis], records: Sequence[Record | None]) -> list[str]:
    """A sentence for each record whose AP is not that of its predictions."""
    sentences = []
    for letter, side, record in zip(LETTERS, samples, records, strict=False):
        found = float(side.overall["ap"][0])
        if record is not None and record.ap is not None and not same_ap(record.ap, found):
            sentences.append(
                f"The AP of record {letter} is {100 * record.ap:.2f}, but that of its predictions "
                f"{100 * found:.2f}; this page shows the latter."
            )
    return sentences


def _difference(samples: Sequence[Analysis], key: str) -> tuple[Cell, Cell]:
    return difference(samples[0].overall[key], samples[1].overall[key])


def _sides(samples: Sequence[Analysis], form: str) -> list[Heading]:
    letters = LETTERS[: len(samples)] if len(samples) == 2 else ("",)
    hint = "in points, with its 95 % interval"
    return [Heading(form.format(letter).strip() or "Points", hint=hint) for letter in letters]


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
    """A row per kind of error, with points of AP and share of the loss."""
    headings = [Heading("Error", is_number=False)]
    for letter in LETTERS[: len(samples)]:
        prefix = f"{letter} " if len(samples) == 2 else ""
        headings += [Heading(f"{prefix}points"), Heading(f"{prefix}share")]
    sides = [side.errors.by_kind() for side in samples]
    rows = [
        [words(kind), *(cell for side in sides for cell in _gain_and_share(*side[kind]))]
        for kind in KINDS
    ]
    return Table("Points of AP that repairing each kind of error gains", headings, rows)


def _gain_and_share(gain: float, share: float) -> list[Cell]:
    return [points(gain + 0.0), Cell(f"{100 * share:.0f} %", share)]
