"""The picture beside the leaderboard: AP against FPS, one panel per data set and device.

The SVG names the checksum of what it shows, so that a stale picture is found by its data and not
by the version of the library that drew it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from typing import TYPE_CHECKING

from vis_bench.charts import MARKERS, add_legend, chart_style, encode_figure, label_points
from vis_bench.record.names import backbone_title, clip_name, is_ranked
from vis_bench.record.schema import Record
from vis_bench.show.leaderboard import IN_TITLE, leaderboard_sections
from vis_bench.show.papers.fps import published_speeds
from vis_bench.table.labels import CLIP, cell_names
from vis_bench.table.number_format import USUAL_REGION
from vis_bench.text import single_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DIGEST = re.compile(r"data sha256 ([0-9a-f]{64})")
# In inches: the whole width; the frame's left edge, width and height; above and below the frame.
_WIDTH, _LEFT, _FRAME_WIDTH, _FRAME_HEIGHT, _ABOVE, _BELOW = 7.4, 0.5, 4.6, 3.3, 0.45, 0.5
_LEGEND_LINE, _LEGEND_CHARACTERS, _TITLE_CHARACTERS = 0.145, 34, 66
# Fields that a panel's title, a point's label and the end of a curve's name show.
_ELSEWHERE = (*CLIP, *IN_TITLE, "device", "backbone", "resolution")
_EXTREME = 700.0  # logarithms beyond it are not those of a positive float


@dataclass(frozen=True)
class Point:
    """One measurement: AP in points, source frames per second.

    Points of one method and variant are one curve; `clip` is its place on the curve.
    """

    method: str
    variant: str
    clip: str
    fps: float
    ap: float

    @property
    def curve(self) -> str:
        """Legend entry of the point's curve."""
        return single_line(", ".join(part for part in (self.method, self.variant) if part))


@dataclass(frozen=True)
class Panel:
    """Points that can be compared: the same videos, device and timed region.

    `named_points`: a name stands at each point, in place of curves with a legend.
    """

    title: str
    points: tuple[Point, ...]
    named_points: bool = False


def speed_panels(records: Sequence[Record]) -> list[Panel]:
    """Return the ranked records by data set, split and device, then the published values.

    A record without AP or FPS has no point. Points of a curve go from short clips to long ones.
    """
    panels = []
    for title, rows in leaderboard_sections(records):
        shown = sorted((r for r in rows if is_ranked(r) and r.fps), key=_clip_order)
        names = cell_names(shown, leave_out=_ELSEWHERE)
        subjects = dict(zip(map(id, shown), names, strict=True))
        for device, region in sorted(set(map(_timed, shown))):
            own = [r for r in shown if _timed(r) == (device, region)]
            points = (
                Point(subjects[id(r)], _variant(r, own), _clip(r, own), r.fps, 100 * r.ap)
                for r in own
                if r.fps is not None and r.ap is not None
            )
            words = [title, device] + ([] if region == USUAL_REGION else [f"region {region}"])
            panels.append(Panel(", ".join(words), tuple(points)))
    published = tuple(
        Point(method, variant, f"{method} {variant}", fps, ap)
        for method, variant, fps, ap in published_speeds()
    )
    title = "YouTube-VIS 2019 val, published, hardware differs"
    return [*panels, Panel(title, published, named_points=True)]


def _timed(record: Record) -> tuple[str, str]:
    """Device and region, which FPS of one panel share."""
    return record.device or "unknown device", record.timed_region or USUAL_REGION


