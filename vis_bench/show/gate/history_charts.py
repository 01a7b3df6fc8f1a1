"""Charts of a cell's figures over its records, as panels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vis_bench.charts import Panel, Series

SIZE = 4.1, 2.2  # inches
_LABEL = 0.18  # room of a commit below the axis, as a part of its length
_MARGIN = 0.08  # above and below the values


@dataclass(frozen=True)
class Dot:
    """A record's value.

    Attributes:
        place: of the record in the cell's history, from 0.
        low, high: ends of its interval, or of its spread; None without one.
        machine: its name.
        label: the commit.
        moved: the figure's change in words; empty where it has not moved.
    """

    place: int
    value: float
    low: float | None
    high: float | None
    machine: str
    label: str
    moved: str


def _limits(dots: Sequence[Dot]) -> tuple[float, float]:
    """Lower and upper end of the axis of values."""
    ends = [x for dot in dots for x in (dot.value, dot.low, dot.high) if x is not None]
    margin = _MARGIN * ((max(ends) - min(ends)) or abs(max(ends)) or 1.0)
    return min(ends) - margin, max(ends) + margin


def history_panel(title: str, method: str, dots: Sequence[Dot], machines: Sequence[str]) -> Panel:
    """Values over the records of a cell: a line for each machine, rings where the figure moved, and
    a dotted line where the machine changes.

    Args:
        title: the figure and its unit.
        method: gives the lines their color.
        dots: at least two.
        machines: of every record, also of those without a value.
    """
    limits = _limits(dots)
    changes = [n - 0.5 for n in range(1, len(machines)) if machines[n] != machines[n - 1]]
    lines = [_line(machine, method, dots) for machine in dict.fromkeys(machines)]
    others = [Series("another machine", "", (x, x), limits, kind="dotted") for x in changes]
    moves = [f"Moved at {dot.label}: {dot.moved}." for dot in dots if dot.moved]
    shown = {dot.place: dot.label[:8] for dot in _labelled(dots, len(machines))}
    return Panel(
        title,
        "",
        "",
        (*lines, *others),
        ylim=limits,
        categories=tuple(shown.get(place, "") for place in range(len(machines))),
        names="legend" if len(lines) > 1 else "none",
        alt=f"{title}: {len(dots)} records. {' '.join(moves) or 'No move.'}",
    )


def _line(machine: str, method: str, dots: Sequence[Dot]) -> Series:
    own = [dot for dot in dots if dot.machine == machine]
    return Series.of(
        machine,
        method,
        [float(dot.place) for dot in own],
        [(dot.value, dot.low, dot.high) for dot in own],
        ringed_at=tuple(n for n, dot in enumerate(own) if dot.moved),
    )


def _labelled(dots: Sequence[Dot], num_records: int) -> list[Dot]:
    """Records whose commit has room below the axis: moves first, then the ends."""
    chosen: list[Dot] = []
    for dot in [*(dot for dot in dots if dot.moved), dots[-1], dots[0]]:
        if all(abs(dot.place - other.place) >= _LABEL * num_records for other in chosen):
            chosen.append(dot)
    return chosen
