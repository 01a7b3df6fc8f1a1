"""The table of everything that has been measured, byte for byte the same each time."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from vis_bench.records.labels import marked_labels
from vis_bench.records.metrics import SHOWN
from vis_bench.records.order import tie_break
from vis_bench.records.schema import Record
from vis_bench.reports.figures import figure, noise, plain


def measured_table(records: Sequence[Record]) -> pd.DataFrame:
    """Every record as a row of printable cells, sorted by data set, method and clip."""
    rows = sorted(records, key=measured_order)
    columns: dict[str, list[str]] = {
        "Method": marked_labels(rows),
        "Backbone": [plain(record.backbone) for record in rows],
        "Data": [f"{record.dataset} {record.split}" for record in rows],
        "Videos": [plain(record.num_videos) for record in rows],
        "Clip": [plain(record.clip_length) for record in rows],
        "Stride": [plain(record.clip_stride) for record in rows],
        "Resolution": [plain(record.resolution) for record in rows],
    }
    for metric in SHOWN:
        columns[metric.title] = [figure(record, metric) + noise(record, metric) for record in rows]
    return pd.DataFrame(columns)


def measured_order(record: Record) -> tuple:
    """By data set, method and clip, whole videos first; the longer clip before the shorter."""
    length = record.clip_length
    size = -length if isinstance(length, int) else 0
    return (
        record.dataset, record.split, record.method, record.backbone or "",
        length != "whole", size, record.clip_stride or 0, str(record.resolution),
        tie_break(record),
    )  # fmt: skip
