"""The table of all records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vis_bench.data.categories import dataset_title
from vis_bench.record.metrics import SHOWN
from vis_bench.record.names import backbone_title, display_names, marked_labels, tie_break
from vis_bench.record.schema import Record
from vis_bench.show.number_format import (
    entry_of,
    has_devices,
    interval_remarks,
    metric_column,
    num_timed_videos,
    plain,
    stride_text,
)
from vis_bench.show.tables.model import Column, Entry, Page, Table
from vis_bench.text import count

LABELS = (
    Column("Method", numeric=False),
    Column("Backbone", numeric=False, context="backbone {}", joined=", "),
    Column("Data", numeric=False, context="{}", joined=", "),
    Column("Videos", context="{} videos", weight=10),
    Column("Clip"),
    Column("Stride", joined="/"),
    Column("Resolution", context="resolution {}", weight=9),
)


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


def key_remarks(records: Sequence[Record], among: Sequence[Record] = ()) -> tuple[str, ...]:
    """A sentence with the names that the records' files have for the rows; empty for none.

    Args:
        among: further records, from which the labels must differ.
    """
    labels = display_names([*records, *among]), marked_labels([*records, *among])
    pairs = list(zip(*labels, strict=True))[: len(records)]
    names = {name: key for name, key in pairs if name != key}
    listed = "; ".join(f"{name}: {key}" for name, key in names.items())
    return (f"Names in the records: {listed}.",) if names else ()


def labels(subject: str, record: Record) -> list[str]:
    """A row's entries of `LABELS`."""
    data = f"{dataset_title(record.dataset)} {record.split}"
    numbers = plain(record.num_videos), plain(record.clip_length), stride_text(record)
    return [subject, backbone_title(record.backbone), data, *numbers, plain(record.resolution)]


def measured_order(record: Record) -> tuple:
    """Sort key: data set, method, and clip from whole videos down to short clips."""
    length = record.clip_length
    size = -length if isinstance(length, int) else 0
    return (
        record.dataset, record.split, record.method, record.backbone or "",
        length != "whole", size, record.clip_stride or 0, str(record.resolution),
        tie_break(record),
    )  # fmt: skip


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
