"""Pages of the measurements that have no section of their own in a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vis_bench.measures.registry import MEASURES
from vis_bench.record.schema import Record
from vis_bench.table.fit import fit_page
from vis_bench.table.model import Page

# `costs` and `streaming` show these side by side, with charts.
OWN_SECTIONS = {"speed", "streaming"}
_MOST = 16  # columns of a table that may be scrolled


def other_pages(records: Sequence[Record | None]) -> list[Page]:
    """The page of each measurement that any of the records holds, without what all rows share."""
    known = [record for record in records if record is not None]
    pages = [measure.shown(known) for name, measure in MEASURES.items() if name not in OWN_SECTIONS]
    return [
        _titled(fit_page(page, own_intervals=False, most=_MOST))
        for page in pages
        if page is not None
    ]


def _titled(page: Page) -> Page:
    """The page whose tables have its title as caption."""
    return replace(page, tables=tuple(replace(t, data=t.data or page.title) for t in page.tables))
