"""Sections of a report: the page of each measurement, with the records' rows side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from vis_bench.charts import draw_each_inline
from vis_bench.measures.comparison import POINTS, Comparison
from vis_bench.measures.measure import Measure
from vis_bench.measures.registry import MEASURES
from vis_bench.record.schema import Record, SubjectFields
from vis_bench.show.record_charts import NAMED_SIZE
from vis_bench.show.report.plots import colored
from vis_bench.show.report.sides import LETTERS, methods_of
from vis_bench.table.fit import fit_page
from vis_bench.table.labels import without_cell_columns
from vis_bench.table.model import ABSENT, Column, Entry, Page, Table

_SIDE = Column("", numeric=False, hint="subject")
_MOST = 16  # columns of a table that may be scrolled


@dataclass(frozen=True)
class Section:
    """A measurement in a report.

    Attributes:
        cautions: sentences on sides without it, and on values that cannot be compared.
        charts: in the colors of the sides.
    """

    name: str
    page: Page
    cautions: Sequence[str]
    charts: Sequence[Markup]


def sections(records: Sequence[Record | None]) -> list[Section]:
    """A section for each measurement that any of the records holds, and that has a page."""
    return [
        Section(name, page, _cautions(measure, records), measurement_charts(name, records))
        for name, measure in MEASURES.items()
        if (page := side_by_side(measure, records)) is not None
    ]


def not_measured(records: Sequence[Record | None]) -> list[str]:
    """Names of the measurements that would have a section, but that no record holds."""
    known = [record for record in records if record is not None]
    return [
        name
        for name, measure in MEASURES.items()
        if measure.page is not None and not any(map(measure.is_in, known))
    ]


def side_by_side(measure: Measure, records: Sequence[Record | None]) -> Page | None:
    """The measurement's page, in which a letter stands for the labels of a cell; of two records the
    rows of A come first. None where no record holds the measurement.

    The columns are those of all records together, the rows those of each alone.
    """
    page = measure.shown([record for record in records if record is not None])
    if page is None:
        return None
    sides = [None if record is None else measure.shown([record]) for record in records]
    tables = tuple(_beside(place, page, sides) for place in range(len(page.tables)))
    return fit_page(replace(page, tables=tables), own_intervals=False, most=_MOST)


def _beside(place: int, page: Page, sides: Sequence[Page | None]) -> Table:
    """A table of the page, with the rows of each side's own; of two sides, under its letter."""
    table, is_pair = page.tables[place], len(sides) == 2
    columns = {column.name: column for column in table.columns}
    rows = [
        [*[Entry(letter)] * is_pair, *(entries.get(name, Entry(ABSENT)) for name in columns)]
        for letter, side in zip(LETTERS, sides, strict=False)
        for entries in _rows_by_name(side, place)
    ]
    heads = [*[_SIDE] * is_pair, *columns.values()]
    return without_cell_columns(Table.of(heads, rows, table.data or page.title))


def _rows_by_name(page: Page | None, place: int) -> list[dict[str, Entry]]:
    """The rows of a table of the page, if it has so many."""
    if page is None or place >= len(page.tables):
        return []
    names = [column.name for column in page.tables[place].columns]
    return [dict(zip(names, row, strict=True)) for row in page.tables[place].rows]


def measurement_charts(name: str, records: Sequence[Record | None]) -> list[Markup]:
    """The charts of a measurement, in the colors of the sides; empty where no record has one.

    Args:
        records: of each side; of two, each is drawn under its letter.
    """
    known = [record for record in records if record is not None]
    if len(records) == 2:
        # Alike in all that labels are made of, so that the letter is the whole label.
        alike = {field: getattr(known[0], field) for field in SubjectFields.model_fields}
        alike |= {"clip_length": None, "clip_stride": None, "reconstruction": False}
        known = [
            record.model_copy(update={**alike, "method": letter})
            for letter, record in zip(LETTERS, records, strict=True)
            if record is not None
        ]
    methods = methods_of(records)
    panels = [colored(panel, methods) for panel in MEASURES[name].charted(known)]
    return draw_each_inline(panels, name, size=NAMED_SIZE, methods=methods)


def _cautions(measure: Measure, records: Sequence[Record | None]) -> list[str]:
    """Sentences on the side without the measurement, or on what cannot be compared."""
    if len(records) < 2:
        return []
    sides = zip(LETTERS, records, strict=True)
    held = {x: own for x, own in sides if own is not None and measure.is_in(own)}
    if len(held) < len(records):
        return [f"Measured for {letter} only." for letter in held]
    first, second = held.values()
    return [
        f"{c.figure} cannot be compared ({c.change}): {c.baseline} in A, {c.current} in B."
        for c in outcomes(measure, first, second)
        if c.verdict == "not compared"
    ]


def outcomes(measure: Measure, first: Record, second: Record) -> list[Comparison]:
    """Compare the figures of a measurement, which two methods may have by other kernels."""
    first, second = (r.model_copy(update={"kernel_build": None}) for r in (first, second))
    return list(measure.compare(first, second, POINTS))
