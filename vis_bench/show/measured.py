"""The table of all records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from vis_bench.grouping import grouped
from vis_bench.record.metrics import SHOWN
from vis_bench.record.names import method_title
from vis_bench.record.schema import Record
from vis_bench.table.labels import cell_columns, measured_order
from vis_bench.table.model import Page, Table
from vis_bench.table.number_format import (
    entry_of,
    interval_remarks,
    metric_column,
)


def measured_page(records: Sequence[Record]) -> Page:
    """Every record as a row of printable cells, sorted by data set, method and clip."""
    rows = sorted(records, key=measured_order)
    values = [
        (metric_column(metric, rows), [entry_of(row, metric) for row in rows]) for metric in SHOWN
    ]
    table = Table.of_columns([*cell_columns(rows), *values])
    remarks = (*order_remarks(rows), *interval_remarks(rows))
    return Page("", (table,), {}, remarks)


def order_remarks(records: Iterable[Record]) -> tuple[str, ...]:
    """Name the methods of which the clips of highest HOTA have a lower AP than the best, with
    intervals that lie apart.
    """
    names = sorted(set(_disagreeing(records)))
    if not names:
        return ()
    return (
        "AP and HOTA differ on the best clips, with AP's intervals apart, for "
        f"{' and '.join(names)}: docs/evaluate.md has the reason, under AP and HOTA.",
    )


def _disagreeing(records: Iterable[Record]) -> Iterator[str]:
    """Titles of the methods, once for each model whose best clips differ in the two metrics."""

    def model_of(record: Record) -> tuple:
        weights, data = record.weights_sha256, record.annotations_sha256
        return record.method, weights, data, record.num_videos, record.resolution

    known = [record for record in records if record.ap is not None and record.hota is not None]
    for group in grouped(known, model_of).values():
        by_ap = max(group, key=lambda record: record.ap or 0.0)
        by_hota = max(group, key=lambda record: record.hota or 0.0)
        if (by_hota.ap_high or 1.0) < (by_ap.ap_low or 0.0):
            yield method_title(by_ap.method)
