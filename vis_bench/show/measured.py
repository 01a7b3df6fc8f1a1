"""The table of all records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vis_bench.record.metrics import SHOWN
from vis_bench.record.names import method_title
from vis_bench.record.schema import Record
from vis_bench.table.labels import cell_columns, key_remarks, measured_order
from vis_bench.table.model import Page, Table
from vis_bench.table.number_format import (
    entry_of,
    interval_remarks,
    metric_column,
    num_timed_videos,
)
from vis_bench.text import count


def measured_page(records: Sequence[Record]) -> Page:
    """Every record as a row of printable cells, sorted by data set, method and clip."""
    rows = sorted(records, key=measured_order)
    values = [
        (metric_column(metric, rows), [entry_of(row, metric) for row in rows]) for metric in SHOWN
    ]
    table = Table.of_columns([*cell_columns(rows), *values])
    remarks = (*order_remarks(rows), *interval_remarks(rows), *key_remarks(rows))
    return Page("", (table,), {}, remarks)


def order_remarks(records: Iterable[Record]) -> tuple[str, ...]:
    """Names the methods of which the clips of highest HOTA have a lower AP than the best, with
    intervals that lie apart.
    """
    groups: dict[tuple, list[Record]] = {}
    for record in records:
        if record.ap is not None and record.hota is not None:
            weights, data = record.weights_sha256, record.annotations_sha256
            model = record.method, weights, data, record.num_videos, record.resolution
            groups.setdefault(model, []).append(record)
    names = set()
    for group in groups.values():
        by_ap = max(group, key=lambda record: record.ap or 0.0)
        by_hota = max(group, key=lambda record: record.hota or 0.0)
        if (by_hota.ap_high or 1.0) < (by_ap.ap_low or 0.0):
            names.add(method_title(by_ap.method))
    if not names:
        return ()
    return (
        "AP and HOTA differ on the best clips, with AP's intervals apart, for "
        f"{' and '.join(sorted(names))}: docs/evaluate.md has the reason, under AP and HOTA.",
    )


def speed_remarks(records: Iterable[Record]) -> list[str]:
    """A sentence per region and machine on which FPS were timed."""
    groups: dict[tuple, list[Record]] = {}
    for record in records:
        if record.fps is not None:
            machine = record.timed_region, record.device, record.num_threads
            groups.setdefault(machine, []).append(record)
    remarks = []
    for (region, device, threads), group in groups.items():
        videos = [number for record in group if (number := num_timed_videos(record)) is not None]
        low, high = min(videos, default=0), max(videos, default=0)
        numbers = count(high, "video") if low == high else f"{low} to {high} videos"
        on = f" on {numbers}" if len(videos) == len(group) else ""
        cores = "" if threads is None else f", {count(threads, 'thread')}"
        of = f" of {count(len(group), 'row')}" if len(groups) > 1 else ""
        over = (region or "an unknown region").replace("+", " and ").replace("_", " ")
        remarks.append(f"FPS{of} timed over {over}{on} ({device or 'unknown device'}{cores}).")
    return remarks
