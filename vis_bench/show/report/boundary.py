"""AP by masks against AP by masks and their boundaries, as a chart and in words."""

from __future__ import annotations

import numpy as np

from vis_bench.charts import Panel, Series
from vis_bench.metrics.analyse import Analysis
from vis_bench.metrics.compare import Difference, difference_of
from vis_bench.record.metrics import AP, AP50, AP75, BOUNDARY_AP
from vis_bench.show.report.numbers import Number
from vis_bench.show.report.sides import LETTERS, Sides
from vis_bench.table.number_format import points, range_text

_SHOWN = (AP, AP50, AP75)


def boundary_panel(sides: Sides) -> Panel | None:
    """Boundary AP over AP, over all IoU thresholds and at 0.5 and 0.75, in points; None where one
    was not measured.
    """
    if not _measured(sides):
        return None
    series = [_series(letter, own) for letter, own in zip(LETTERS, sides.samples, strict=False)]
    equal = Series("as good as masks", "", (0.0, 100.0), (0.0, 100.0), kind="dotted")
    texts = [
        f"{points(own.overall[BOUNDARY_AP.field][0])} of AP {points(own.overall[AP.field][0])}"
        for own in sides.samples
    ]
    return Panel(
        "",
        AP.title,
        BOUNDARY_AP.title,
        (*series, equal),
        xticks=tuple(map(float, range(0, 101, 20))),
        xlim=(0.0, 102.0),
        ylim=(0.0, 102.0),
        names="legend" if sides.is_pair else "none",
        alt=f"Boundary AP over AP: {' and '.join(texts)}.",
    )


def boundary_findings(sides: Sides) -> list[str]:
    """Sentences on what boundaries cost each side, and whether they cost one of two more; none
    where one was not measured.
    """
    if not _measured(sides):
        return []
    letters = [f" of {letter}" if letter else "" for letter in sides.letters]
    found = [
        _cost_text(letter, own, sides.num_videos)
        for letter, own in zip(letters, sides.samples, strict=True)
    ]
    if sides.is_pair:
        first_S, second_S = map(_cost, sides.samples)
        found.append(_contrast_text(difference_of(first_S, second_S, sides.num_videos)))
    return found


def _measured(sides: Sides) -> bool:
    """True where every side has both values."""
    return all(
        not np.isnan(own.overall.get(metric.field, np.array([np.nan]))[0])
        for own in sides.samples
        for metric in (AP, BOUNDARY_AP)
    )


def _series(letter: str, own: Analysis) -> Series:
    """The points of one side, with the intervals of boundary AP."""
    narrow = [own.overall[f"boundary_{metric.field}"] for metric in _SHOWN]
    return Series.of(
        letter,
        letter,
        [100 * float(own.overall[metric.field][0]) for metric in _SHOWN],
        [Number("", [values_S], own.num_videos).drawn for values_S in narrow],
        kind="points",
        labels=tuple(metric.title for metric in _SHOWN),
    )


def _cost(own: Analysis) -> np.ndarray:
    """AP minus boundary AP, (S,)."""
    return own.overall[AP.field] - own.overall[BOUNDARY_AP.field]


def _cost_text(of: str, own: Analysis, num_videos: int) -> str:
    moved = difference_of(own.overall[AP.field], own.overall[BOUNDARY_AP.field], num_videos)
    values = f"{points(moved.first)} by masks and {points(moved.second)} by boundaries"
    return f"AP{of} is {values}, {_in_words(moved, 'lower', 'higher')}."


def _contrast_text(moved: Difference) -> str:
    found = _in_words(moved, "less", "more")
    return f"What boundaries cost B, compared with what they cost A: {found}."


def _in_words(moved: Difference, fall: str, rise: str) -> str:
    """A difference with its interval, and its direction where the interval has one."""
    if moved.interval is None:
        return f"a difference of {points(moved.difference, signed=True)} points without an interval"
    low, high = moved.interval
    ends = f"95 %: {range_text(low, high, signed=True)}"
    if low <= 0 <= high:
        size = points(moved.difference, signed=True)
        return f"no measurable difference ({size} points, {ends})"
    return f"{points(abs(moved.difference or 0.0))} points {rise if low > 0 else fall} ({ends})"