def data_digest(panels: Sequence[Panel]) -> str:
    """SHA-256 of the data in the picture."""
    content = json.dumps([asdict(panel) for panel in panels], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def digest_of_svg(svg: str) -> str | None:
    """Checksum of the data in a picture of `speed_picture`; None where it names none."""
    found = _DIGEST.search(svg)
    return found.group(1) if found else None


def speed_picture(panels: Sequence[Panel], form: str) -> bytes:
    """Draw AP against FPS, panels below each other, as "png", "svg" or "pdf"."""
    from matplotlib.figure import Figure

    methods = list(dict.fromkeys(point.method for panel in panels for point in panel.points))
    heights = [_frame_height(panel) for panel in panels]
    height = sum(heights) + len(panels) * (_ABOVE + _BELOW)
    with chart_style():
        figure = Figure(figsize=(_WIDTH, height))
        top = height
        for panel, inches in zip(panels, heights, strict=True):
            bottom = top - _ABOVE - inches
            frame = _LEFT / _WIDTH, bottom / height, _FRAME_WIDTH / _WIDTH, inches / height
            _draw(figure.add_axes(frame), panel, methods)
            top = bottom - _BELOW
        return encode_figure(figure, form, f"data sha256 {data_digest(panels)}")


def _clip_order(record: Record) -> tuple:
    """Short clips first, whole videos last."""
    length = record.clip_length
    return length == "whole", length if isinstance(length, int) else 0, record.clip_stride or 0


def _variant(record: Record, others: Sequence[Record]) -> str:
    """The backbone, with the resolution where cells differ in it."""
    alike = [o for o in others if (o.method, o.backbone) == (record.method, record.backbone)]
    parts = [backbone_title(record.backbone)]
    parts += [str(record.resolution)] if len({o.resolution for o in alike}) > 1 else []
    return ", ".join(filter(None, parts))


def _clip(record: Record, others: Sequence[Record]) -> str:
    """The clip length, with the stride where cells of the same method and length differ in it."""
    if record.clip_length is None:
        return ""
    subject = record.method, record.backbone, record.clip_length
    alike = [o for o in others if (o.method, o.backbone, o.clip_length) == subject]
    strides = {other.clip_stride for other in alike}
    return clip_name(record) if len(strides) > 1 else f"T={record.clip_length}"


def _draw(axis: Axes, panel: Panel, methods: Sequence[str]) -> None:
    """One panel: a color per method, a marker and a line per curve, clip lengths beside points."""
    from matplotlib.ticker import LogLocator, NullLocator

    fps_limits, ap_limits = _limits(panel.points)
    axis.set(xlabel="FPS (log scale)", ylabel="AP", xscale="log", xlim=fps_limits, ylim=ap_limits)
    axis.set_title("\n".join(textwrap.wrap(single_line(panel.title), _TITLE_CHARACTERS)))
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter("{x:g}")
    curves: dict[str, list[Point]] = {}
    for point in panel.points:
        curves.setdefault(point.curve, []).append(point)
    for points, marker in zip(curves.values(), cycle(MARKERS), strict=False):
        method = methods.index(points[0].method)
        axis.plot(
            [p.fps for p in points], [p.ap for p in points],
            marker=MARKERS[method % len(MARKERS)] if panel.named_points else marker,
            color=f"C{method}", markeredgecolor="white",
            linestyle="none" if panel.named_points else "-",
        )  # fmt: skip
    label_points(axis, [[single_line(p.clip) for p in points] for points in curves.values()])
    if panel.named_points:
        return
    names = ["\n".join(textwrap.wrap(name, _LEGEND_CHARACTERS)) for name in curves]
    add_legend(axis, axis.lines, names, bbox_to_anchor=(1.01, 1.01), labelspacing=0.45)


def _limits(points: Sequence[Point]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Limits of FPS and AP with room for labels; at least a factor of 2 and 4 AP."""
    logs = [math.log(point.fps) for point in points] or [0.0]
    aps = [point.ap for point in points] or [50.0]
    low, high = _widened(min(logs), max(logs), math.log(2))
    ap_low, ap_high = _widened(min(aps), max(aps), 4.0)
    ap_low = max(-0.05 * ap_high, ap_low)  # no AP is below 0, but a marker at 0 is whole
    return (math.exp(max(low, -_EXTREME)), math.exp(min(high, _EXTREME))), (ap_low, ap_high)


def _widened(low: float, high: float, least: float) -> tuple[float, float]:
    """Limits that leave a tenth free on both sides, and span at least `least`."""
    middle, span = (low + high) / 2, max(high - low, least)
    return middle - 0.6 * span, middle + 0.6 * span


def _frame_height(panel: Panel) -> float:
    """The frame's height in inches, larger where the legend needs it."""
    if panel.named_points:
        return _FRAME_HEIGHT
    lines = sum(
        len(textwrap.wrap(name, _LEGEND_CHARACTERS)) + 0.25
        for name in {point.curve for point in panel.points}
    )
    return max(_FRAME_HEIGHT, lines * _LEGEND_LINE)
