"""The charts of a report, as panels whose series are of its sides, A and B."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vis_bench.charts import Panel, Series
from vis_bench.charts.panels import Value
from vis_bench.metrics.analyse import Analysis
from vis_bench.metrics.compare import Comparison
from vis_bench.metrics.errors import ERRORS
from vis_bench.metrics.half_samples import interval_of
from vis_bench.metrics.matching import IOU_THRESHOLDS
from vis_bench.metrics.precision_recall import RECALL_LEVELS
from vis_bench.show.report.metrics import TITLES, hard_objects, threshold_aps
from vis_bench.show.report.scores import Scores
from vis_bench.show.report.table import LETTERS
from vis_bench.table.model import ABSENT

SIZE = 4.7, 3.1  # inches, of a chart without categories below each other
_TENTHS = tuple(round(0.1 * n, 1) for n in range(0, 11, 2))
_PR_THRESHOLDS = {1: (0.5, 0.6, 0.7, 0.8, 0.9), 2: (0.5, 0.75, 0.9)}  # by number of sides


def report_panels(
    samples: Sequence[Analysis],
    scores: Sequence[Scores],
    compared: Comparison | None,
    method: str,
) -> dict[str, Panel]:
    """The charts by name, without those of what was not measured.

    Args:
        compared: both sides, if there are two.
        method: gives its look to a single side.
    """
    hard = hard_forest(samples, compared)
    panels = {
        "forest": forest(samples),
        **({"hard": hard} if hard else {}),
        "hota": hota_over_score(scores),
        "calibration": calibration(scores),
        "pr": precision_recall(samples),
        "iou": ap_over_iou(samples),
        "lost": lost_ap(samples),
    }
    if len(samples) == 1:
        return {name: _colored(panel, method) for name, panel in panels.items()}
    return panels


def _colored(panel: Panel, method: str) -> Panel:
    series = (replace(own, method=own.method and method) for own in panel.series)
    return replace(panel, series=tuple(series))


def forest(samples: Sequence[Analysis]) -> Panel:
    """Every number with its 95 % interval: of two sides their differences, B - A."""
    return _forest(_numbers(samples), len(samples) == 2)


def hard_forest(samples: Sequence[Analysis], compared: Comparison | None) -> Panel | None:
    """The same of AP of hard objects, without color where there are few; None without any.

    Args:
        compared: both sides, if there are two.
    """
    moved = {} if compared is None else {**compared.by_level, **compared.by_area}
    numbers: dict[str, Value] = {}
    few: list[str] = []
    for own in hard_objects(samples):
        ap_S = own.sides[0]
        ends = interval_of(ap_S, samples[0].num_videos, num_holding=own.num_videos)
        value: Value = (float(ap_S[0]), *(ends or (None, None)))
        if compared is not None:
            row = moved[own.name]["ap"]
            value = row.difference, row.low, row.high
        numbers[own.title] = tuple(None if x is None else 100 * x for x in value)  # type: ignore
        few += [own.title] if own.is_few else []
    return _forest(numbers, compared is not None, few) if numbers else None


def _forest(numbers: Mapping[str, Value], is_pair: bool, few: Collection[str] = ()) -> Panel:
    known = [title for title in numbers if title not in few]
    rare = [title for title in numbers if title in few]
    groups = [(LETTERS[is_pair], known), ("", rare)]
    series = [_forest_series(own, numbers, titles, is_pair) for own, titles in groups if titles]
    texts = [_in_words(title, *value) for title, value in numbers.items()]
    subject = "B minus A" if is_pair else "Values"
    return Panel(
        "",
        "",
        "points, B - A; hollow where the interval holds 0" if is_pair else "points",
        tuple(series),
        categories=tuple(numbers),
        is_sideways=True,
        names="none",
        around_zero=("A better", "B better") if is_pair else None,
        alt=f"{subject} in points with 95 % intervals: {', '.join(texts)}.",
    )


def _forest_series(
    method: str, numbers: Mapping[str, Value], titles: Sequence[str], is_pair: bool
) -> Series:
    """The rows with these titles; of differences, those whose interval holds 0 are hollow."""
    places = {title: float(n) for n, title in enumerate(numbers)}
    values = [numbers[title] for title in titles]
    form = "{:+.1f}" if is_pair else "{:.1f}"
    return Series.of(
        "B - A" if is_pair else "A",
        method,
        [places[title] for title in titles],
        values,
        kind="points",
        labels=tuple(form.format(value) for value, _, _ in values if value is not None),
        hollow_at=tuple(n for n, ends in enumerate(values) if is_pair and _holds_0(ends)),
    )


def _holds_0(value: Value) -> bool:
    _, low, high = value
    return low is None or high is None or low <= 0 <= high


def _in_words(title: str, value: float | None, low: float | None, high: float | None) -> str:
    ends = "" if low is None or high is None else f" ({low:.1f} to {high:.1f})"
    return f"{title} {ABSENT if value is None else f'{value:.1f}'}{ends}"


def _numbers(samples: Sequence[Analysis]) -> dict[str, tuple[float, float, float]]:
    """Value, or of two sides difference, and interval of each metric that all have, in points."""
    numbers = {}
    for key in samples[0].overall:
        sides = [side.overall.get(key) for side in samples]
        known = [side for side in sides if side is not None and not np.isnan(side[0])]
        if len(known) == len(samples):
            moved_S = known[1] - known[0] if len(samples) == 2 else known[0]
            least = -1.0 if len(samples) == 2 else 0.0
            ends = interval_of(moved_S, samples[0].num_videos, least) or (moved_S[0], moved_S[0])
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


def precision_recall(samples: Sequence[Analysis]) -> Panel:
    """Precision over recall at several IoU thresholds, the mean of the categories."""
    curves = []
    for threshold in _PR_THRESHOLDS[len(samples)]:
        t = int(np.argmin(abs(IOU_THRESHOLDS - threshold)))
        for letter, side in zip(LETTERS, samples, strict=False):
            precision_TRK = side.evaluation.precision_TRK
            mean_R = precision_TRK[t][:, precision_TRK[0, 0] > -1].mean(1)
            name = f"{letter}, " if len(samples) == 2 else ""
            at, height = _floats(RECALL_LEVELS), _floats(mean_R)
            curves.append(Series(f"{name}IoU {threshold}", letter, at, height, kind="curve"))
    ap50 = [f"{100 * side.overall['ap50'][0]:.1f}" for side in samples]
    alt = f"Precision over recall at several IoU thresholds; AP50 is {' and '.join(ap50)}."
    limits = {"xlim": (0.0, 1.0), "ylim": (0.0, 1.03)}
    return _panel("recall", "precision", curves, alt, xticks=_TENTHS, names="legend", **limits)


def ap_over_iou(samples: Sequence[Analysis]) -> Panel:
    """AP at each IoU threshold, the mean of the categories."""
    aps = [100 * np.nanmean(threshold_aps(side), 1) for side in samples]
    at = _floats(IOU_THRESHOLDS)
    lines = [Series(a, a, at, _floats(ap_T)) for a, ap_T in zip(LETTERS, aps, strict=False)]
    falls = [f"from {ap_T[0]:.1f} at 0.5 to {ap_T[-1]:.1f} at 0.95" for ap_T in aps]
    alt = f"AP by IoU threshold: {'; '.join(falls)}."
    return _panel("IoU threshold", "AP", lines, alt, xticks=at, ylim=(0.0, 102.0))


def lost_ap(samples: Sequence[Analysis]) -> Panel:
    """Points of AP that each kind of error costs."""
    bars = []
    for letter, side in zip(LETTERS, samples, strict=False):
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
