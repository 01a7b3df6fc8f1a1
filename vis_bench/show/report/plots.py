"""Charts as inline SVG in the page's colors, light or dark.

matplotlib draws in marker colors, which become the page's CSS variables. Ids in each SVG begin with
the chart's name, so that several fit on one page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from markupsafe import Markup, escape

from vis_bench.charts import add_legend, chart_style, encode_figure
from vis_bench.metrics.analyse import Analysis
from vis_bench.metrics.errors import ERRORS
from vis_bench.metrics.half_samples import interval_of
from vis_bench.metrics.matching import IOU_THRESHOLDS
from vis_bench.metrics.precision_recall import RECALL_LEVELS
from vis_bench.show.report.costs import StageBar, stage_order
from vis_bench.show.report.metrics import TITLES, threshold_aps
from vis_bench.show.report.scores import Scores
from vis_bench.show.report.streaming import DelayCurve
from vis_bench.show.report.table import LETTERS
from vis_bench.text import single_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Marker color -> variable of the style sheet.
_INK, _LINE, _PAPER = "#010203", "#0a0b0c", "#fafbfc"
_SERIES = ("#11aa01", "#11aa02", "#11aa03", "#11aa04", "#11aa05", "#11aa06")
_VARIABLES = {
    _INK: "--ink", _LINE: "--line", _PAPER: "--paper",
    **{color: f"--series-{i}" for i, color in enumerate(_SERIES, 1)},
}  # fmt: skip
_WIDTH = 4.7  # inches
_LONGEST = 24  # characters of a name
_PAGE_STYLE = {
    "font.size": 8.5, "text.color": _INK, "axes.labelcolor": _INK,
    "axes.edgecolor": _LINE, "xtick.color": _INK, "ytick.color": _INK, "grid.color": _LINE,
    "axes.spines.top": False, "axes.spines.right": False, "grid.linewidth": 0.5, "grid.alpha": 0.6,
    "lines.linewidth": 1.5, "lines.markersize": 4, "lines.markeredgewidth": 1,
    "legend.frameon": True, "legend.loc": "best", "legend.borderaxespad": 0.5,
    "legend.fontsize": "medium", "legend.facecolor": _PAPER, "legend.edgecolor": "none",
}  # fmt: skip
_PR_THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
_PAIR_THRESHOLDS, _DASHES = (0.5, 0.75, 0.9), ("-", "--", ":")


def forest(samples: Sequence[Analysis]) -> Markup:
    """Draw every number with its 95 % interval: of two sides their differences, B - A."""
    is_pair = len(samples) == 2
    numbers: list[tuple[str, float, float, float]] = []
    for key in samples[0].overall:
        sides = [side.overall.get(key) for side in samples]
        values = [side for side in sides if side is not None and not np.isnan(side[0])]
        if len(values) == len(samples):
            moved_S = values[-1] - values[0] if is_pair else values[0]
            least = -1.0 if is_pair else 0.0
            ends = interval_of(moved_S, samples[0].num_videos, least) or (moved_S[0], moved_S[0])
            value, low, high = (100 * float(x) for x in (moved_S[0], *ends))
            numbers.append((TITLES[key], value, low, high))

    def draw(axis: Axes) -> None:
        places = np.arange(len(numbers))
        color = _SERIES[1 if is_pair else 0]
        for y, (_, value, low, high) in zip(places, numbers, strict=True):
            axis.plot([low, high], [y, y], color=color)
            is_open = is_pair and low <= 0 <= high
            axis.plot([value], [y], "o", color=color, markerfacecolor=_PAPER if is_open else color)
            axis.annotate(
                f"{value:+.1f}" if is_pair else f"{value:.1f}",
                (1.02, y),
                va="center",
                xycoords=("axes fraction", "data"),
                fontsize=8,
                annotation_clip=False,
            )
        axis.set(yticks=places, yticklabels=[title for title, *_ in numbers])
        axis.invert_yaxis()
        axis.set_xlabel("points, B - A; hollow where the interval holds 0" if is_pair else "points")
        if is_pair:
            axis.axvline(0, color=_INK, linewidth=0.8)
            for words, side, shift in (("A better ", "right", -3), (" B better", "left", 3)):
                axis.annotate(
                    words,
                    (0, 1),
                    xytext=(shift, 2),
                    textcoords="offset points",
                    ha=side,
                    xycoords=("data", "axes fraction"),
                    fontsize=8,
                    annotation_clip=False,
                )

    texts = [
        f"{title} {value:.1f} ({low:.1f} to {high:.1f})" for title, value, low, high in numbers
    ]
    alt = (
        f"{'B minus A' if is_pair else 'Values'} in points with 95 % intervals: {', '.join(texts)}."
    )
    return _svg("forest", draw, 0.8 + 0.24 * len(numbers), alt, grid="x")


def hota_over_score(scores: Sequence[Scores]) -> Markup:
    """Draw HOTA over the score from which tracks count, and mark the reported one."""

    def draw(axis: Axes) -> None:
        for i, (own, dash) in enumerate(zip(scores, _DASHES, strict=False)):
            axis.plot(own.thresholds_C, 100 * own.hota_C, dash, color=_SERIES[i], label=LETTERS[i])
        for threshold in sorted({own.threshold for own in scores}):
            axis.axvline(threshold, color=_INK, linestyle=":", linewidth=1)
            axis.annotate(
                f"{threshold:g}, reported",
                (threshold, 1),
                xytext=(4, -4),
                va="top",
                fontsize=8,
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
            )
        axis.set(xlabel="tracks with a score above", ylabel="HOTA", xlim=(0, 0.9), ylim=(0, 102))
        if len(scores) == 2:
            axis.legend(loc="lower left")

    best = [f"{100 * hota:.1f} at {threshold:g}" for threshold, hota in (s.best for s in scores)]
    return _svg("hota", draw, 3.1, f"HOTA by score threshold, highest {' and '.join(best)}.")


def calibration(scores: Sequence[Scores]) -> Markup:
    """Draw the mean IoU of tracks over their mean score, by tenths of the score."""

    def draw(axis: Axes) -> None:
        axis.plot([0, 1], [0, 1], ":", color=_INK, linewidth=1)
        for i, (own, marker) in enumerate(zip(scores, "os", strict=False)):
            score, iou, number = np.array(list(own.bins.values())).reshape(-1, 3).T
            axis.plot(score, iou, color=_SERIES[i], label=LETTERS[i], linewidth=1)
            axis.scatter(score, iou, 8 + 2 * np.sqrt(number), color=_SERIES[i], marker=marker)
        axis.set(
            xlabel="score", ylabel="IoU with an object of the class", xlim=(0, 1), ylim=(0, 1.02)
        )
        if len(scores) == 2:
            axis.legend(loc="lower right")

    counts = [str(sum(number for *_, number in own.bins.values())) for own in scores]
    alt = f"Mean space-time IoU over mean score, of {' and '.join(counts)} tracks."
    return _svg("calibration", draw, 3.1, alt)


def precision_recall(samples: Sequence[Analysis]) -> Markup:
    """Draw precision over recall at several IoU thresholds, the mean of the categories."""

    def draw(axis: Axes) -> None:
        for i, side in enumerate(samples):
            precision_TRK = side.evaluation.precision_TRK
            has_objects_K = precision_TRK[0, 0] > -1
            for threshold, color, dash in _pr_lines(i, len(samples)):
                t = int(np.argmin(abs(IOU_THRESHOLDS - threshold)))
                mean_R = precision_TRK[t][:, has_objects_K].mean(1)
                name = f"{LETTERS[i]}, " if len(samples) == 2 else ""
                axis.plot(RECALL_LEVELS, mean_R, dash, color=color, label=f"{name}IoU {threshold}")
        axis.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.03))
        order = [
            line
            for t in range(len(axis.lines) // len(samples))
            for line in axis.lines[t :: len(axis.lines) // len(samples)]
        ]
        axis.legend(
            handles=order,
            fontsize=7.5,
            ncols=5 if len(samples) == 1 else 3,
            loc="lower left",
            bbox_to_anchor=(0, 1.0),
            borderaxespad=0.2,
            columnspacing=1.2,
            handlelength=2.2,
        )

    ap50 = [f"{100 * side.overall['ap50'][0]:.1f}" for side in samples]
    alt = f"Precision over recall at several IoU thresholds; AP50 is {' and '.join(ap50)}."
    return _svg("pr", draw, 3.1, alt)


def _pr_lines(side: int, num_sides: int) -> list[tuple[float, str, str]]:
    """Return IoU threshold, color and dash of a side's lines; of two sides, each has one color."""
    if num_sides == 1:
        return [(t, color, "-") for t, color in zip(_PR_THRESHOLDS, _SERIES, strict=False)]
    return [(t, _SERIES[side], dash) for t, dash in zip(_PAIR_THRESHOLDS, _DASHES, strict=True)]


