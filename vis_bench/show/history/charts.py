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


def chart(title: str, dots: Sequence[Dot], machines: Sequence[int]) -> Markup:
    """Draw values over the records of a cell, a line for each machine.

    Args:
        title: the figure and its unit.
        dots: at least two.
        machines: number of every record's machine, also of those without a value.
    """
    ends = [x for dot in dots for x in (dot.value, dot.low, dot.high) if x is not None]
    ticks, digits = _ticks(min(ends), max(ends))
    bottom, top = min(ticks[0], *ends), max(ticks[-1], *ends)

    def x(place: float) -> float:
        return _LEFT + (place + 0.5) * (_WIDTH - _LEFT - _RIGHT) / len(machines)

    def y(value: float) -> float:
        return _TOP + (top - value) / (top - bottom) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [f'<text class="title" x="0" y="15">{escape(title)}</text>']
    for tick in ticks:
        at, text = f'x="{_LEFT - 7}" y="{y(tick) + 4:.1f}"', _tick_text(tick, digits)
        parts.append(
            f'<path class="grid" d="M{_LEFT} {y(tick):.1f}H{_WIDTH - _RIGHT}"/>'
            f'<text {at} text-anchor="end">{text}</text>'
        )
    changes = [n for n in range(1, len(machines)) if machines[n] != machines[n - 1]]
    if changes:
        lines = "".join(f"M{x(n - 0.5):.1f} {_TOP}V{_HEIGHT - _BOTTOM}" for n in changes)
        parts.append(f'<path class="machine" d="{lines}"><title>another machine</title></path>')
    for machine in dict.fromkeys(dot.machine for dot in dots):
        own, color = [dot for dot in dots if dot.machine == machine], f"c{machine % _COLORS}"
        bars = "".join(
            f"M{x(dot.place):.1f} {y(dot.low):.1f}V{y(dot.high):.1f}"
            for dot in own
            if dot.low is not None and dot.high is not None
        )
        parts += [f'<path class="spread {color}" d="{bars}"/>'] if bars else []
        for kind, is_next in (("line", True), ("bridge", False)):
            steps = "".join(
                f"M{x(a.place):.1f} {y(a.value):.1f}L{x(b.place):.1f} {y(b.value):.1f}"
                for a, b in pairwise(own)
                if (b.place == a.place + 1) == is_next
            )
            parts += [f'<path class="{kind} {color}" d="{steps}"/>'] if steps else []
    radius = 3 if len(machines) <= 60 else 2
    for dot in dots:
        at = f'cx="{x(dot.place):.1f}" cy="{y(dot.value):.1f}"'
        ring = f'<circle class="moved" {at} r="{radius + 4}"/>' if dot.moved else ""
        parts.append(
            f'{ring}<circle class="c{dot.machine % _COLORS}" {at} r="{radius}">'
            f"<title>{_text(dot.text)}</title></circle>"
        )
    for dot in _labelled(dots, x):
        place, anchor = x(dot.place), "middle"
        if place < _LEFT + _LABEL / 2:
            place, anchor = max(place - 20, 0), "start"
        elif place > _WIDTH - _LABEL / 2:
            place, anchor = _WIDTH, "end"
        mark = ' class="moved"' if dot.moved else ""
        parts.append(
            f'<text{mark} x="{place:.1f}" y="{_HEIGHT - 8}" text-anchor="{anchor}">'
            f"{_text(dot.label[:8])}</text>"
        )
    alt = f"{title}: {len(dots)} records. " + (
        " ".join(f"Moved at {dot.label}: {dot.moved}." for dot in dots if dot.moved) or "No move."
    )
    return Markup(
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{_text(alt)}">'
        f"{''.join(parts)}</svg>"
    )


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
