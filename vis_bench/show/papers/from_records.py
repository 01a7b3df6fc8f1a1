"""Measurements of a paper's table, looked up among records."""

from __future__ import annotations

from collections.abc import Sequence

from vis_bench.records.schema import Record
from vis_bench.show.papers.conditions import describe_conditions, fits_published
from vis_bench.show.papers.matching import holds, pick
from vis_bench.show.papers.spec import (
    FigureColumn,
    Lookup,
    Measurement,
    PaperRow,
    PaperTable,
)


def record_lookup(table: PaperTable, records: Sequence[Record], dataset: str) -> Lookup:
    """Looks a cell up among the records of one data set."""
    fit = [r for r in records if r.dataset == dataset and holds(r, table.where)]

    def look_up(row: PaperRow, column: FigureColumn) -> Measurement | None:
        conditions = {**row.where, **column.where}
        record = pick((r for r in fit if holds(r, conditions)), column.metric, table)
        return None if record is None else _measurement(record, column, table)

    return look_up


def _measurement(record: Record, column: FigureColumn, table: PaperTable) -> Measurement:
    value = column.metric.of(record)
    assert value is not None, "`pick` chooses among records that hold the figure"
    return Measurement(
        column.metric.text(value),
        describe_conditions(record, table),
        comparable=fits_published(record, table),
        interval=column.metric.interval(record),
    )
