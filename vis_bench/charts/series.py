"""Draws the series of a panel: lines, points with intervals, bars, and stacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vis_bench.charts.looks import INK, Look, Looks, Theme
from vis_bench.charts.panels import Panel, Series
from vis_bench.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer
    from matplotlib.lines import Line2D

MOST_SERIES = 7  # beside each other in one category
_MOST_DODGE, _DODGE = 0.2, 0.08  # of the distance of two categories
_DOTS = (0, (1, 1.8))
_BAR = 0.92  # of the distance of two bars
# Opacity and hatch of the parts of a stack.
_PARTS = (
    (0.8, ""), (0.45, ""), (0.2, ""), (0.0, ""),
    (0.0, "//////"), (0.2, "...."), (0.0, "xxxxxx"), (0.2, "------"),
)  # fmt: skip
_RING = 11.0  # points


def draw_series(axis: Axes, panel: Panel, looks: Looks, theme: Theme) -> list[Any]:
    """Draw all series; return a line or a container of bars for each.

    Raises:
        InputError: if more series than can be told apart share categories.
    """
    bars = [series for series in panel.series if series.kind == "bars"]
    others = [series for series in panel.named if series.kind in ("line", "points", "curve")]
    shifts = {
        **dict(zip(map(id, bars), _bar_places(len(bars)), strict=True)),
        **dict(zip(map(id, others), _shifts(panel, others), strict=True)),
    }
    drawn: list[Any] = []
    left = np.zeros(len(panel.categories))
    for series in panel.series:
        look = looks.get((series.method, series.name), Look(INK, ""))
        ink = theme.line if series.kind == "dotted" else theme.ink
        color, shift = theme.colors.get(look.color, ink), shifts.get(id(series), 0.0)
        if series.kind == "bars":
            drawn.append(_draw_bars(axis, series, panel, shift, _bar_width(len(bars)), color))
        elif series.kind == "stack":
            place = sum(earlier.kind == "stack" for earlier in panel.series[: len(drawn)])
            drawn.append(_draw_stack(axis, series, panel, left, place, theme))
        else:
            drawn.append(_draw_line(axis, series, panel, shift, look, color, theme))
    return drawn


def dodges(number: int, step: float = _DODGE) -> np.ndarray:
    """Distances of series from the middle of their category."""
    step = min(step, 2 * _MOST_DODGE / max(number - 1, 1))
    return step * (np.arange(number) - (number - 1) / 2)


def mark_points(axis: Axes, panel: Panel, drawn: Sequence[Any], theme: Theme) -> None:
    """Draw hollow markers over lines that leave them out, and rings around points."""
    for series, line in zip(panel.series, drawn, strict=True):
        if not (series.hollow_at or series.ringed_at):
            continue
        points = np.asarray(line.get_xydata())
        if series.hollow_at:
            line.set_markevery([n for n in range(len(points)) if n not in series.hollow_at])
            look = {"color": line.get_color(), "marker": line.get_marker(), "fillstyle": "none"}
            axis.plot(*points[list(series.hollow_at)].T, linestyle="none", clip_on=False, **look)
        if series.ringed_at:
            look = {"color": theme.ink, "marker": "o", "fillstyle": "none", "markersize": _RING}
            axis.plot(*points[list(series.ringed_at)].T, linestyle="none", clip_on=False, **look)


def _shifts(panel: Panel, series: Sequence[Series]) -> np.ndarray:
    """Dodges of series of which several stand at one category."""
    crowd = max(Counter(x for own in series for x in {*own.x}).values(), default=0)
    if not panel.categories or crowd < 2:
        return np.zeros(len(series))
    if crowd > MOST_SERIES:
        raise InputError(
            f"{crowd} series are side by side over {panel.xlabel}; expected at most {MOST_SERIES}"
        )
    return dodges(len(series))


def _bar_places(number: int) -> np.ndarray:
    if number > MOST_SERIES:
        raise InputError(f"{number} bars are in one category; expected at most {MOST_SERIES}")
    return dodges(number, step=2 * _MOST_DODGE)


def _bar_width(number: int) -> float:
    return _BAR * 2 * _MOST_DODGE / max(number - 1, 1) * (1 if number > 1 else 1.5)


def _draw_line(
    axis: Axes,
    series: Series,
    panel: Panel,
    shift: float,
    look: Look,
    color: str,
    theme: Theme,
) -> Line2D:
    x, y = np.array(series.x, float) + shift, np.array(series.y, float)
    bars = [
        (place, low, high)
        for place, low, high in zip(x, series.low, series.high, strict=False)
        if low is not None and high is not None
    ]
    if bars:
        places, low, high = np.array(bars).T
        spans = axis.hlines if panel.is_sideways else axis.vlines
        spans(places, low, high, color=color, linewidth=0.8, alpha=0.8)
    [line] = axis.plot(
        *((y, x) if panel.is_sideways else (x, y)),
        color=color,
        marker=look.marker if series.kind in ("line", "points") else "",
        linestyle={"points": "none", "dotted": _DOTS}.get(series.kind, look.dash),
        clip_on=not x.size,  # without points it would reach to the page's corner
        fillstyle="none" if series.is_hollow else look.fill,
        markerfacecoloralt=theme.ground or "none",
    )
    return line


def _draw_bars(
    axis: Axes, series: Series, panel: Panel, shift: float, width: float, color: str
) -> BarContainer:
    draw = axis.barh if panel.is_sideways else axis.bar
    return draw(np.array(series.x) + shift, series.y, width, color=color)


def _draw_stack(
    axis: Axes, series: Series, panel: Panel, left: np.ndarray, place: int, theme: Theme
) -> BarContainer:
    """Draw bars behind those before; `left` is moved to their ends."""
    draw = axis.barh if panel.is_sideways else axis.bar
    at = np.array(series.x, int)
    bars = draw(at, series.y, 0.6, left[at], edgecolor=theme.ink, linewidth=0.6)
    opacity, hatch = _PARTS[place % len(_PARTS)]
    for bar in bars:
        bar.set_facecolor((theme.ink, opacity))
        bar.set_hatch(hatch)
    left[at] += series.y
    return bars
