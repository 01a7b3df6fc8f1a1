"""The picture of cost curves: a panel for each figure, its points named by clip and stride."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING

from vis_bench.records.metrics import Metric
from vis_bench.records.names import clip_name
from vis_bench.show.chart_labels import LABEL_SIZE, Position, label_places, show_plainly
from vis_bench.show.curves import PANELS, Curve
from vis_bench.show.picture_file import picture_bytes, picture_style
from vis_bench.text import single_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# In inches: a panel's width, its frame's left edge, width and height; above and below the frame.
_WIDTH, _LEFT, _FRAME_WIDTH, _FRAME_HEIGHT, _ABOVE, _BELOW = 5.5, 0.6, 4.7, 3.3, 0.2, 0.5
_LEGEND_LINE, _LEGEND_CHARACTERS, _LEGEND_SIZE = 0.15, 70, 7
_POINTS_PER_INCH = 72
_MARKERS = "os^DvPX<>dp"
# Room above and right of the points, as a part of the whole.
_MARGIN = 0.15


def draw_curves(curves: Sequence[Curve], form: str = "png") -> bytes:
    """A panel for each figure that was measured, against clip length.

    Args:
        form: one of `picture_file.PICTURE_FORMATS`.
    """
    from matplotlib.figure import Figure

    shown = [metric for metric in PANELS if any(c.values(metric)[0] for c in curves)] or PANELS[:1]
    names = [textwrap.fill(single_line(c.label), _LEGEND_CHARACTERS) for c in curves]
    legend = _LEGEND_LINE * (sum(name.count("\n") + 1 for name in names) + 1)
    width, height = _WIDTH * len(shown), _ABOVE + _FRAME_HEIGHT + _BELOW + legend
    with picture_style():
        figure = Figure(figsize=(width, height))
        for place, metric in enumerate(shown):
            left = (place * _WIDTH + _LEFT) / width
            bottom = (legend + _BELOW) / height
            frame = left, bottom, _FRAME_WIDTH / width, _FRAME_HEIGHT / height
            _draw_panel(figure.add_axes(frame), metric, curves)
        _add_legend(figure, names, _LEFT / width, legend / height)
        return picture_bytes(figure, form)


def _draw_panel(axis: Axes, metric: Metric, curves: Sequence[Curve]) -> None:
    from matplotlib.ticker import MaxNLocator

    values = [curve.values(metric) for curve in curves]
    longest = max((x for lengths, _ in values for x in lengths), default=1.0)
    highest = max((y for _, figures in values for y in figures), default=1.0) or 1.0
    limits = longest * (1 + _MARGIN), highest * (1 + _MARGIN)
    axis.set(xlabel="clip length (frames)", ylabel=metric.long_title or metric.title)
    axis.set(xlim=(0, limits[0]), ylim=(0, limits[1]))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.grid(alpha=0.25, linewidth=0.6)
    axis.set_axisbelow(True)
    for (lengths, figures), marker in zip(values, cycle(_MARKERS), strict=False):
        axis.plot(
            lengths, figures, marker=marker, linewidth=0.9, markersize=5.5, clip_on=False,
            markeredgecolor="white", markeredgewidth=0.3,
        )  # fmt: skip
    _label(axis, metric, curves, limits)


def _label(axis: Axes, metric: Metric, curves: Sequence[Curve], limits: Position) -> None:
    """Writes clip length and stride beside each point where there is room for it."""
    size = _FRAME_WIDTH * _POINTS_PER_INCH, _FRAME_HEIGHT * _POINTS_PER_INCH
    points = [list(zip(*curve.values(metric), strict=True)) for curve in curves]
    names = [
        [clip_name(curve.points[length]) for length, _ in own]
        for curve, own in zip(curves, points, strict=True)
    ]
    at = [[(x / limits[0] * size[0], y / limits[1] * size[1]) for x, y in own] for own in points]
    for line, own, texts, places in zip(
        axis.lines, points, names, label_places(at, names, size), strict=True
    ):
        for point, text, place in zip(own, texts, places, strict=True):
            if place is not None:
                axis.annotate(
                    text, point, xytext=place, textcoords="offset points", size=LABEL_SIZE,
                    ha="center", va="center", color=line.get_color(),
                )  # fmt: skip


def _add_legend(figure: Figure, names: Sequence[str], left: float, top: float) -> None:
    """A legend below the panels. Names are set late: a leading underscore hides an entry."""
    if not names:
        return
    legend = figure.legend(
        figure.axes[0].lines, list(map(str, range(len(names)))), fontsize=_LEGEND_SIZE,
        loc="upper left", bbox_to_anchor=(left, top), borderaxespad=0, frameon=False,
        labelspacing=0.35,
    )  # fmt: skip
    for text, name in zip(legend.get_texts(), names, strict=True):
        show_plainly(text, name)
