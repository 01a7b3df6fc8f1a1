"""A table as the page shows it: cells that say what they are sorted by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vis_bench.metrics.compare import Difference
from vis_bench.show.report.samples import Interval
from vis_bench.show.tables.model import ABSENT


@dataclass(frozen=True)
class Cell:
    """What a cell says.

    Attributes:
        text: as printed.
        order: what it is sorted by; None sorts last, whichever way.
        detail: smaller, behind the text, such as an interval.
        shade: -1..1, colors the cell; None for none.
        link: an id on the page.
    """

    text: str
    order: float | str | None = None
    detail: str = ""
    shade: float | None = None
    link: str = ""


@dataclass(frozen=True)
class Heading:
    """A column; `hint` says more than the title."""

    title: str
    is_number: bool = True
    hint: str = ""


@dataclass(frozen=True)
class Table:
    """A table; `caption` names it for those who do not see it."""

    caption: str
    headings: Sequence[Heading]
    rows: Sequence[Sequence[Cell]]


def words(text: str, link: str = "") -> Cell:
    """A text, sorted without regard to case."""
    return Cell(text, text.casefold(), link=link)


def whole(number: int | None) -> Cell:
    """A whole number."""
    return Cell(ABSENT) if number is None else Cell(str(number), number)


def measured(number: float | None, digits: int, unit: float = 1.0) -> Cell:
    """A figure divided by its unit."""
    return Cell(ABSENT) if number is None else Cell(f"{number / unit:.{digits}f}", number)


def points(fraction: float | None, *, shaded: bool = False) -> Cell:
    """A fraction in points of 100."""
    if fraction is None or math.isnan(fraction):
        return Cell(ABSENT)
    text = f"{100 * fraction:.1f}".replace("-0.0", "0.0")
    return Cell(text, fraction, shade=fraction if shaded else None)


def interval(number: Interval) -> Cell:
    """A fraction with its interval."""
    if number.value is None:
        return Cell(ABSENT)
    return Cell(f"{100 * number.value:.1f}", number.value, range_text(number.low, number.high))


def difference(number: Difference) -> Cell:
    """A difference with its interval."""
    if number.difference is None:
        return Cell(ABSENT)
    detail = range_text(number.low, number.high, signed=True)
    return Cell(signed(number.difference), number.difference, detail)


def signed(fraction: float) -> str:
    """A difference in points; nothing that rounds to zero has a sign."""
    text = f"{100 * fraction:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def range_text(low: float | None, high: float | None, *, signed: bool = False) -> str:
    """An interval in points."""
    if low is None or high is None:
        return ""
    form = "{:+.1f}" if signed else "{:.1f}"
    return f"{form.format(100 * low)} to {form.format(100 * high)}"
