"""Labels of rows: columns that tell measured cells apart, and the order of the rows."""

from __future__ import annotations

from collections.abc import Sequence

from vis_bench.data.categories import dataset_title
from vis_bench.record.names import backbone_title, display_names, marked_labels, tie_break
from vis_bench.record.schema import Record
from vis_bench.table.model import Column
from vis_bench.table.number_format import plain, stride_text

LABELS = (
    Column("Method", numeric=False),
    Column("Backbone", numeric=False, context="backbone {}", joined=", "),
    Column("Data", numeric=False, context="{}", joined=", "),
    Column("Videos", context="{} videos", weight=10),
    Column("Clip"),
    Column("Stride", joined="/"),
    Column("Resolution", context="resolution {}", weight=9),
)


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