def ap_over_iou(samples: Sequence[Analysis]) -> Markup:
    """Draw AP at each IoU threshold, the mean of the categories."""

    def draw(axis: Axes) -> None:
        for side, letter, color, marker in zip(samples, LETTERS, _SERIES, "os", strict=False):
            ap_T = 100 * np.nanmean(threshold_aps(side), 1)
            axis.plot(IOU_THRESHOLDS, ap_T, marker=marker, color=color, label=letter)
        axis.set(xlabel="IoU threshold", ylabel="AP", ylim=(0, 102), xticks=IOU_THRESHOLDS)
        axis.set_xticklabels([f"{t:.2f}".lstrip("0") for t in IOU_THRESHOLDS])
        if len(samples) == 2:
            axis.legend()

    ends = [100 * np.nanmean(threshold_aps(side), 1)[[0, -1]] for side in samples]
    falls = [f"from {first:.1f} at 0.5 to {last:.1f} at 0.95" for first, last in ends]
    return _svg("iou", draw, 3.1, f"AP by IoU threshold: {'; '.join(falls)}.")


def lost_ap(samples: Sequence[Analysis]) -> Markup:
    """Draw bars of the points of AP that each kind of error costs."""

    def draw(axis: Axes) -> None:
        places, height = np.arange(len(ERRORS)), 0.8 / len(samples)
        for i, (side, letter) in enumerate(zip(samples, LETTERS, strict=False)):
            lost = [100 * side.errors.gains[kind] + 0.0 for kind in ERRORS]
            at = places + (i - (len(samples) - 1) / 2) * height
            axis.barh(at, lost, height * 0.92, color=_SERIES[i], label=letter)
            for y, value in zip(at, lost, strict=True):
                axis.annotate(
                    f"{value:.1f}",
                    (max(value, 0), y),
                    xytext=(3, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=7.5,
                )
        axis.set(xlabel="points of AP", yticks=places, yticklabels=ERRORS)
        axis.invert_yaxis()
        axis.margins(x=0.12)
        if len(samples) == 2:
            axis.legend(loc="best")

    alt = "Points of AP lost by kind of error; the numbers are in the table."
    return _svg("lost", draw, 2.3 + 0.25 * len(samples), alt, grid="x")


def stage_costs(bars: Sequence[StageBar]) -> Markup:
    """Draw milliseconds per source frame by stage, a stacked bar per timed region."""

    def draw(axis: Axes) -> None:
        stages, left = stage_order(bars), np.zeros(len(bars))
        for i, stage in enumerate(stages):
            widths = np.array([parts.get(stage, 0.0) for _, parts in bars])
            color = _SERIES[i % len(_SERIES)]
            axis.barh(range(len(bars)), widths, 0.6, left=left, color=color)
            left += widths
        axis.set(
            xlabel="ms per source frame", yticks=range(len(bars)), ylim=(-0.6, len(bars) - 0.4)
        )
        axis.set_yticklabels([_brief(name) for name, _ in bars])
        axis.invert_yaxis()
        add_legend(
            axis,
            axis.containers,
            [_brief(stage) for stage in stages],
            fontsize=7.5,
            ncols=4,
            loc="lower left",
            bbox_to_anchor=(0, 1.0),
            borderaxespad=0.2,
            handlelength=1.2,
        )

    alt = "Milliseconds per source frame by stage; the numbers are in the table."
    return _svg("stages", draw, 1.25 + 0.4 * len(bars), alt, grid="x")


def ap_over_delay(curves: Sequence[DelayCurve]) -> Markup:
    """Draw AP over the delay at which the screen is judged."""

    def draw(axis: Axes) -> None:
        for i, (name, delays, aps) in enumerate(curves):
            axis.plot(delays, aps, marker="o", color=_SERIES[i % len(_SERIES)], label=name)
        axis.set(xlabel="delay (s)", ylabel="AP")
        axis.set_ylim(bottom=0)
        axis.legend(loc="lower right")

    alt = "AP over the delay from a frame's arrival; the numbers are in the table."
    return _svg("delay", draw, 2.8, alt)


def _brief(text: str) -> str:
    """Cut a name from a record to one short line."""
    line = single_line(text)
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def _svg(
    name: str,
    draw: Callable[[Axes], None],
    height: float,
    alt: str,
    grid: Literal["both", "x", "y"] = "both",
) -> Markup:
    """Return the chart as an `svg` element that fills the width that it is given."""
    from matplotlib.figure import Figure

    style = {**_PAGE_STYLE, "svg.hashsalt": name, "axes.grid.axis": grid}
    with chart_style(style):
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        figure.patch.set_visible(False)
        axis = figure.subplots()
        axis.patch.set_visible(False)
        draw(axis)
        svg = encode_figure(figure, "svg").decode()
    head, body = svg[svg.index("<svg") :].split(">", 1)
    view = re.search(r'viewBox="([^"]+)"', head)
    assert view is not None, "matplotlib writes a viewBox"
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", body)
    for color, variable in _VARIABLES.items():
        body = body.replace(color, f"var({variable})")
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)  # it would hold for the page
    return Markup(f'<svg viewBox="{view[1]}" role="img" aria-label="{escape(alt)}">{body}')
