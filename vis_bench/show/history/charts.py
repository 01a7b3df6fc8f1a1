"""Charts of a cell's figures over its records, as inline SVG in the page's colors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

from vis_bench.text import single_line

# In units of the drawing, which is as wide as the page gives it.
_WIDTH, _HEIGHT = 520, 215
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 12, 36, 30
_COLORS = 6
_LABEL = 96  # room of a commit below the axis


@dataclass(frozen=True)
class Dot:
    """A record's value.

    Attributes:
        place: of the record in the cell's history, from 0.
        low, high: ends of its interval, or of its spread; None without one.
        machine: number of the machine, from 0.
        label: the commit.
        text: record and value, as a tooltip.
        moved: the figure's change in words; empty where it has not moved.
    """

    place: int
    value: float
    low: float | None
    high: float | None
    machine: int
    label: str
    text: str
    moved: str


@dataclass(frozen=True)
class _Frame:
    """Scales of a chart, from records and values to units of the drawing."""

    num_records: int
    bottom: float
    top: float

    def x(self, place: float) -> float:
        return _LEFT + (place + 0.5) * (_WIDTH - _LEFT - _RIGHT) / self.num_records

    def y(self, value: float) -> float:
        height = _HEIGHT - _TOP - _BOTTOM
        return _TOP + (self.top - value) / (self.top - self.bottom) * height


def chart(title: str, dots: Sequence[Dot], machines: Sequence[int]) -> Markup:
    """Draw values over the records of a cell, a line for each machine.

    Args:
        title: the figure and its unit.
        dots: at least two.
        machines: number of every record's machine, also of those without a value.
    """
    ends = [x for dot in dots for x in (dot.value, dot.low, dot.high) if x is not None]
    ticks, digits = _ticks(min(ends), max(ends))
    frame = _Frame(len(machines), min(ticks[0], *ends), max(ticks[-1], *ends))
    parts = [
        f'<text class="title" x="0" y="15">{escape(title)}</text>',
        *(_grid_line(frame, tick, digits) for tick in ticks),
        *_machine_changes(frame, machines),
        *_lines(frame, dots),
        *_markers(frame, dots),
        *_commits(frame, dots),
    ]
    alt = f"{title}: {len(dots)} records. " + (
        " ".join(f"Moved at {dot.label}: {dot.moved}." for dot in dots if dot.moved) or "No move."
    )
    return Markup(
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{_text(alt)}">'
        f"{''.join(parts)}</svg>"
    )


def _grid_line(frame: _Frame, tick: float, digits: int) -> str:
    at, text = f'x="{_LEFT - 7}" y="{frame.y(tick) + 4:.1f}"', _tick_text(tick, digits)
    return (
        f'<path class="grid" d="M{_LEFT} {frame.y(tick):.1f}H{_WIDTH - _RIGHT}"/>'
        f'<text {at} text-anchor="end">{text}</text>'
    )


def _machine_changes(frame: _Frame, machines: Sequence[int]) -> list[str]:
    """Draw a line between records of different machines."""
    changes = [n for n in range(1, len(machines)) if machines[n] != machines[n - 1]]
    lines = "".join(f"M{frame.x(n - 0.5):.1f} {_TOP}V{_HEIGHT - _BOTTOM}" for n in changes)
    mark = f'<path class="machine" d="{lines}"><title>another machine</title></path>'
    return [mark] if changes else []


def _lines(frame: _Frame, dots: Sequence[Dot]) -> list[str]:
    """Draw the spreads and lines of each machine, bridged over records of others."""
    parts = []
    for machine in dict.fromkeys(dot.machine for dot in dots):
        own, color = [dot for dot in dots if dot.machine == machine], f"c{machine % _COLORS}"
        bars = "".join(
            f"M{frame.x(dot.place):.1f} {frame.y(dot.low):.1f}V{frame.y(dot.high):.1f}"
            for dot in own
            if dot.low is not None and dot.high is not None
        )
        parts += [f'<path class="spread {color}" d="{bars}"/>'] if bars else []
        for kind, is_next in (("line", True), ("bridge", False)):
            steps = "".join(
                f"M{frame.x(a.place):.1f} {frame.y(a.value):.1f}"
                f"L{frame.x(b.place):.1f} {frame.y(b.value):.1f}"
                for a, b in pairwise(own)
                if (b.place == a.place + 1) == is_next
            )
            parts += [f'<path class="{kind} {color}" d="{steps}"/>'] if steps else []
    return parts


def _markers(frame: _Frame, dots: Sequence[Dot]) -> list[str]:
    """Draw a dot with a tooltip for each record, and a ring around those that moved."""
    parts = []
    radius = 3 if frame.num_records <= 60 else 2
    for dot in dots:
        at = f'cx="{frame.x(dot.place):.1f}" cy="{frame.y(dot.value):.1f}"'
        ring = f'<circle class="moved" {at} r="{radius + 4}"/>' if dot.moved else ""
        parts.append(
            f'{ring}<circle class="c{dot.machine % _COLORS}" {at} r="{radius}">'
            f"<title>{_text(dot.text)}</title></circle>"
        )
    return parts


def _commits(frame: _Frame, dots: Sequence[Dot]) -> list[str]:
    """Write commits below the axis."""
    parts = []
    for dot in _labelled(dots, frame.x):
        place, anchor = frame.x(dot.place), "middle"
        if place < _LEFT + _LABEL / 2:
            place, anchor = max(place - 20, 0), "start"
        elif place > _WIDTH - _LABEL / 2:
            place, anchor = _WIDTH, "end"
        mark = ' class="moved"' if dot.moved else ""
        parts.append(
            f'<text{mark} x="{place:.1f}" y="{_HEIGHT - 8}" text-anchor="{anchor}">'
            f"{_text(dot.label[:8])}</text>"
        )
    return parts


def key_of_machines(names: Sequence[str]) -> Markup:
    """List the machines with their colors."""
    entries = "".join(
        f'<li><svg viewBox="0 0 10 10" role="img" aria-label="color {n + 1}">'
        f'<circle class="c{n % _COLORS}" cx="5" cy="5" r="4"/></svg> {_text(name)}</li>'
        for n, name in enumerate(names)
    )
    return Markup(f'<ul class="key">{entries}</ul>')


def _labelled(dots: Sequence[Dot], x: Callable[[float], float]) -> list[Dot]:
    """Records whose commit has room below the axis: moves first, then the ends."""
    chosen: list[Dot] = []
    for dot in [*(dot for dot in dots if dot.moved), dots[-1], dots[0]]:
        if all(abs(x(dot.place) - x(other.place)) >= _LABEL for other in chosen):
            chosen.append(dot)
    return chosen


def _ticks(low: float, high: float) -> tuple[list[float], int]:
    """Two to six round values around a range, and the decimals in which they differ."""
    span = (high - low) or abs(high) * 0.1 or 1.0
    unit = 10.0 ** math.floor(math.log10(span))
    step = next((unit * m for m in (0.5, 1.0, 2.0) if span / (unit * m) <= 4), unit * 5)
    first = math.floor(low / step + 1e-9)
    last = max(math.ceil(high / step - 1e-9), first + 1)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [step * n for n in range(first, last + 1)], digits


def _tick_text(tick: float, digits: int) -> str:
    text = f"{tick:,.{digits}f}"
    return text if len(text) <= 8 else f"{tick:.4g}"


def _text(text: str) -> str:
    return str(escape(single_line(text)))
