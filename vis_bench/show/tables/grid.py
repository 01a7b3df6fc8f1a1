"""What a table holds before it has a format: columns, entries, emphasis and footnotes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Mark = Literal["best", "second"]
ABSENT = "-"


@dataclass(frozen=True)
class Column:
    """One column. `group` stands above neighboring columns that share it.

    `has_interval`: its entries may have one; CSV and JSON give its ends columns of their own.
    """

    title: str
    group: str = ""
    numeric: bool = True
    has_interval: bool = False

    @property
    def full_title(self) -> str:
        """The title with its group, for formats without a second header line."""
        return f"{self.group} {self.title}".strip()

    @property
    def value_titles(self) -> tuple[str, ...]:
        """The titles of what `Entry.values` gives."""
        ends = ("low", "high") if self.has_interval else ()
        return (self.full_title, *(f"{self.full_title} {end}" for end in ends))


@dataclass(frozen=True)
class Entry:
    """One cell's text.

    `mark`: whether it is the best or second best of its column. `notes`: keys of the page's
    footnotes. `repeats`: the text is that of the entry above, and only formats whose rows stand
    alone show it again. `interval`: the ends of the figure's interval, numbers as printed.
    """

    text: str
    mark: Mark | None = None
    notes: tuple[str, ...] = ()
    repeats: bool = False
    interval: tuple[str, str] | None = None

    @property
    def interval_text(self) -> str:
        """What stands behind the text: the interval in brackets, or nothing."""
        return "" if self.interval is None else f" ({' to '.join(self.interval)})"

    def values(self, column: Column) -> tuple[str, ...]:
        """The text and, where the column has intervals, their ends, as values of their own."""
        ends = self.interval or (ABSENT, ABSENT)
        return (self.text, *ends) if column.has_interval else (self.text,)


@dataclass(frozen=True)
class Grid:
    """One table. `data` names the data set that its figures belong to, where there is only one.

    `num_labels` leading columns say what a row is about; the others hold figures.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Entry, ...], ...]
    data: str = ""
    num_labels: int = 0

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row has {len(row)} entries for {len(self.columns)} columns")


@dataclass(frozen=True)
class Page:
    """Tables under one title, with footnotes by key and remarks below them."""

    title: str
    grids: tuple[Grid, ...]
    footnotes: Mapping[str, str]
    remarks: tuple[str, ...] = ()


def grid_of(
    columns: Sequence[Column], rows: Iterable[Sequence[str | Entry]], num_labels: int = 0
) -> Grid:
    """A grid whose entries may be given as bare text."""
    entries = (tuple(Entry(e) if isinstance(e, str) else e for e in row) for row in rows)
    return Grid(tuple(columns), tuple(entries), num_labels=num_labels)


def rank_marks(texts: Sequence[str | None], *, higher_is_better: bool = True) -> list[Mark | None]:
    """Which of a column's printed numbers are best and second best.

    Equal numbers share a mark; None is passed over. A column with a single distinct number has
    nothing to mark.
    """
    numbers = [None if text is None else float(text) for text in texts]
    distinct = sorted({n for n in numbers if n is not None}, reverse=higher_is_better)
    if len(distinct) < 2:
        return [None] * len(numbers)
    places: dict[float, Mark] = {distinct[0]: "best", distinct[1]: "second"}
    return [None if number is None else places.get(number) for number in numbers]


def page_json(page: Page) -> dict[str, object]:
    """The page in plain types: each table's rows as mappings of full column titles to texts."""
    return {
        "title": page.title,
        "tables": [
            {"data": grid.data, "rows": [_row_json(grid, row) for row in grid.rows]}
            for grid in page.grids
        ],
        "footnotes": dict(page.footnotes),
        "remarks": list(page.remarks),
    }


def _row_json(grid: Grid, row: tuple[Entry, ...]) -> dict[str, object]:
    texts = {
        title: text
        for column, entry in zip(grid.columns, row, strict=True)
        for title, text in zip(column.value_titles, entry.values(column), strict=True)
    }
    return {**texts, "notes": list(dict.fromkeys(key for entry in row for key in entry.notes))}
