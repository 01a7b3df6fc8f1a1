"""A chart as data: panels of series."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

_DIGEST = re.compile(r"data sha256 ([0-9a-f]{64})")
_DIGITS = 6  # of values in a digest, so that it is the same on all machines

# A value and the ends of its interval; None where unknown.
Value = tuple[float | None, float | None, float | None]
# line: markers joined by a line; points: markers alone; curve: a line alone; dotted: a thin dotted
# line that is not named, such as a limit, or an extrapolation of the series of its name; bars: from
# 0; stack: bars that begin where those of the series before end, in grays.
SeriesKind = Literal["line", "points", "curve", "dotted", "bars", "stack"]


@dataclass(frozen=True)
class Series:
    """Points of one method, by default joined by a line.

    Attributes:
        method: name by which it has its color and marker; empty for what is of no one method.
        x: numbers, or places in the panel's categories.
        low, high: ends of the points' intervals, in y; None for a point without one.
        labels: beside the points, and behind bars; in a panel that is sideways, right of the frame;
            an empty one is not drawn.
        goes_on: the line stays level from the last point to the edge.
        is_hollow: of what is not ranked, such as a reconstruction.
        hollow_at, ringed_at: numbers of points that are hollow, and of those in a ring.
    """

    name: str
    method: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()
    labels: tuple[str, ...] = ()
    kind: SeriesKind = "line"
    goes_on: bool = False
    is_hollow: bool = False
    hollow_at: tuple[int, ...] = ()
    ringed_at: tuple[int, ...] = ()

    @classmethod
    def of(
        cls, name: str, method: str, x: Iterable[float], values: Iterable[Value], **options: Any
    ) -> Series:
        """Series with intervals; a point without a value is left out.

        Args:
            values: (y, low, high) at each x.
            options: other attributes than these.
        """
        known = [
            (at, y, low, high)
            for at, (y, low, high) in zip(x, values, strict=True)
            if y is not None
        ]
        places, y, low, high = zip(*known, strict=True) if known else ((),) * 4
        return cls(name, method, places, y, low, high, **options)


@dataclass(frozen=True)
class Panel:
    """Series on the same axes.

    Attributes:
        xscale: "symlog" is logarithmic from `linear_below` on, and holds 0.
        categories: names of x = 0, 1, ..; an empty one has no tick. Beside each other there, series
            are moved apart by a fifth at most.
        is_sideways: the categories stand below each other, and y goes from left to right.
        names: place of the series' names, at the ends of lines or in a legend; "none" where labels
            or the title name them.
        remark: below the axis.
        around_zero: words on both sides of y = 0 in a panel that is sideways.
        alt: the chart in words.
    """

    title: str
    xlabel: str
    ylabel: str
    series: tuple[Series, ...]
    xscale: Literal["linear", "log", "symlog"] = "linear"
    yscale: Literal["linear", "log"] = "linear"
    linear_below: float = 1.0
    xticks: tuple[float, ...] = ()
    xlim: tuple[float | None, float | None] = (None, None)
    ylim: tuple[float | None, float | None] = (None, None)
    categories: tuple[str, ...] = ()
    is_sideways: bool = False
    names: Literal["ends", "legend", "none"] = "legend"
    remark: str = ""
    around_zero: tuple[str, str] | None = None
    alt: str = ""

    @property
    def named(self) -> list[Series]:
        """The series that have a look of their own."""
        return [series for series in self.series if series.kind != "dotted"]


def holds_0(value: Value) -> bool:
    """True where the interval of a difference holds 0 or is unknown, so that nothing was found."""
    _, low, high = value
    return low is None or high is None or low <= 0 <= high


def digest(panels: Sequence[Panel]) -> str:
    """SHA-256 of the data in a chart; attributes that have their default are left out."""
    content = json.dumps([_content(panel) for panel in panels], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def digest_of_svg(svg: str) -> str | None:
    """Checksum of the data in a chart as SVG; None where it names none."""
    found = _DIGEST.search(svg)
    return found.group(1) if found else None


def _content(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, Panel | Series):
        set_fields = ((f.name, getattr(value, f.name), f.default) for f in fields(value))
        return {name: _content(own) for name, own, default in set_fields if own != default}
    return [_content(part) for part in value] if isinstance(value, list | tuple) else value
