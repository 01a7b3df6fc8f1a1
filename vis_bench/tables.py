"""Tables of what has been measured: records in, text out, byte for byte the same each time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from vis_bench.grid import ABSENT, Column, Grid, Page, grid_of
from vis_bench.option_labels import marked_subjects
from vis_bench.record import Record
from vis_bench.record_order import tie_break
from vis_bench.table_formats import FORMATS, WRITERS, Format

__all__ = [
    "ABSENT", "FORMATS", "METRIC_COLUMNS", "SPREAD_LIMIT", "Format", "format_metric",
    "measured_table", "noise", "render", "table_of",
]  # fmt: skip

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


def table_of(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """A table with one row per mapping, columns in the order of its keys."""
    return pd.DataFrame(list(rows))


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


def render(table: Page | Grid | pd.DataFrame, form: Format = "markdown") -> str:
    """The table as text that ends with a newline."""
    if isinstance(table, pd.DataFrame):
        table = _grid_of_frame(table)
    if isinstance(table, Grid):
        table = Page("", (table,), {})
    return WRITERS[form](table)


def _grid_of_frame(frame: pd.DataFrame) -> Grid:
    rows = [[str(value) for value in row] for row in frame.values.tolist()]
    numeric = [
        any(_starts_with_number(row[place]) for row in rows) for place in range(frame.shape[1])
    ]
    columns = [Column(str(c), numeric=n) for c, n in zip(frame.columns, numeric, strict=True)]
    return grid_of(columns, rows)


def _starts_with_number(text: str) -> bool:
    """Whether a column with such an entry holds figures: `12.5`, `12.5 (spread 11 %)`, `1..3`."""
    try:
        float(text.split(" ")[0].split("..")[0])
    except ValueError:
        return False
    return True


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
