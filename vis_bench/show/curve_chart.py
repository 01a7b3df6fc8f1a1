"""Cost curves as a picture and as a CSV: a panel for each metric, points named by clip length."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from vis_bench.files import write_atomically
from vis_bench.records.metrics import Metric
from vis_bench.records.names import clip_name
from vis_bench.records.schema import Record
from vis_bench.show.charts import MARKERS, add_legend, chart_style, encode_figure, label_points
from vis_bench.show.curves import PANELS, Curve, cost_curves, curves_table
from vis_bench.show.tables.to_csv import csv_text
from vis_bench.text import single_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CSV_NAME = "cost_curves.csv"
PICTURE_NAME = "cost_curves.png"
# In inches: a panel's width, its frame's left edge, width and height; above and below the frame.
_WIDTH, _LEFT, _FRAME_WIDTH, _FRAME_HEIGHT, _ABOVE, _BELOW = 5.5, 0.6, 4.7, 3.3, 0.2, 0.5
_LEGEND_LINE, _LEGEND_CHARACTERS = 0.15, 70
# Room above and right of the points, as a part of the whole.
_MARGIN = 0.15


def write_curves(records: Sequence[Record], folder: Path) -> list[Path]:
    """Write the curves as CSV and as a picture; return the two paths."""
    table, picture = folder / CSV_NAME, folder / PICTURE_NAME
    rows = curves_table(records).map(lambda cell: csv_text(cell) if isinstance(cell, str) else cell)
    write_atomically(table, rows.to_csv(index=False, lineterminator="\n").encode())
    write_atomically(picture, draw_curves(cost_curves(records)))
    return [table, picture]


def draw_curves(curves: Sequence[Curve], form: str = "png") -> bytes:
    """Draw a panel for each metric that was measured, against clip length.

    Args:
        form: "png", "svg" or "pdf".
    """
    from matplotlib.figure import Figure

    shown = [metric for metric in PANELS if any(c.values(metric)[0] for c in curves)] or PANELS[:1]
    names = [textwrap.fill(single_line(c.label), _LEGEND_CHARACTERS) for c in curves]
    legend = _LEGEND_LINE * (sum(name.count("\n") + 1 for name in names) + 1)
    width, height = _WIDTH * len(shown), _ABOVE + _FRAME_HEIGHT + _BELOW + legend
    with chart_style():
        figure = Figure(figsize=(width, height))
        for place, metric in enumerate(shown):
            left = (place * _WIDTH + _LEFT) / width
            bottom = (legend + _BELOW) / height
            frame = left, bottom, _FRAME_WIDTH / width, _FRAME_HEIGHT / height
            _draw_panel(figure.add_axes(frame), metric, curves)
        corner = _LEFT / width, legend / height
        add_legend(
            figure, figure.axes[0].lines, names, bbox_to_anchor=corner, labelspacing=0.35
        )  # fmt: skip
        return encode_figure(figure, form)


def _draw_panel(axis: Axes, metric: Metric, curves: Sequence[Curve]) -> None:
    from matplotlib.ticker import MaxNLocator

    values = [curve.values(metric) for curve in curves]
    longest = max((x for lengths, _ in values for x in lengths), default=1.0)
    highest = max((y for _, figures in values for y in figures), default=1.0) or 1.0
    axis.set(xlabel="clip length (frames)", ylabel=metric.long_title or metric.title)
    axis.set(xlim=(0, longest * (1 + _MARGIN)), ylim=(0, highest * (1 + _MARGIN)))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    for (lengths, figures), marker in zip(values, cycle(MARKERS), strict=False):
        axis.plot(lengths, figures, marker=marker, markeredgecolor="white", clip_on=False)
    names = [
        [clip_name(curve.points[length]) for length in lengths]
        for curve, (lengths, _) in zip(curves, values, strict=True)
    ]
    label_points(axis, names)
