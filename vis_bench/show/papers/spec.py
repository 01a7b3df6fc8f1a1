"""What a paper's table consists of: labeled rows, figure columns, and what a record must hold to
stand in a cell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vis_bench.records.metrics import Metric

# Key of a record (or `options.<name>`) -> the value it must have, or a tuple of allowed ones.
Where = Mapping[str, object]


@dataclass(frozen=True)
class FigureColumn:
    """A column of figures. `where` holds for every measurement in it."""

    title: str
    metric: Metric
    group: str = ""
    where: Where = field(default_factory=dict)


@dataclass(frozen=True)
class PaperRow:
    """A row: its labels, its measurements' conditions, its published figures, one per column.

    `source` is a key of the published sources; None for a row that only the bundled models have.
    """

    labels: tuple[str, ...]
    where: Where
    published: tuple[float | None, ...]
    source: str | None


@dataclass(frozen=True)
class PaperTable:
    """A table of a paper.

    `where` holds for every measurement. `data` names what the published figures were measured on,
    as a reader reads it; `dataset` and `split` as a record does. `mini_rows` are the rows that the
    bundled mini models have on `mini_dataset`; their `published` is empty.
    """

    name: str
    title: str
    data: str
    dataset: str
    split: str
    where: Where
    label_titles: tuple[str, ...]
    columns: tuple[FigureColumn, ...]
    rows: tuple[PaperRow, ...]
    mini_rows: tuple[PaperRow, ...] = ()
    mini_dataset: str = "synthetic"
    remarks: tuple[str, ...] = ()


def rows_where(rows: Sequence[PaperRow], **conditions: object) -> tuple[PaperRow, ...]:
    """The rows with further conditions."""
    return tuple(replace(row, where={**row.where, **conditions}) for row in rows)


def mini_rows_of(rows: Sequence[PaperRow], training: str | None = None) -> tuple[PaperRow, ...]:
    """The same rows for the bundled mini models, of which nothing is published.

    Args:
        training: what their records say of it; nothing unless they are an ablation's.
    """
    mini = rows_where(rows, backbone="mini", training=training)
    return tuple(replace(row, published=(), source=None) for row in mini)


@dataclass(frozen=True)
class Measurement:
    """A measured figure as printed, and what it was measured on.

    `comparable` is False where its difference to a published figure would say nothing. `interval`:
    the ends of the figure's interval.
    """

    text: str
    conditions: str
    comparable: bool = True
    interval: tuple[str, str] | None = None


# What has been measured for a row and a column.
Lookup = Callable[[PaperRow, FigureColumn], Measurement | None]
