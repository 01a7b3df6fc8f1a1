"""The charts of a report, as panels whose series are of its sides, A and B."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vis_bench.charts import Panel, Series
from vis_bench.charts.panels import Value, holds_0
from vis_bench.metrics.errors import ERRORS
from vis_bench.metrics.matching import IOU_THRESHOLDS, threshold_place
from vis_bench.metrics.precision_recall import RECALL_LEVELS
from vis_bench.show.report.boundary import boundary_panel
from vis_bench.show.report.metrics import threshold_aps
from vis_bench.show.report.scores import TrackScores
from vis_bench.show.report.sides import LETTERS, Numbers, Sides
from vis_bench.table.number_format import points

SIZE = 4.7, 3.1  # inches, of a chart without categories below each other
# A chart of HOTA over the score shows nothing where it moves by so many points at most, up to this
# score, above which few tracks are left.
_LEVEL, _HIGHEST = 2.0, 0.8
_TENTHS = tuple(round(0.1 * n, 1) for n in range(0, 11, 2))
_PR_THRESHOLDS = {1: (0.5, 0.6, 0.7, 0.8, 0.9), 2: (0.5, 0.75, 0.9)}  # by number of sides


def report_panels(
    sides: Sides, scores: Sequence[TrackScores], methods: Sequence[str]
) -> dict[str, Panel]:
    """The charts by name, without those of what was not measured.

    Args:
        methods: of the sides, to which they give their looks.
    """
    drawn = {
        "forest": forest(sides.overall()),
        "hard": forest(sides.of_hard_objects()),
        "boundary": boundary_panel(sides),
        "hota": hota_over_score(scores),
        "calibration": calibration(scores),
    }
    if all(side.overall["ap"].value is not None for side in sides.samples):
        drawn |= {
            "pr": precision_recall(sides),
            "iou": ap_over_iou(sides),
            "lost": lost_ap(sides),
        }
    return {name: colored(own, methods) for name, own in drawn.items() if own is not None}


def colored(panel: Panel, methods: Sequence[str]) -> Panel:
    """The panel with the looks of the sides' methods for the series of A and B."""
    known = dict(zip(LETTERS, methods, strict=False))
    series = (replace(own, method=known.get(own.method, own.method)) for own in panel.series)
    return replace(panel, series=tuple(series))


def forest(numbers: Iterable[Numbers]) -> Panel | None:
    """Numbers with their 95 % intervals, or differences B - A, without color where there are few
    objects; None without any.
    """
    known = [(own, own.drawn) for own in numbers]
    rows = [(own, value) for own, value in known if value[0] is not None]
    if not rows:
        return None
    is_pair = rows[0][0].moved is not None
    series = [
        _forest_series(is_pair, is_few, own)
        for is_few in (False, True)
        if (own := {n: value for n, (own, value) in enumerate(rows) if own.is_few == is_few})
    ]
    texts = [_in_words(own.title, *value) for own, value in rows]
    subject = "B minus A" if is_pair else "Values"
    return Panel(
        "",
        "",
        "points, B - A; hollow where the interval holds 0" if is_pair else "points",
        tuple(series),
        categories=tuple(own.title for own, _ in rows),
        is_sideways=True,
        names="none",
        around_zero=("A better", "B better") if is_pair else None,
        alt=f"{subject} in points with 95 % intervals: {', '.join(texts)}.",
    )


def _forest_series(is_pair: bool, is_few: bool, rows: Mapping[int, Value]) -> Series:
    """Values by their row; of differences, those whose interval holds 0 are hollow."""
    hollow = [n for n, value in enumerate(rows.values()) if is_pair and holds_0(value)]
    return Series.of(
        "B - A" if is_pair else "A",
        "" if is_few else LETTERS[is_pair],
        map(float, rows),
        rows.values(),
        kind="points",
        labels=tuple(
            points(None if value is None else value / 100, signed=is_pair)
            for value, _, _ in rows.values()
        ),
        hollow_at=tuple(hollow),
    )


def _in_words(title: str, value: float | None, low: float | None, high: float | None) -> str:
    ends = "" if low is None or high is None else f" ({low:.1f} to {high:.1f})"
    return f"{title} {value:.1f}{ends}"


