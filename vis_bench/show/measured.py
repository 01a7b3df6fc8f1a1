"""The table of all records."""

from __future__ import annotations

from collections.abc import Sequence

from vis_bench.records.metrics import SHOWN
from vis_bench.records.names import marked_labels, tie_break
from vis_bench.records.schema import Record
from vis_bench.show.number_format import (
    entry_of,
    has_devices,
    interval_remarks,
    metric_column,
    plain,
)
from vis_bench.show.tables.model import Column, Entry, Page, Table

_LABELS = ("Method", "Backbone", "Data", "Videos", "Clip", "Stride", "Resolution")
_NUMBERS = ("Videos", "Clip", "Stride", "Resolution")


def measured_page(records: Sequence[Record]) -> Page:
    """Every record as a row of printable cells, sorted by data set, method and clip.

    The device has a column where it is not the same in all rows.
    """
    rows = sorted(records, key=measured_order)
    devices = [plain(record.device) for record in rows] if has_devices(rows) else []
    columns = [
        *(Column(title, numeric=title in _NUMBERS) for title in _LABELS),
        *map(metric_column, SHOWN),
        *([Column("Device", numeric=False)] if devices else []),
    ]
    lines = [
        (
            *map(Entry, _labels(label, record)),
            *(entry_of(record, metric) for metric in SHOWN),
            *map(Entry, devices[place : place + 1]),
        )
        for place, (label, record) in enumerate(zip(marked_labels(rows), rows, strict=True))
    ]
    return Page("", (Table(tuple(columns), tuple(lines)),), {}, interval_remarks(rows))


def _labels(subject: str, record: Record) -> list[str]:
    values = (
        record.num_videos, record.clip_length, record.clip_stride, record.resolution,
    )  # fmt: skip
    data = f"{record.dataset} {record.split}"
    return [subject, plain(record.backbone), data, *map(plain, values)]


def measured_order(record: Record) -> tuple:
    """Sort key: data set, method, and clip from whole videos down to short clips."""
    length = record.clip_length
    size = -length if isinstance(length, int) else 0
    return (
        record.dataset, record.split, record.method, record.backbone or "",
        length != "whole", size, record.clip_stride or 0, str(record.resolution),
        tie_break(record),
    )  # fmt: skip
