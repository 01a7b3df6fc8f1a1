"""Texts in charts: shown as they are, and beside points where none crosses another, a point, a
line or the frame.

Positions are in typographic points from the lower left corner of the frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.text import Text

LABEL_SIZE = 6.5
Position = tuple[float, float]
Box = tuple[float, float, float, float]  # left, bottom, right, top

_MARKER_RADIUS = 3.3
_EM_PER_CHARACTER = 0.66
_MARGIN = 2.0  # between labels
# Around a point, near ones first: right, left, above, below, then the corners.
_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
_DISTANCES = (2.0, 5.0, 9.0)
_EXTREME = 700.0  # logarithms beyond it are not those of a positive float


@dataclass(frozen=True)
class Layout:
    """The scales of a panel: FPS are logarithmic, AP linear, and `size` is the frame's."""

    fps_limits: tuple[float, float]
    ap_limits: tuple[float, float]
    size: Position

    @classmethod
    def around(cls, points: Sequence[Position], size: Position) -> Layout:
        """Limits with room for labels around (FPS, AP) points; at least a factor of 2 and 4 AP."""
        logs = [math.log(fps) for fps, _ in points] or [0.0]
        aps = [ap for _, ap in points] or [50.0]
        low, high = _widened(min(logs), max(logs), math.log(2))
        ap_low, ap_high = _widened(min(aps), max(aps), 4.0)
        ap_low = max(-0.05 * ap_high, ap_low)  # no AP is below 0, but a marker at 0 is whole
        fps_limits = math.exp(max(low, -_EXTREME)), math.exp(min(high, _EXTREME))
        return cls(fps_limits, (ap_low, ap_high), size)

    def position(self, fps: float, ap: float) -> Position:
        """Where a point lies."""
        x = _fraction(math.log(fps), *map(math.log, self.fps_limits))
        return x * self.size[0], _fraction(ap, *self.ap_limits) * self.size[1]


def label_places(
    curves: Sequence[Sequence[Position]], labels: Sequence[Sequence[str]], size: Position
) -> list[list[Position | None]]:
    """For each point of each curve, where the middle of its label lies, as an offset from it.

    None where the label is empty, or where it would cross a label, a point or the frame at every
    place tried. A place that crosses a line is taken only if there is no other.

    Args:
        curves: the points of each curve, in the order in which a line joins them.
        labels: their texts.
        size: the frame's width and height.
    """
    markers = [_around(position, _MARKER_RADIUS) for curve in curves for position in curve]
    lines = [pair for curve in curves for pair in pairwise(curve)]
    taken: list[Box] = []
    places: list[list[Position | None]] = []
    for curve, texts in zip(curves, labels, strict=True):
        places.append([])
        for position, text in zip(curve, texts, strict=True):
            free = [
                (any(_crosses(line, box) for line in lines), place, box)
                for place, box in _candidates(position, text)
                if _inside(box, size) and not any(_overlap(box, b) for b in (*taken, *markers))
            ]
            _, place, box = min(free, key=lambda c: c[0], default=(False, None, None))
            places[-1].append(place)
            taken += [] if box is None else [box]
    return places


def show_plainly(text: Text, content: str) -> None:
    """Sets a text of a picture; dollars in it are dollars, no mathematics."""
    text.set_parse_math(False)
    text.set_text(content)


def label_box(position: Position, place: Position, text: str) -> Box:
    """What a label covers, its width estimated from its number of characters."""
    width, height = _extent(text)
    x, y = position[0] + place[0], position[1] + place[1]
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _candidates(position: Position, text: str) -> Iterator[tuple[Position, Box]]:
    if text:
        width, height = _extent(text)
        for distance in _DISTANCES:
            gap = _MARKER_RADIUS + distance
            for x, y in _DIRECTIONS:
                diagonal = 0.5 if x and y else 1.0
                place = x * (gap * diagonal + width / 2), y * (gap * diagonal + height / 2)
                yield place, label_box(position, place, text)


def _extent(text: str) -> Position:
    return LABEL_SIZE * _EM_PER_CHARACTER * len(text) + _MARGIN, LABEL_SIZE + _MARGIN


def _around(position: Position, radius: float) -> Box:
    x, y = position
    return x - radius, y - radius, x + radius, y + radius


def _inside(box: Box, size: Position) -> bool:
    return box[0] >= 0 and box[1] >= 0 and box[2] <= size[0] and box[3] <= size[1]


def _overlap(one: Box, other: Box) -> bool:
    apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    return not apart


def _crosses(line: tuple[Position, Position], box: Box) -> bool:
    """Whether a segment enters a box, by clipping it to each pair of sides (Liang and Barsky)."""
    enter, leave = 0.0, 1.0
    for axis in (0, 1):
        start, step = line[0][axis], line[1][axis] - line[0][axis]
        low, high = box[axis] - start, box[axis + 2] - start
        if step == 0:
            if low > 0 or high < 0:
                return False
            continue
        first, last = sorted((low / step, high / step))
        enter, leave = max(enter, first), min(leave, last)
    return enter <= leave


def _widened(low: float, high: float, least: float) -> tuple[float, float]:
    """Limits that leave a tenth free on both sides, and span at least `least`."""
    middle, span = (low + high) / 2, max(high - low, least)
    return middle - 0.6 * span, middle + 0.6 * span


def _fraction(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low)
