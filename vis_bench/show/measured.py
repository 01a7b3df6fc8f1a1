"""The table of all records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vis_bench.record.metrics import SHOWN
from vis_bench.record.names import display_names
from vis_bench.record.schema import Record
from vis_bench.table.labels import LABELS, key_remarks, labels, measured_order
from vis_bench.table.model import Column, Entry, Page, Table
from vis_bench.table.number_format import (
    entry_of,
    has_devices,
    interval_remarks,
    metric_column,
    num_timed_videos,
    plain,
)
from vis_bench.text import count


def measured_page(records: Sequence[Record]) -> Page:
    """Every record as a row of printable cells, sorted by data set, method and clip.

    The device has a column where it is not the same in all rows.
    """
    rows = sorted(records, key=measured_order)
    device = [Column("Device", numeric=False, joined=", ")] if has_devices(rows) else []
    lines = [
        (
            *map(Entry, labels(label, record)),
            *([Entry(plain(record.device))] if device else []),
            *(entry_of(record, metric) for metric in SHOWN),
        )
        for label, record in zip(display_names(rows), rows, strict=True)
    ]
    columns = (*LABELS, *device, *map(metric_column, SHOWN))
    remarks = (*interval_remarks(rows), *key_remarks(rows))
    return Page("", (Table(columns, tuple(lines)),), {}, remarks)


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
