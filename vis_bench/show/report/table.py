"""Tables of the page, whose cells know what they are sorted by, and cells of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.metrics.bootstrap import percentile_interval
from vis_bench.metrics.compare import difference_of
from vis_bench.show.tables.model import ABSENT

# The two sides of a comparison.
LETTERS = ("A", "B")


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: as printed.
        order: sorting key; None sorts last in both directions.
        detail: smaller text behind it, such as an interval.
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
    """A column; `hint` explains its title."""

    title: str
    is_number: bool = True
    hint: str = ""


@dataclass(frozen=True)
class Table:
    """A table; `caption` names it for screen readers, too."""

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
    """A number divided by its unit."""
    return Cell(ABSENT) if number is None else Cell(f"{number / unit:.{digits}f}", number)


def points(fraction: float, *, shaded: bool = False) -> Cell:
    """A fraction in points of 100."""
    if math.isnan(fraction):
        return Cell(ABSENT)
    text = f"{100 * fraction:.1f}".replace("-0.0", "0.0")
    return Cell(text, fraction, shade=fraction if shaded else None)


def interval(values_S: np.ndarray) -> Cell:
    """The first sample's number, with the 95 % percentile interval of the others."""
    if np.isnan(values_S[0]):
        return Cell(ABSENT)
    ends = percentile_interval(values_S[1:])
    return Cell(f"{100 * values_S[0]:.1f}", float(values_S[0]), _range(ends, "{:.1f}"))


def difference(first_S: np.ndarray, second_S: np.ndarray) -> tuple[Cell, Cell]:
    """The difference of two sides with its paired 95 % interval, and its p-value."""
    moved = difference_of(first_S, second_S)
    if moved.difference is None:
        return Cell(ABSENT), Cell(ABSENT)
    ends = None if moved.low is None or moved.high is None else (moved.low, moved.high)
    cell = Cell(_signed(moved.difference), moved.difference, _range(ends, "{:+.1f}"))
    p_value = moved.p_value
    return cell, Cell(ABSENT) if p_value is None else Cell(f"{p_value:.3f}", p_value)


def change(fraction: float, contrast: float = 1.0) -> Cell:
    """A difference without an interval, shaded in proportion up to the darkest shade."""
    if math.isnan(fraction):
        return Cell(ABSENT)
    return Cell(_signed(fraction), fraction, shade=max(-1.0, min(1.0, contrast * fraction)))


def _signed(fraction: float) -> str:
    """A difference in points; zero has no sign."""
    text = f"{100 * fraction:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def _range(ends: tuple[float, float] | None, form: str) -> str:
    """An interval in points."""
    return "" if ends is None else " to ".join(form.format(100 * end) for end in ends)
