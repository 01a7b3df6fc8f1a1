"""The charts of a report, as panels whose series are of its sides, A and B."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vis_bench.charts import Panel, Series
from vis_bench.charts.panels import Value
from vis_bench.metrics.errors import ERRORS
from vis_bench.metrics.half_samples import interval_of
from vis_bench.metrics.matching import IOU_THRESHOLDS, threshold_place
from vis_bench.metrics.precision_recall import RECALL_LEVELS
from vis_bench.show.compare import TITLES
from vis_bench.show.report.boundary import boundary_panel
from vis_bench.show.report.metrics import hard_objects, threshold_aps
from vis_bench.show.report.scores import Scores
from vis_bench.show.report.sides import LETTERS, Sides
from vis_bench.table.model import ABSENT

SIZE = 4.7, 3.1  # inches, of a chart without categories below each other
_UNKNOWN = np.array([np.nan])
_TENTHS = tuple(round(0.1 * n, 1) for n in range(0, 11, 2))
_PR_THRESHOLDS = {1: (0.5, 0.6, 0.7, 0.8, 0.9), 2: (0.5, 0.75, 0.9)}  # by number of sides


def report_panels(sides: Sides, scores: Sequence[Scores], method: str) -> dict[str, Panel]:
    """The charts by name, without those of what was not measured.

    Args:
        method: gives its look to a single side.
    """
    hard, boundary = hard_forest(sides), boundary_panel(sides)
    panels = {
        "forest": forest(sides),
        **({"hard": hard} if hard else {}),
        **({"boundary": boundary} if boundary else {}),
        "hota": hota_over_score(scores),
        "calibration": calibration(scores),
        "pr": precision_recall(sides),
        "iou": ap_over_iou(sides),
        "lost": lost_ap(sides),
    }
    if sides.is_pair:
        return panels
    return {name: _colored(panel, method) for name, panel in panels.items()}


def _colored(panel: Panel, method: str) -> Panel:
    series = (replace(own, method=own.method and method) for own in panel.series)
    return replace(panel, series=tuple(series))


def forest(sides: Sides) -> Panel:
    """Every number with its 95 % interval: of two sides their differences, B - A."""
    return _forest(_numbers(sides), sides.is_pair)


def hard_forest(sides: Sides) -> Panel | None:
    """The same of AP of hard objects, without color where there are few; None without any."""
    numbers: dict[str, Value] = {}
    few: set[str] = set()
    for own in hard_objects(sides):
        if own.moved is not None:
            value: Value = own.moved.difference, own.moved.low, own.moved.high
        else:
            ends = interval_of(own.values[0], sides.num_videos, num_holding=own.num_videos)
            value = float(own.values[0][0]), *(ends or (None, None))
        numbers[own.title] = tuple(None if x is None else 100 * x for x in value)  # type: ignore
        if own.is_few:
            few.add(own.title)
    return _forest(numbers, sides.is_pair, few) if numbers else None


@dataclass(frozen=True)
class _Words:
    """What a forest of one side, or of a difference, has beside its values."""

    method: str
    name: str
    subject: str
    unit: str
    number: str
    around_zero: tuple[str, str] | None = None


_VALUES = _Words("A", "A", "Values", "points", "{:.1f}")
_DIFFERENCES = _Words(
    "B",
    "B - A",
    "B minus A",
    "points, B - A; hollow where the interval holds 0",
    "{:+.1f}",
    ("A better", "B better"),
)


def _forest(numbers: Mapping[str, Value], is_pair: bool, few: Collection[str] = ()) -> Panel:
    words = _DIFFERENCES if is_pair else _VALUES
    rows = [(float(n), title in few, value) for n, (title, value) in enumerate(numbers.items())]
    series = [
        _forest_series(words, "" if is_rare else words.method, own)
        for is_rare in (False, True)
        if (own := {place: value for place, rare, value in rows if rare == is_rare})
    ]
    texts = [_in_words(title, *value) for title, value in numbers.items()]
    return Panel(
        "",
        "",
        words.unit,
        tuple(series),
        categories=tuple(numbers),
        is_sideways=True,
        names="none",
        around_zero=words.around_zero,
        alt=f"{words.subject} in points with 95 % intervals: {', '.join(texts)}.",
    )


def _forest_series(words: _Words, method: str, rows: Mapping[float, Value]) -> Series:
    """Values by their row; of differences, those whose interval holds 0 are hollow."""
    values = list(rows.values())
    known = [value for value, _, _ in values if value is not None]
    hollow = [n for n, value in enumerate(values) if words.around_zero and _holds_0(value)]
    return Series.of(
        words.name,
        method,
        [*rows],
        values,
        kind="points",
        labels=tuple(map(words.number.format, known)),
        hollow_at=tuple(hollow),
    )


def _holds_0(value: Value) -> bool:
    _, low, high = value
    return low is None or high is None or low <= 0 <= high


def _in_words(title: str, value: float | None, low: float | None, high: float | None) -> str:
    ends = "" if low is None or high is None else f" ({low:.1f} to {high:.1f})"
    return f"{title} {ABSENT if value is None else f'{value:.1f}'}{ends}"


def _numbers(sides: Sides) -> dict[str, Value]:
    """Value, or of two sides difference, and interval of each metric that all have, in points."""
    numbers: dict[str, Value] = {}
    for key in sides.samples[0].overall:
        values = [own.overall.get(key, _UNKNOWN) for own in sides.samples]
        moved_S, least = (values[1] - values[0], -1.0) if sides.is_pair else (values[0], 0.0)
        if not np.isnan(moved_S[0]):
            ends = interval_of(moved_S, sides.num_videos, least) or (moved_S[0], moved_S[0])
            value, low, high = (100 * float(x) for x in (moved_S[0], *ends))
            numbers[TITLES[key]] = value, low, high
    return numbers


def hota_over_score(scores: Sequence[Scores]) -> Panel:
    """HOTA over the score from which tracks count, with the reported threshold."""
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


def calibration(scores: Sequence[Scores]) -> Panel:
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
    ap50 = [f"{100 * side.overall['ap50'][0]:.1f}" for side in sides.samples]
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
    """A panel without a title, with a legend where it has two sides."""
    is_pair = len({own.method for own in series} - {""}) == 2
    names = {"names": "legend" if is_pair else "none"}
    return Panel("", xlabel, ylabel, tuple(series), alt=alt, **{**names, **options})


def _line(
    name: str, x: tuple[float, ...], y: tuple[float, ...], labels: tuple[str, ...] = ()
) -> Series:
    return Series(name, "", x, y, labels=labels, kind="dotted")


def _floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(map(float, values))
