"""Sortable tables of the page, and cells of numbers."""

from __future__ import annotations

import math
import re
from dataclasses import replace

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


def points(
    fraction: float | None,
    ends: tuple[float, float] | None = None,
    *,
    signed: bool = False,
    contrast: float | None = None,
) -> Entry:
    """A fraction or a difference in points of 100, with the ends of its interval.

    Args:
        contrast: shades it in proportion, up to the darkest shade.
    """
    if fraction is None or math.isnan(fraction):
        return Entry(ABSENT)
    shade = None if contrast is None else max(-1.0, min(1.0, contrast * fraction))
    entry = number_format.points_entry(fraction, ends, signed=signed)
    return replace(entry, order=fraction, shade=shade)


def p_entry(p_value: float | None) -> Entry:
    """A p-value."""
    return Entry(number_format.p_text(p_value), order=p_value)
