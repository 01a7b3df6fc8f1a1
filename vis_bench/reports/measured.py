"""Tables of what has been measured: records in, text out, byte for byte the same each time."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from vis_bench.records.labels import marked_subjects
from vis_bench.records.order import tie_break
from vis_bench.records.record import Record
from vis_bench.tables.grid import ABSENT

# Column title with its unit -> (record field, what one unit of the column is in the record's unit,
# digits behind the point).
METRIC_COLUMNS = {
    "AP": ("ap", 0.01, 1),
    "AP50": ("ap50", 0.01, 1),
    "AP75": ("ap75", 0.01, 1),
    "AR1": ("ar1", 0.01, 1),
    "AR10": ("ar10", 0.01, 1),
    "FPS": ("fps", 1.0, 1),
    "GFLOPs/frame": ("gflops_per_frame", 1.0, 2),
    "Params (M)": ("num_params", 1e6, 2),
}

# Runs that differ by more than this fraction of their median are marked.
SPREAD_LIMIT = 0.10


def measured_table(records: Sequence[Record]) -> pd.DataFrame:
    """Every record as a row of printable cells, sorted by data set, method and clip."""
    rows = sorted(records, key=_order)
    columns: dict[str, list[str]] = {
        "Method": marked_subjects(rows),
        "Backbone": [record["backbone"] for record in rows],
        "Data": [f"{record['dataset']} {record['split']}" for record in rows],
        "Clip": [_plain(record["clip_length"]) for record in rows],
        "Stride": [_plain(record["clip_stride"]) for record in rows],
        "Resolution": [_plain(record["resolution"]) for record in rows],
    }
    for title in METRIC_COLUMNS:
        columns[title] = [format_metric(record, title) + noise(record, title) for record in rows]
    return pd.DataFrame(columns)


def format_metric(record: Record, title: str) -> str:
    """One figure of a record in the column's unit; a dash where it was not measured."""
    field, unit, digits = METRIC_COLUMNS[title]
    value = record[field]
    return ABSENT if value is None else f"{value / unit:.{digits}f}"


def noise(record: Record, title: str) -> str:
    """What stands behind FPS that were measured on a busy machine; nothing elsewhere."""
    spread = record.get("speed_spread") if title == "FPS" else None
    return "" if spread is None or spread <= SPREAD_LIMIT else f" (spread {100 * spread:.0f} %)"


def _order(record: Record) -> tuple:
    length = record["clip_length"]
    size = -length if isinstance(length, int) else 0
    return (
        record["dataset"], record["split"], record["method"], record["backbone"] or "",
        length != "whole", size, record["clip_stride"] or 0, str(record["resolution"]),
        tie_break(record),
    )  # fmt: skip


def _plain(value: object) -> str:
    return ABSENT if value is None else str(value)
