"""Sortable tables of the page, and cells of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.metrics.compare import difference_of
from vis_bench.metrics.half_samples import interval_of
from vis_bench.table import number_format
from vis_bench.table.model import ABSENT

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
        links: texts behind it, each with an id on the page.
    """

    text: str
    order: float | str | None = None
    detail: str = ""
    shade: float | None = None
    link: str = ""
    links: Sequence[tuple[str, str]] = ()


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
    return Cell(number_format.number(number, digits, unit), number)


def points(fraction: float, *, shaded: bool = False) -> Cell:
    """A fraction in points of 100."""
    if math.isnan(fraction):
        return Cell(ABSENT)
    shade = fraction if shaded else None
    return Cell(number_format.points(fraction), fraction, shade=shade)


def interval(values_S: np.ndarray, num_videos: int) -> Cell:
    """The number of all videos, with its 95 % interval."""
    if np.isnan(values_S[0]):
        return Cell(ABSENT)
    ends = interval_of(values_S, num_videos) or (None, None)
    value = float(values_S[0])
    return Cell(number_format.points(value), value, number_format.range_text(*ends))


def difference(sides: Sequence[np.ndarray], num_videos: int) -> tuple[Cell, Cell]:
    """The difference of two sides with its paired 95 % interval, and its p-value."""
    first_S, second_S = sides
    moved = difference_of(first_S, second_S, num_videos)
    if moved.difference is None:
        return Cell(ABSENT), Cell(ABSENT)
    text = number_format.points(moved.difference, signed=True)
    detail = number_format.range_text(moved.low, moved.high, signed=True)
    return Cell(text, moved.difference, detail), measured(moved.p_value, 3)


def change(fraction: float, contrast: float = 1.0) -> Cell:
    """A difference without an interval, shaded in proportion up to the darkest shade."""
    if math.isnan(fraction):
        return Cell(ABSENT)
    text = number_format.points(fraction, signed=True)
    return Cell(text, fraction, shade=max(-1.0, min(1.0, contrast * fraction)))
