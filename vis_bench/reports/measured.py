"""The table of everything that has been measured, byte for byte the same each time."""

from __future__ import annotations

from collections.abc import Sequence

from vis_bench.records.labels import marked_labels
from vis_bench.records.metrics import SHOWN
from vis_bench.records.order import tie_break
from vis_bench.records.schema import Record
from vis_bench.reports.figures import entry_of, interval_remarks, metric_column, plain
from vis_bench.tables.grid import Column, Entry, Grid, Page

_LABELS = ("Method", "Backbone", "Data", "Videos", "Clip", "Stride", "Resolution")
_NUMBERS = ("Videos", "Clip", "Stride", "Resolution")


def measured_table(records: Sequence[Record]) -> Page:
    """Every record as a row of printable cells, sorted by data set, method and clip."""
    rows = sorted(records, key=measured_order)
    columns = [
        *(Column(title, numeric=title in _NUMBERS) for title in _LABELS),
        *map(metric_column, SHOWN),
    ]
    lines = [
        (*map(Entry, _labels(label, record)), *(entry_of(record, metric) for metric in SHOWN))
        for label, record in zip(marked_labels(rows), rows, strict=True)
    ]
    return Page("", (Grid(tuple(columns), tuple(lines)),), {}, interval_remarks(rows))


def _labels(subject: str, record: Record) -> list[str]:
    values = (
        record.num_videos, record.clip_length, record.clip_stride, record.resolution,
    )  # fmt: skip
    data = f"{record.dataset} {record.split}"
    return [subject, plain(record.backbone), data, *map(plain, values)]


def measured_order(record: Record) -> tuple:
    """By data set, method and clip, whole videos first; the longer clip before the shorter."""
    length = record.clip_length
    size = -length if isinstance(length, int) else 0
    return (
        record.dataset, record.split, record.method, record.backbone or "",
        length != "whole", size, record.clip_stride or 0, str(record.resolution),
        tie_break(record),
    )  # fmt: skip
