"""The picture beside the leaderboard: AP against FPS, one panel per data set and device.

The SVG names the checksum of what it shows, so that a stale picture is found by its data and not
by the version of the library that drew it.
"""

from __future__ import annotations

import hashlib
import json
import re
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from typing import TYPE_CHECKING

from vis_bench.records.names import clip_name, marked_labels
from vis_bench.records.ranking import is_ranked
from vis_bench.records.schema import Record
from vis_bench.show.chart_labels import LABEL_SIZE, Layout, label_places, show_plainly
from vis_bench.show.leaderboard import leaderboard_sections
from vis_bench.show.picture_file import picture_bytes, picture_style
from vis_bench.show.published import published_speeds
from vis_bench.text import single_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DIGEST = re.compile(r"data sha256 ([0-9a-f]{64})")
# In inches: the whole width; the frame's left edge, width and height; above and below the frame.
_WIDTH, _LEFT, _FRAME_WIDTH, _FRAME_HEIGHT, _ABOVE, _BELOW = 7.4, 0.5, 4.6, 3.3, 0.45, 0.5
_LEGEND_SIZE, _LEGEND_LINE = 7, 0.145  # points; inches
_LEGEND_CHARACTERS, _TITLE_CHARACTERS = 34, 66
_MARKERS = "os^DvPX<>dp"
_POINTS_PER_INCH = 72


@dataclass(frozen=True)
class Point:
    """One measurement: AP in points, source frames per second.

    Points of one method and variant are one curve; `clip` says where on it a point lies.
    """

    method: str
    variant: str
    clip: str
    fps: float
    ap: float

    @property
    def curve(self) -> str:
        """What the legend calls the point's curve."""
        return single_line(f"{self.method}, {self.variant}")


@dataclass(frozen=True)
class Panel:
    """Points that may be compared: the same videos, the same device."""

    title: str
    points: tuple[Point, ...]


def speed_panels(records: Sequence[Record]) -> list[Panel]:
    """The ranked records by data set, split and device, then the published figures.

    A record without AP or FPS has no point. Points of a curve go from short clips to long ones.
    """
    panels = []
    for title, rows in leaderboard_sections(records):
        shown = sorted((r for r in rows if is_ranked(r) and r.fps), key=_clip_order)
        subjects = dict(zip(map(id, shown), marked_labels(shown), strict=True))
        for device in sorted({r.device or "unknown device" for r in shown}):
            own = [r for r in shown if (r.device or "unknown device") == device]
            points = (
                Point(subjects[id(r)], _variant(r, own), _clip(r, own), r.fps, 100 * r.ap)
                for r in own
                if r.fps is not None and r.ap is not None
            )
            panels.append(Panel(f"{title}, {device}", tuple(points)))
    published = tuple(Point(*row) for row in published_speeds())
    return [*panels, Panel("YouTube-VIS 2019 val, published, hardware differs", published)]


