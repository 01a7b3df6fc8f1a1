"""The README's chart: AP by clip length with intervals, beside published AP against FPS."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vis_bench.charts import PALETTE, chart_style, encode_figure, label_points
from vis_bench.record.schema import Record
from vis_bench.show.papers.fps import published_speeds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WHOLE = "whole"
# Ink, other methods, and the colors, as in the report, of those with measured values.
LIGHT = "#24292f", "#57606a", dict(zip(("seqformer", "ifc", "ms_sts"), PALETTE, strict=False))
DARK = "#d1d7de", "#8c96a1", {"seqformer": "#5aaef0", "ifc": "#f0954a", "ms_sts": "#3fc69c"}
TITLES = {"seqformer": "SeqFormer", "ifc": "IFC", "ms_sts": "MS-STS*"}
_LABEL_GAP = 2.2  # AP between two names, so that they do not overlap
MARKERS = {"seqformer": "o", "ifc": "s", "ms_sts": "^"}


def front_digest(records: Sequence[Record]) -> str:
    """SHA-256 of the data in the chart."""
    rows = [(r.method, r.clip_length, r.num_videos, r.ap, r.ap_low, r.ap_high) for r in records]
    content = json.dumps([sorted(rows, key=str), published_speeds()])
    return hashlib.sha256(content.encode()).hexdigest()


def front_chart(records: Sequence[Record], *, dark: bool) -> bytes:
    """Draw the chart as an SVG on a transparent ground.

    Args:
        records: the bundled models' on the synthetic videos, a record per method and clip length.
    """
    from matplotlib.figure import Figure

    ink, gray, colors = DARK if dark else LIGHT
    style = {
        "text.color": ink, "axes.labelcolor": ink, "xtick.color": ink, "ytick.color": ink,
        "axes.edgecolor": gray, "axes.titlesize": 9, "axes.titlelocation": "left",
        "axes.spines.top": False, "axes.spines.right": False, "savefig.transparent": True,
    }  # fmt: skip
    with chart_style(style):
        figure = Figure(figsize=(8.6, 3.6))
        figure.patch.set_visible(False)
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
        for axis in (left, right):
            axis.patch.set_visible(False)
        by_clip_length(left, records, colors)
        _published(right, colors, gray)
        figure.tight_layout(w_pad=2)
        return encode_figure(figure, "svg", f"data sha256 {front_digest(records)}")


def by_clip_length(axis: Axes, records: Sequence[Record], colors: dict[str, str]) -> None:
    """Draw AP of each method over its clip lengths, with intervals, in points."""
    lengths = sorted({r.clip_length for r in records if isinstance(r.clip_length, int)})
    places = {length: place for place, length in enumerate([*lengths, WHOLE])}
    ends: list[tuple[float, str]] = []
    for shift, (method, color) in zip((-0.08, 0.0, 0.08), colors.items(), strict=True):
        rows = [
            (places[r.clip_length], r.ap, *_ends(r, r.ap))
            for r in records
            if r.method == method and r.clip_length in places and r.ap is not None
        ]
        if not rows:
            continue
        x, *values = map(np.array, zip(*sorted(rows), strict=True))
        y, low, high = (100 * value for value in values)
        bars = y - low, high - y
        axis.errorbar(x + shift, y, bars, color=color, marker=MARKERS[method], elinewidth=0.7)
        ends.append((float(y[-1]), method))
    height = -np.inf
    for ap, method in sorted(ends):
        height = max(ap, height + _LABEL_GAP)
        place = len(lengths) + 0.2, height
        axis.annotate(TITLES[method], place, color=colors[method], fontsize=9, va="center")
    axis.set_xticks(range(len(places)), [str(length) for length in places])
    axis.set_xlim(-0.3, len(places) + 0.2)
    axis.set(xlabel="frames in a clip", ylabel="AP")
    videos = max((row.num_videos or 0 for row in records), default=0)
    axis.set_title(
        f"AP by clip length, {videos} synthetic videos\n(mini models; bars: 95 %; * reconstruction)"
    )


def _ends(record: Record, ap: float) -> tuple[float, float]:
    """The interval's ends; AP itself, a bar of no height, where the record has none."""
    low, high = record.ap_low, record.ap_high
    return (ap, ap) if low is None or high is None else (low, high)


def _published(axis: Axes, colors: dict[str, str], gray: str) -> None:
    from matplotlib.ticker import NullLocator

    by_title = {title.rstrip("*"): method for method, title in TITLES.items()}
    speeds = published_speeds()
    for name, _, fps, ap in speeds:
        method = by_title.get(name)
        color, marker = (colors[method], MARKERS[method]) if method else (gray, "D")
        axis.plot([fps], [ap], color=color, marker=marker, linestyle="none")
    axis.set(xscale="log", xlim=(2.2, 230), xlabel="FPS as published (hardware differs)")
    axis.set_xticks([3, 10, 30, 100], minor=False)
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_title("Published AP, YouTube-VIS 2019 val\n(not measured here)")
    label_points(axis, [[f"{name} {variant}"] for name, variant, _, _ in speeds])