def hota_over_score(scores: Sequence[TrackScores]) -> Panel | None:
    """HOTA over the score from which tracks count, with the reported threshold; None where no side
    moves by more than `_LEVEL`.

    No side has one of videos without frames.
    """
    if any(np.isnan(own.hota_C).any() for own in scores):
        return None
    usual = [100 * own.hota_C[own.thresholds_C <= _HIGHEST] for own in scores]
    if all(np.ptp(hota_C) <= _LEVEL for hota_C in usual):
        return None
    curves = [
        Series(letter, letter, _floats(own.thresholds_C), _floats(100 * own.hota_C), kind="curve")
        for letter, own in zip(LETTERS, scores, strict=False)
    ]
    reported = [
        _line("reported", (threshold, threshold), (0.0, 102.0), ("", f"{threshold:g}, reported"))
        for threshold in sorted({own.threshold for own in scores})
    ]
    best = [f"{100 * hota:.1f} at {threshold:g}" for threshold, hota in (s.best for s in scores)]
    return _panel(
        "tracks with a score above",
        "HOTA",
        [*curves, *reported],
        f"HOTA by score threshold, highest {' and '.join(best)}.",
        xticks=_TENTHS,
        xlim=(0.0, 0.9),
        ylim=(0.0, 102.0),
    )


def calibration(scores: Sequence[TrackScores]) -> Panel:
    """Mean IoU of tracks over their mean score, by tenths of the score, with their number."""
    lines = []
    for letter, own in zip(LETTERS, scores, strict=False):
        score, iou, number = np.array(list(own.bins.values())).reshape(-1, 3).T
        counts = tuple(f"{n:.0f}" for n in number)
        lines.append(Series(letter, letter, _floats(score), _floats(iou), labels=counts))
    totals = [str(sum(number for *_, number in own.bins.values())) for own in scores]
    return _panel(
        "score",
        "IoU with an object of the class",
        [*lines, _line("a score that is the IoU", (0.0, 1.0), (0.0, 1.0))],
        f"Mean space-time IoU over mean score, of {' and '.join(totals)} tracks.",
        xticks=_TENTHS,
        xlim=(0.0, 1.0),
        ylim=(0.0, 1.02),
    )


def precision_recall(sides: Sides) -> Panel:
    """Precision over recall at several IoU thresholds, the mean of the categories."""
    curves = []
    for threshold in _PR_THRESHOLDS[len(sides.samples)]:
        t = threshold_place(threshold)
        for letter, side in zip(LETTERS, sides.samples, strict=False):
            mean_R = side.evaluation.precision_TRK[t].mean(1)
            name = f"{letter}, " if sides.is_pair else ""
            at, height = _floats(RECALL_LEVELS), _floats(mean_R)
            curves.append(Series(f"{name}IoU {threshold}", letter, at, height, kind="curve"))
    ap50 = [points(side.overall["ap50"].value) for side in sides.samples]
    alt = f"Precision over recall at several IoU thresholds; AP50 is {' and '.join(ap50)}."
    limits = {"xlim": (0.0, 1.0), "ylim": (0.0, 1.03)}
    return _panel("recall", "precision", curves, alt, xticks=_TENTHS, names="legend", **limits)


def ap_over_iou(sides: Sides) -> Panel:
    """AP at each IoU threshold, the mean of the categories."""
    aps = [100 * threshold_aps(side).mean(1) for side in sides.samples]
    at = _floats(IOU_THRESHOLDS)
    lines = [Series(a, a, at, _floats(ap_T)) for a, ap_T in zip(LETTERS, aps, strict=False)]
    falls = [f"from {ap_T[0]:.1f} at 0.5 to {ap_T[-1]:.1f} at 0.95" for ap_T in aps]
    alt = f"AP by IoU threshold: {'; '.join(falls)}."
    return _panel("IoU threshold", "AP", lines, alt, xticks=at, ylim=(0.0, 102.0))


def lost_ap(sides: Sides) -> Panel:
    """Points of AP that each kind of error costs."""
    bars = []
    for letter, side in zip(LETTERS, sides.samples, strict=False):
        lost = tuple(float(100 * side.errors.gains[kind] + 0.0) for kind in ERRORS)
        labels = tuple(f"{value:.1f}" for value in lost)
        places = tuple(map(float, range(len(lost))))
        bars.append(Series(letter, letter, places, lost, labels=labels, kind="bars"))
    alt = "Points of AP lost by kind of error; the numbers are in the table."
    return _panel("", "points of AP", bars, alt, categories=tuple(ERRORS), is_sideways=True)


def _panel(xlabel: str, ylabel: str, series: Sequence[Series], alt: str, **options: Any) -> Panel:
    """A panel without a title, with a legend if it has two sides."""
    is_pair = len({own.method for own in series} - {""}) == 2
    names = {"names": "legend" if is_pair else "none"}
    return Panel("", xlabel, ylabel, tuple(series), alt=alt, **{**names, **options})


def _line(
    name: str, x: tuple[float, ...], y: tuple[float, ...], labels: tuple[str, ...] = ()
) -> Series:
    return Series(name, "", x, y, labels=labels, kind="dotted")


def _floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(map(float, values))