def data_digest(panels: Sequence[Panel]) -> str:
    """SHA-256 of what the picture shows."""
    content = json.dumps([asdict(panel) for panel in panels], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def digest_of_svg(svg: str) -> str | None:
    """The checksum of the data that a picture of `speed_svg` shows; None where it names none."""
    found = _DIGEST.search(svg)
    return found.group(1) if found else None


def speed_svg(panels: Sequence[Panel]) -> str:
    """AP against FPS, panels below each other; the same bytes from the same library version."""
    return speed_picture(panels, "svg").decode()


def speed_picture(panels: Sequence[Panel], form: str) -> bytes:
    """The same in one of `picture_file.PICTURE_FORMATS`."""
    from matplotlib.figure import Figure

    heights = [_frame_height(panel) for panel in panels]
    height = sum(heights) + len(panels) * (_ABOVE + _BELOW)
    with picture_style():
        figure = Figure(figsize=(_WIDTH, height))
        top = height
        for panel, inches in zip(panels, heights, strict=True):
            bottom = top - _ABOVE - inches
            frame = _LEFT / _WIDTH, bottom / height, _FRAME_WIDTH / _WIDTH, inches / height
            _draw(figure.add_axes(frame), panel, inches)
            top = bottom - _BELOW
        return picture_bytes(figure, form, f"data sha256 {data_digest(panels)}")


def _clip_order(record: Record) -> tuple:
    """Short clips first, whole videos last."""
    length = record.clip_length
    return length == "whole", length if isinstance(length, int) else 0, record.clip_stride or 0


def _variant(record: Record, others: Sequence[Record]) -> str:
    """The backbone, with the resolution where cells differ in it."""
    alike = [o for o in others if (o.method, o.backbone) == (record.method, record.backbone)]
    parts = [record.backbone or "unknown backbone"]
    parts += [str(record.resolution)] if len({o.resolution for o in alike}) > 1 else []
    return ", ".join(parts)


def _clip(record: Record, others: Sequence[Record]) -> str:
    """The clip length, with the stride where cells of the same method and length differ in it."""
    if record.clip_length is None:
        return ""
    subject = record.method, record.backbone, record.clip_length
    alike = [o for o in others if (o.method, o.backbone, o.clip_length) == subject]
    strides = {other.clip_stride for other in alike}
    return clip_name(record) if len(strides) > 1 else f"T={record.clip_length}"


def _draw(axis: Axes, panel: Panel, inches: float) -> None:
    """One panel: a color per method, a marker and a line per curve, clip lengths beside points."""
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set(xlabel="FPS (logarithmic)", ylabel="AP", xscale="log")
    title = "\n".join(textwrap.wrap(single_line(panel.title), _TITLE_CHARACTERS))
    show_plainly(axis.set_title(""), title)
    axis.grid(alpha=0.25, linewidth=0.6)
    axis.set_axisbelow(True)
    layout = Layout.around(
        [(point.fps, point.ap) for point in panel.points],
        (_FRAME_WIDTH * _POINTS_PER_INCH, inches * _POINTS_PER_INCH),
    )
    axis.set(xlim=layout.fps_limits, ylim=layout.ap_limits)
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter("{x:g}")
    curves = _curves(panel)
    methods = list(dict.fromkeys(point.method for point in panel.points))
    for (name, points), marker in zip(curves.items(), cycle(_MARKERS)):
        color = f"C{methods.index(points[0].method) % 10}"
        axis.plot(
            [p.fps for p in points], [p.ap for p in points], marker=marker, color=color,
            linewidth=0.9, markersize=5.5, markeredgecolor="white", markeredgewidth=0.3, label=name,
        )  # fmt: skip
    _label(axis, curves, layout)
    _add_legend(axis, list(curves))


def _curves(panel: Panel) -> dict[str, list[Point]]:
    curves: dict[str, list[Point]] = {}
    for point in panel.points:
        curves.setdefault(point.curve, []).append(point)
    return curves


def _label(axis: Axes, curves: dict[str, list[Point]], layout: Layout) -> None:
    """Writes clip lengths where there is room for them."""
    places = label_places(
        [[layout.position(p.fps, p.ap) for p in points] for points in curves.values()],
        [[single_line(p.clip) for p in points] for points in curves.values()],
        layout.size,
    )
    for line, points, own in zip(axis.lines, curves.values(), places, strict=True):
        for point, place in zip(points, own, strict=True):
            if place is not None:
                text = axis.annotate(
                    "", (point.fps, point.ap), xytext=place,
                    textcoords="offset points", size=LABEL_SIZE, ha="center", va="center",
                    color=line.get_color(),
                )  # fmt: skip
                show_plainly(text, single_line(point.clip))


def _add_legend(axis: Axes, names: Sequence[str]) -> None:
    """A legend beside the frame. Names are set late, since a leading underscore hides an entry."""
    if not names:
        return
    legend = axis.legend(
        axis.lines, map(str, range(len(names))), fontsize=_LEGEND_SIZE, loc="upper left",
        bbox_to_anchor=(1.01, 1.01), borderaxespad=0, frameon=False, labelspacing=0.45,
    )  # fmt: skip
    for text, name in zip(legend.get_texts(), names, strict=True):
        show_plainly(text, "\n".join(textwrap.wrap(name, _LEGEND_CHARACTERS)))


def _frame_height(panel: Panel) -> float:
    """The frame's height in inches, larger where the legend needs it."""
    lines = sum(
        len(textwrap.wrap(name, _LEGEND_CHARACTERS)) + 0.25
        for name in {point.curve for point in panel.points}
    )
    return max(_FRAME_HEIGHT, lines * _LEGEND_LINE)
