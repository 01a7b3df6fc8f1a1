"""Sortable tables of the page, and cells of numbers."""

from __future__ import annotations

import math
import re

import numpy as np

from vis_bench.metrics.compare import Difference
from vis_bench.metrics.half_samples import interval_of
from vis_bench.table import number_format
from vis_bench.table.model import ABSENT, Column, Entry

# With marks of bounds before it, and any behind it.
_NUMBER = re.compile(r"[<≥]?([+-]?\d+(?:\.\d+)?)")


def order_of(column: Column, entry: Entry) -> float | str | None:
    """The sorting key of an entry; None sorts last in both directions."""
    if entry.order is not None:
        return entry.order
    if not column.numeric:
        return entry.text.casefold()
    number = _NUMBER.match(entry.text.replace(",", ""))
    return float(number[1]) if number else None


def words(text: str, link: str = "") -> Entry:
    """A text, sorted without regard to case."""
    return Entry(text, link=link)


def whole(number: int | None) -> Entry:
    """A whole number."""
    return Entry(ABSENT) if number is None else Entry(str(number), order=number)


def measured(number: float | None, digits: int, unit: float = 1.0) -> Entry:
    """A number divided by its unit."""
    return Entry(number_format.number(number, digits, unit), order=number)


def points(fraction: float, *, shaded: bool = False) -> Entry:
    """A fraction in points of 100."""
    if math.isnan(fraction):
        return Entry(ABSENT)
    shade = fraction if shaded else None
    return Entry(number_format.points(fraction), order=fraction, shade=shade)


def interval(values_S: np.ndarray, num_videos: int, num_holding: int | None = None) -> Entry:
    """The number of all videos, with its 95 % interval; `num_holding` as for `interval_of`."""
    if np.isnan(values_S[0]):
        return Entry(ABSENT)
    ends = interval_of(values_S, num_videos, num_holding=num_holding) or (None, None)
    value = float(values_S[0])
    return Entry(number_format.points(value), order=value, detail=number_format.range_text(*ends))


def p_entry(p_value: float | None) -> Entry:
    """A p-value."""
    return Entry(number_format.p_text(p_value), order=p_value)


def moved_entry(moved: Difference) -> Entry:
    """A difference with its paired 95 % interval."""
    if moved.difference is None:
        return Entry(ABSENT)
    text = number_format.points(moved.difference, signed=True)
    detail = number_format.range_text(moved.low, moved.high, signed=True)
    return Entry(text, order=moved.difference, detail=detail)


def change(fraction: float, contrast: float = 1.0) -> Entry:
    """A difference without an interval, shaded in proportion up to the darkest shade."""
    if math.isnan(fraction):
        return Entry(ABSENT)
    text = number_format.points(fraction, signed=True)
    return Entry(text, order=fraction, shade=max(-1.0, min(1.0, contrast * fraction)))
