"""Pages of the measurements that have no section of their own in a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from markupsafe import Markup

from vis_bench.charts import draw_inline
from vis_bench.measures.registry import MEASURES
from vis_bench.record.schema import Record
from vis_bench.show.report.table import LETTERS
from vis_bench.table.fit import fit_page
from vis_bench.table.model import Page

# `costs` and `streaming` show these side by side, with charts.
OWN_SECTIONS = {"speed", "streaming"}
_MOST = 16  # columns of a table that may be scrolled


def other_pages(records: Sequence[Record | None]) -> list[Page]:
    """The page of each measurement that any of the records holds, without what all rows share, and
    with its chart.
    """
    known = [record for record in records if record is not None]
    pages = []
    for name, measure in MEASURES.items():
        if name not in OWN_SECTIONS and (page := measure.shown(known)):
            fitting = fit_page(page, own_intervals=False, most=_MOST)
            pages.append(_titled(fitting, measurement_chart(name, records)))
    return pages


def measurement_chart(name: str, records: Sequence[Record | None]) -> Markup | None:
    """The chart of a measurement, in the colors of the sides; None where no record has one.

    Args:
        records: of each side; of two, each is drawn under its letter.
    """
    sides = zip(LETTERS, records, strict=False)
    known = [
        record.model_copy(update={"method": letter} if len(records) == 2 else {})
        for letter, record in sides
        if record is not None
    ]
    panels = MEASURES[name].charted(known)
    return draw_inline(panels, name) if panels else None


def _titled(page: Page, chart: Markup | None) -> Page:
    """The page whose tables have its title as caption, the first one below the chart."""
    tables = [replace(table, data=table.data or page.title) for table in page.tables]
    tables[:1] = [replace(table, charts=chart) for table in tables[:1]]
    return replace(page, tables=tuple(tables))
