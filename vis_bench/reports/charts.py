"""The picture beside the leaderboard: AP against FPS, one panel per data set and device.

The SVG names the checksum of what it shows, so that a stale picture is found by its data and not
by the version of the library that drew it.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from vis_bench.records.caveats import is_ranked
from vis_bench.records.labels import marked_labels
from vis_bench.records.schema import Record
from vis_bench.reports.leaderboard import leaderboard_sections
from vis_bench.reports.published import published_speeds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANEL_INCHES = (6.4, 4.2)
_DIGEST = re.compile(r"data sha256 ([0-9a-f]{64})")


@dataclass(frozen=True)
class Point:
    """One measurement of a method: AP in points, source frames per second."""

    method: str
    label: str
    fps: float
    ap: float


@dataclass(frozen=True)
class Panel:
    """Points that may be compared: the same videos, the same device."""

    title: str
    points: tuple[Point, ...]


def speed_panels(records: Sequence[Record]) -> list[Panel]:
    """The published figures, then the ranked records by data set, split and device.

    A record without AP or FPS has no point.
    """
    panels = [
        Panel(
            "YouTube-VIS 2019 val, published, hardware differs",
            tuple(Point(*row) for row in published_speeds()),
        )
    ]
    for title, rows in leaderboard_sections(records):
        shown = [r for r in rows if is_ranked(r) and r.fps]
        subjects = dict(zip(map(id, shown), marked_labels(shown), strict=True))
        for device in sorted({r.device or "unknown device" for r in shown}):
            points = (
                Point(subjects[id(r)], _point_label(r), r.fps, 100 * r.ap)
                for r in shown
                if (r.device or "unknown device") == device and r.fps and r.ap is not None
            )
            panels.append(Panel(f"{title}, {device}", tuple(points)))
    return panels


def _point_label(record: Record) -> str:
    length = record.clip_length
    return f"{record.backbone}" + ("" if length is None else f" T={length}")


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
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    width, height = _PANEL_INCHES
    with mpl.rc_context({"svg.hashsalt": "vis-bench", "svg.fonttype": "none", "font.size": 8}):
        figure = Figure(figsize=(width, height * len(panels)), layout="constrained")
        axes = figure.subplots(len(panels), squeeze=False)[:, 0]
        for axis, panel in zip(axes, panels, strict=True):
            _draw(axis, panel)
        out = io.StringIO()
        description = f"data sha256 {data_digest(panels)}"
        FigureCanvasSVG(figure).print_svg(
            out, metadata={"Date": None, "Creator": None, "Description": description}
        )
    return out.getvalue()


def _draw(axis: Axes, panel: Panel) -> None:
    """One panel: a color per method, what else tells its points apart beside them."""
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set(title=panel.title, xlabel="FPS (logarithmic)", ylabel="AP", xscale="log")
    axis.grid(alpha=0.3)
    axis.margins(0.2)
    for method in dict.fromkeys(point.method for point in panel.points):
        own = [point for point in panel.points if point.method == method]
        axis.scatter([p.fps for p in own], [p.ap for p in own], s=18, label=method)
    for point, place in zip(panel.points, label_places(panel.points), strict=True):
        axis.annotate(
            point.label, (point.fps, point.ap), xytext=(place.x, place.y), ha=place.side,
            textcoords="offset points", size=_LABEL_SIZE,
        )  # fmt: skip
    axis.set_ylim(bottom=max(0.0, axis.get_ylim()[0]))
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter("{x:g}")
    if panel.points:
        axis.legend(fontsize=_LABEL_SIZE, loc="center left", bbox_to_anchor=(1, 0.5))


@dataclass(frozen=True)
class LabelPlace:
    """A label's offset from its point in typographic points, and the side it is written from."""

    x: float
    y: float
    side: Literal["left", "right"]


_LABEL_SIZE = 6
_PLACES = (
    LabelPlace(4, 3, "left"), LabelPlace(4, -8, "left"),
    LabelPlace(-4, 3, "right"), LabelPlace(-4, -8, "right"),
)  # fmt: skip
# The inner part of a panel, in typographic points: what the range of the data spans.
_SPAN = (190.0, 150.0)


def label_places(points: Sequence[Point]) -> list[LabelPlace]:
    """A place for each label beside its point, clear of earlier labels where one of four is.

    Widths are estimated at half an em per character.
    """
    taken: list[tuple[float, float, float, float]] = []
    places = []
    for point, (x, y) in zip(points, _positions(points), strict=True):
        boxes = {place: _box(point.label, x, y, place) for place in _PLACES}
        free = [p for p, box in boxes.items() if not any(_overlap(box, other) for other in taken)]
        places.append((free or _PLACES)[0])
        taken.append(boxes[places[-1]])
    return places


def _positions(points: Sequence[Point]) -> list[tuple[float, float]]:
    """Where points lie in a panel, in typographic points; FPS are logarithmic."""
    columns = ([math.log(point.fps) for point in points], [point.ap for point in points])
    scaled = []
    for values, span in zip(columns, _SPAN, strict=True):
        low, high = min(values, default=0.0), max(values, default=0.0)
        scaled.append([span * (value - low) / ((high - low) or 1.0) for value in values])
    return list(zip(*scaled, strict=True))


def _box(label: str, x: float, y: float, place: LabelPlace) -> tuple[float, float, float, float]:
    width = 0.5 * _LABEL_SIZE * len(label)
    left = x + place.x - (width if place.side == "right" else 0)
    return left, y + place.y, left + width, y + place.y + _LABEL_SIZE


def _overlap(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> bool:
    apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    return not apart
