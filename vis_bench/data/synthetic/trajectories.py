"""Trajectories of objects: paths as functions of the frame number, and random draws of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from vis_bench.data.synthetic.random_draws import Draws
from vis_bench.data.synthetic.render import Pose, make_pose

Position = tuple[float, float]
Path = Callable[[float], Position]  # frame number -> position x, y in pixels


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

    def point(self, across: float, down: float) -> Position:
        """The point at the given fractions of the width and the height."""
        return (
            self.left + across * (self.right - self.left),
            self.top + down * (self.bottom - self.top),
        )


def bounce(area: Area, through: Position, velocity: Position, when: float = 0.0) -> Path:
    """A straight line at constant speed, reflected at the rim of an area.

    It passes through `through` in frame `when`; `velocity` is in pixels per frame.
    """

    def at(t: float) -> Position:
        since = t - when
        return (
            reflect(through[0] + since * velocity[0], area.left, area.right),
            reflect(through[1] + since * velocity[1], area.top, area.bottom),
        )

    return at


def companion(leader: Path, distance: float, start: float, turn: float) -> Path:
    """Keep `distance` pixels from a leading path while turning around it slowly."""

    def at(t: float) -> Position:
        x, y = leader(t)
        angle = start + turn * t
        return x + distance * math.cos(angle), y + distance * math.sin(angle)

    return at


def detour(path: Path, outside: Position, times: tuple[float, float, float, float]) -> Path:
    """Follow a path, be away at a point outside the frame for a while, and come back.

    `times` are four frame numbers: it starts to leave, is away, starts to return, is back.
    """
    leave, away, turn, back = times

    def at(t: float) -> Position:
        share = ramp((t - leave) / (away - leave)) - ramp((t - turn) / (back - turn))
        (x0, y0), (x1, y1) = path(t), outside
        return x0 + share * (x1 - x0), y0 + share * (y1 - y0)

    return at


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


@dataclass(frozen=True)
class Swelling:
    """A radius that swells and shrinks: pixels, a fraction of it, radians per frame, radians."""

    radius: float
    swing: float
    rate: float
    phase: float

    def at(self, t: float) -> float:
        """The radius in frame `t`."""
        return self.radius * (1 + self.swing * math.sin(self.rate * t + self.phase))

    @property
    def largest(self) -> float:
        """No frame's radius is above this."""
        return self.radius * (1 + self.swing)


@dataclass(frozen=True)
class Course:
    """Trajectory of an object: its path, its size and its rotation."""

    path: Path
    growth: Swelling
    angle: float
    spin: float

    def poses(self, length: int) -> list[Pose]:
        """The poses of frames 0 to `length` - 1."""
        return [
            make_pose(self.path(t), self.angle + self.spin * t, self.growth.at(t))
            for t in range(length)
        ]


Extent = tuple[int, int, int]  # frames, height, width

RADII = (0.185, 0.27)  # of the frame's short side
SPEEDS = (0.6, 2.6)  # pixels per frame
RIM = 0.8  # of the radius: how far centers stay from the frame's edge


def draw_course(draws: Draws, height: int, width: int) -> Course:
    """A path within the frame, straight with bounces or curved, and a changing size."""
    growth = draw_growth(draws, min(height, width))
    area = Area.inside(height, width, RIM * growth.largest)
    path = draw_curve(draws, area) if draws.chance(0.35) else draw_bounce(draws, area)
    return Course(path, growth, draws.angle(), draws.between(-0.09, 0.09))


def draw_growth(draws: Draws, short_side: int) -> Swelling:
    """A radius of its own that swells and shrinks by up to a quarter."""
    radius = short_side * draws.between(*RADII)
    return Swelling(radius, draws.between(0.0, 0.25), draws.between(0.08, 0.28), draws.angle())


def draw_bounce(draws: Draws, area: Area) -> Path:
    """A straight line through any point of the area."""
    start = area.point(draws.between(0, 1), draws.between(0, 1))
    return bounce(area, start, draw_velocity(draws, SPEEDS))


def draw_curve(draws: Draws, area: Area) -> Path:
    """A Lissajous figure that fills the area, taking 25 to 60 frames for a turn."""
    turns = [draws.sign() * 2 * math.pi / draws.between(25, 60) for _ in range(2)]
    phases = [draws.angle() for _ in range(2)]
    return lambda t: area.point(
        0.5 + 0.5 * math.sin(turns[0] * t + phases[0]),
        0.5 + 0.5 * math.sin(turns[1] * t + phases[1]),
    )


def draw_velocity(draws: Draws, speeds: tuple[float, float]) -> Position:
    """Any direction, at a speed from the lowest to the highest."""
    angle, speed = draws.angle(), draws.between(*speeds)
    return speed * math.cos(angle), speed * math.sin(angle)


def beside(draws: Draws, leader: Course, height: int, width: int) -> tuple[Course, Course]:
    """Two courses side by side: the leader's, on a smaller area, and one that stays by it."""
    growth = replace(leader.growth, radius=leader.growth.radius * draws.between(0.88, 1.0))
    distance = leader.growth.largest + growth.largest
    area = Area.inside(height, width, min(distance, 0.42 * min(height, width)))
    lead = draw_bounce(draws, area)
    follow = companion(
        lead, distance * draws.between(0.8, 1.0), draws.angle(), draws.between(-0.1, 0.1)
    )
    return replace(leader, path=lead), replace(leader, path=follow, growth=growth)


def crossing(draws: Draws, behind: Course, front: Course, extent: Extent) -> Course:
    """`front` on a straight path that passes over `behind` in the middle of the video."""
    length, height, width = extent
    when = length * draws.between(0.35, 0.65)
    x, y = behind.path(when)
    area = Area.inside(height, width, RIM * front.growth.largest)
    meeting = (min(max(x, area.left), area.right), min(max(y, area.top), area.bottom))
    return replace(front, path=bounce(area, meeting, draw_velocity(draws, (1.4, 3.2)), when))


def excursion(draws: Draws, course: Course, extent: Extent) -> Course:
    """The course with a way out of the frame, some frames out of sight, and a way back."""
    length, height, width = extent
    leave = length * draws.between(0.08, 0.2)
    away = leave + length * draws.between(0.2, 0.28)
    turn = away + length * draws.between(0.1, 0.18)
    back = turn + length * draws.between(0.2, 0.28)
    outside = nearest_outside(course.path(leave), height, width, course.growth.largest + 2)
    path: Path = detour(course.path, outside, (leave, away, turn, back))
    return replace(course, path=path)


def nearest_outside(position: Position, height: int, width: int, gap: float) -> Position:
    """The point `gap` pixels beyond the edge of the frame that is nearest to a position."""
    x, y = position
    points: list[Position] = [(-gap, y), (width + gap, y), (x, -gap), (x, height + gap)]
    return min(points, key=lambda point: math.dist(point, position))


def draw_free_course(draws: Draws, others: Sequence[Course], extent: Extent) -> Course:
    """The one of four courses that touches the others in the fewest frames."""
    length, height, width = extent
    offered = [draw_course(draws, height, width) for _ in range(4)]
    return min(offered, key=lambda course: sum(contacts(course, o, length) for o in others))


def shrunk(course: Course, share: float) -> Course:
    """The course at `share` of its size."""
    return replace(course, growth=replace(course.growth, radius=share * course.growth.radius))


def contacts(one: Course, other: Course, length: int) -> int:
    """The frames in which the bounding circles are less than 3 pixels apart."""
    return sum(
        math.dist(one.path(t), other.path(t)) < one.growth.at(t) + other.growth.at(t) + 3
        for t in range(length)
    )
