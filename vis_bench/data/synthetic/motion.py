"""Where an object's center is in each frame: paths in pixels as functions of the frame number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

Point = tuple[float, float]


class Path(Protocol):
    """Anything that gives a position (x, y) in pixels for a frame number."""

    def at(self, t: float) -> Point:
        """The position in frame `t`."""


@dataclass(frozen=True)
class Area:
    """The rectangle [left, right] x [top, bottom] that a center stays in, in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    @staticmethod
    def inside(height: int, width: int, margin: float) -> Area:
        """The frame without a rim of `margin` pixels (at most to its middle)."""
        x, y = min(margin, width / 2), min(margin, height / 2)
        return Area(x, y, width - x, height - y)

    def point(self, across: float, down: float) -> Point:
        """The point at the given fractions of the width and the height."""
        return (
            self.left + across * (self.right - self.left),
            self.top + down * (self.bottom - self.top),
        )


@dataclass(frozen=True)
class Bounce:
    """A straight line at constant speed, reflected at the rim of an area.

    It passes through `through` in frame `when`; `velocity` is in pixels per frame.
    """

    area: Area
    through: Point
    velocity: Point
    when: float = 0.0

    def at(self, t: float) -> Point:
        """The position in frame `t`."""
        since = t - self.when
        area = self.area
        return (
            reflect(self.through[0] + since * self.velocity[0], area.left, area.right),
            reflect(self.through[1] + since * self.velocity[1], area.top, area.bottom),
        )


@dataclass(frozen=True)
class Curve:
    """A closed curve around the middle of an area: a Lissajous figure, `turns` in radians."""

    area: Area
    turns: Point
    phase: Point

    def at(self, t: float) -> Point:
        """The position in frame `t`."""
        return self.area.point(
            0.5 + 0.5 * math.sin(self.turns[0] * t + self.phase[0]),
            0.5 + 0.5 * math.sin(self.turns[1] * t + self.phase[1]),
        )


@dataclass(frozen=True)
class Beside:
    """Keeps `distance` pixels from a leading path while turning around it slowly."""

    leader: Path
    distance: float
    angle: float
    turn: float

    def at(self, t: float) -> Point:
        """The position in frame `t`."""
        x, y = self.leader.at(t)
        angle = self.angle + self.turn * t
        return x + self.distance * math.cos(angle), y + self.distance * math.sin(angle)


@dataclass(frozen=True)
class Excursion:
    """Follows a path, is away at a point outside the frame for a while, and comes back.

    `times` are four frame numbers: it starts to leave, is away, starts to return, is back.
    """

    path: Path
    outside: Point
    times: tuple[float, float, float, float]

    def at(self, t: float) -> Point:
        """The position in frame `t`."""
        leave, away, turn, back = self.times
        share = ramp((t - leave) / (away - leave)) - ramp((t - turn) / (back - turn))
        (x0, y0), (x1, y1) = self.path.at(t), self.outside
        return x0 + share * (x1 - x0), y0 + share * (y1 - y0)


def reflect(value: float, low: float, high: float) -> float:
    """`value` folded into [low, high] as if it bounced off both ends."""
    if high <= low:
        return (low + high) / 2
    folded = (value - low) % (2 * (high - low))
    return low + min(folded, 2 * (high - low) - folded)


def ramp(share: float) -> float:
    """0 up to 0, 1 from 1 on, smooth in between."""
    share = min(max(share, 0.0), 1.0)
    return share * share * (3 - 2 * share)
