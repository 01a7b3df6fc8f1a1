"""Tables of the measurements that have no section of their own on the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vis_bench.measures.registry import MEASURES
from vis_bench.record.schema import Record
from vis_bench.show.report.table import Cell, Heading, Table
from vis_bench.table import model

# `costs` and `streaming` show these side by side, with charts.
OWN_SECTIONS = {"speed", "streaming"}


@dataclass(frozen=True)
class Section:
    """The page of one measurement."""

    title: str
    tables: Sequence[Table]
    remarks: Sequence[str]


def other_sections(records: Sequence[Record | None]) -> list[Section]:
    """A section for each measurement that any of the records holds."""
    known = [record for record in records if record is not None]
    pages = [
        page
        for name, measure in MEASURES.items()
        if name not in OWN_SECTIONS and (page := measure.shown(known))
    ]
    return [
        Section(page.title, [_table(page.title, table) for table in page.tables], page.remarks)
        for page in pages
    ]


def _table(title: str, table: model.Table) -> Table:
    headings = [Heading(column.full_title, column.numeric) for column in table.columns]
    rows = [[_cell(entry) for entry in row] for row in table.rows]
    return Table(title, headings, rows)


def _cell(entry: model.Entry) -> Cell:
    try:
        order: float | str = float(entry.text.replace(",", ""))
    except ValueError:
        order = entry.text.casefold()
    return Cell(entry.text, order, entry.interval_text)
