"""Charts as inline SVG that takes the page's colors, light or dark.

matplotlib draws in marker colors, which become the page's CSS variables; texts stay texts. The ids
in each SVG begin with the chart's name, so that several can stand on one page.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from markupsafe import Markup, escape

from vis_bench.metrics.analyse import Analysis
from vis_bench.metrics.error_breakdown import ERRORS
from vis_bench.metrics.matching import IOU_THRESHOLDS
from vis_bench.metrics.precision_recall import RECALL_LEVELS
from vis_bench.show.figures.missing_letters import boxes_for_missing_letters
from vis_bench.show.report.costs import StageBar, stage_order
from vis_bench.show.report.metrics import threshold_aps
from vis_bench.show.report.subjects import LETTERS
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
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "font.size": 8.5, "text.color": _INK, "axes.labelcolor": _INK,
    "axes.edgecolor": _LINE, "xtick.color": _INK, "ytick.color": _INK, "grid.color": _LINE,
    "font.family": "sans-serif", "axes.spines.top": False, "axes.spines.right": False,
    "legend.facecolor": _PAPER, "legend.edgecolor": "none",
    "text.parse_math": False,
}  # fmt: skip
_PR_THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
_PAIR_THRESHOLDS, _DASHES = (0.5, 0.75, 0.9), ("-", "--", ":")


def precision_recall(samples: Sequence[Analysis]) -> Markup:
    """Precision over recall at several IoU thresholds, the mean of the categories."""

    def draw(axis: Axes) -> None:
        for i, side in enumerate(samples):
            precision_TRK = side.evaluation.curves.precision_TRKAM[..., 0, -1]
            has_objects_K = precision_TRK[0, 0] > -1
            for threshold, color, dash in _pr_lines(i, len(samples)):
                t = int(np.argmin(abs(IOU_THRESHOLDS - threshold)))
                mean_R = precision_TRK[t][:, has_objects_K].mean(1)
                name = f"{LETTERS[i]}, " if len(samples) == 2 else ""
                axis.plot(RECALL_LEVELS, mean_R, dash, color=color, label=f"{name}IoU {threshold}")
        axis.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1))
        order = [
            line for t in range(len(axis.lines) // len(samples))
            for line in axis.lines[t :: len(axis.lines) // len(samples)]
        ]  # fmt: skip
        axis.legend(
            handles=order, fontsize=7.5, ncols=5 if len(samples) == 1 else 3, loc="lower left",
            bbox_to_anchor=(0, 1.0), borderaxespad=0.2, columnspacing=1.2, handlelength=2.2,
        )  # fmt: skip

    ap50 = [f"{100 * side.overall['ap50'][0]:.1f}" for side in samples]
    alt = f"Precision over recall at several IoU thresholds; AP50 is {' and '.join(ap50)}."
    return _svg("pr", draw, 3.1, alt)


def _pr_lines(side: int, num_sides: int) -> list[tuple[float, str, str]]:
    """IoU threshold, color and dash of a subject's lines; of two, the color is the subject's."""
    if num_sides == 1:
        return [(t, color, "-") for t, color in zip(_PR_THRESHOLDS, _SERIES, strict=False)]
    return [(t, _SERIES[side], dash) for t, dash in zip(_PAIR_THRESHOLDS, _DASHES, strict=True)]


def ap_over_iou(samples: Sequence[Analysis]) -> Markup:
    """AP at each IoU threshold, the mean of the categories."""

    def draw(axis: Axes) -> None:
        for side, letter, color, marker in zip(samples, LETTERS, _SERIES, "os", strict=False):
            ap_T = 100 * np.nanmean(threshold_aps(side), 1)
            axis.plot(IOU_THRESHOLDS, ap_T, marker=marker, markersize=4, color=color, label=letter)
        axis.set(xlabel="IoU threshold", ylabel="AP", ylim=(0, 102), xticks=IOU_THRESHOLDS)
        axis.set_xticklabels([f"{t:.2f}".lstrip("0") for t in IOU_THRESHOLDS])
        if len(samples) == 2:
            axis.legend()

    ends = [100 * np.nanmean(threshold_aps(side), 1)[[0, -1]] for side in samples]
    falls = [f"from {first:.1f} at 0.5 to {last:.1f} at 0.95" for first, last in ends]
    return _svg("iou", draw, 3.1, f"AP by IoU threshold: {'; '.join(falls)}.")


def lost_ap(samples: Sequence[Analysis]) -> Markup:
    """Bars of the points of AP that each kind of error costs."""

    def draw(axis: Axes) -> None:
        places, height = np.arange(len(ERRORS)), 0.8 / len(samples)
        for i, (side, letter) in enumerate(zip(samples, LETTERS, strict=False)):
            lost = [100 * side.errors.gains[kind] + 0.0 for kind in ERRORS]
            at = places + (i - (len(samples) - 1) / 2) * height
            axis.barh(at, lost, height * 0.92, color=_SERIES[i], label=letter)
            for y, value in zip(at, lost, strict=True):
                axis.annotate(
                    f"{value:.1f}", (max(value, 0), y), xytext=(3, 0), textcoords="offset points",
                    va="center", fontsize=7.5,
                )  # fmt: skip
        axis.set(xlabel="points of AP", yticks=places, yticklabels=ERRORS)
        axis.invert_yaxis()
        axis.margins(x=0.12)
        if len(samples) == 2:
            axis.legend(loc="best")

    alt = "Points of AP lost by kind of error; the numbers are in the table."
    return _svg("lost", draw, 2.3 + 0.25 * len(samples), alt, grid="x")


def stage_costs(bars: Sequence[StageBar]) -> Markup:
    """Milliseconds per source frame by stage, a stacked bar per timed region."""

    def draw(axis: Axes) -> None:
        left = np.zeros(len(bars))
        for i, stage in enumerate(stage_order(bars)):
            widths = np.array([parts.get(stage, 0.0) for _, parts in bars])
            color = _SERIES[i % len(_SERIES)]
            axis.barh(range(len(bars)), widths, 0.6, left=left, color=color)
            left += widths
        axis.set(
            xlabel="ms per source frame", yticks=range(len(bars)), ylim=(-0.6, len(bars) - 0.4)
        )
        axis.set_yticklabels([_brief(name) for name, _ in bars])
        axis.invert_yaxis()
        stages = stage_order(bars)
        # Names are set late, since a leading underscore hides an entry.
        legend = axis.legend(
            axis.containers, map(str, range(len(stages))), fontsize=7.5, ncols=4,
            loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2, handlelength=1.2,
        )  # fmt: skip
        for text, stage in zip(legend.get_texts(), stages, strict=True):
            text.set_text(_brief(stage))

    alt = "Milliseconds per source frame by stage; the numbers are in the table."
    return _svg("stages", draw, 1.25 + 0.4 * len(bars), alt, grid="x")


def _brief(text: str) -> str:
    """A name from a record, on one line and no longer than a chart has room for."""
    line = single_line(text)
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def _svg(
    name: str,
    draw: Callable[[Axes], None],
    height: float,
    alt: str,
    grid: Literal["both", "x", "y"] = "both",
) -> Markup:
    """The chart as an `svg` element that fills the width that it is given."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}), boxes_for_missing_letters():
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        figure.patch.set_visible(False)
        axis = figure.subplots()
        axis.patch.set_visible(False)
        axis.grid(axis=grid, linewidth=0.5, alpha=0.6)
        axis.set_axisbelow(True)
        draw(axis)
        out = io.StringIO()
        FigureCanvasSVG(figure).print_svg(out, metadata=dict.fromkeys(_METADATA))
    return Markup(_for_page(out.getvalue(), name, alt))


_METADATA = ("Date", "Creator", "Format", "Type")


def _for_page(svg: str, name: str, alt: str) -> str:
    svg = svg[svg.index("<svg") :]
    head, body = svg.split(">", 1)
    view = re.search(r'viewBox="([^"]+)"', head)
    assert view is not None, "matplotlib writes a viewBox"
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", body)
    for color, variable in _VARIABLES.items():
        body = body.replace(color, f"var({variable})")
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)  # it would hold for the page
    return f'<svg viewBox="{view[1]}" role="img" aria-label="{escape(alt)}">{body}'
