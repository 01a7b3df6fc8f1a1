"""Tables of what has been measured: records in, text out, byte for byte the same each time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, get_args

import pandas as pd
from tabulate import tabulate

from vis_bench.record import Record

Format = Literal["markdown", "csv", "latex", "html"]
FORMATS: tuple[Format, ...] = get_args(Format)
_TABULATE_NAMES = {"markdown": "github", "latex": "latex_booktabs", "html": "html"}

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
ABSENT = "-"


def table_of(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """A table with one row per mapping, columns in the order of its keys."""
    return pd.DataFrame(list(rows))


def measured_table(records: Sequence[Record]) -> pd.DataFrame:
    """Every record as a row of printable cells, sorted by data set, method and clip."""
    rows = sorted(records, key=_order)
    columns: dict[str, list[str]] = {
        "Method": [method_label(record) for record in rows],
        "Backbone": [record["backbone"] for record in rows],
        "Data": [f"{record['dataset']} {record['split']}" for record in rows],
        "Clip": [str(record["clip_length"]) for record in rows],
        "Stride": [_plain(record["clip_stride"]) for record in rows],
        "Resolution": [str(record["resolution"]) for record in rows],
    }
    for title in METRIC_COLUMNS:
        columns[title] = [format_metric(record, title) for record in rows]
    return pd.DataFrame(columns)


def format_metric(record: Record, title: str) -> str:
    """One figure of a record in the column's unit; a dash where it was not measured."""
    field, unit, digits = METRIC_COLUMNS[title]
    value = record[field]
    return ABSENT if value is None else f"{value / unit:.{digits}f}"


def method_label(record: Record) -> str:
    """The method's name, marked where the figures say nothing about the published method."""
    marks = []
    if record["reconstruction"]:
        marks.append("reconstruction")
    if record["weights_source"] == "random":
        marks.append("random weights")
    return record["method"] + (f" ({', '.join(marks)})" if marks else "")


def render(table: pd.DataFrame, form: Format = "markdown") -> str:
    """The table as text that ends with a newline."""
    if form == "csv":
        return table.to_csv(index=False, lineterminator="\n")
    align = ["left" if column in _TEXT_COLUMNS else "right" for column in table.columns]
    text = tabulate(
        table.values.tolist(), headers=list(table.columns), tablefmt=_TABULATE_NAMES[form],
        colalign=align if len(table) else None, disable_numparse=True,
    )  # fmt: skip
    return f"{text}\n"


_TEXT_COLUMNS = ("Method", "Backbone", "Data", "Device", "Date", "Commit", "Origin",
                 "Options", "Category")  # fmt: skip


def _order(record: Record) -> tuple:
    length = record["clip_length"]
    whole_first = -1 if length == "whole" else 1
    size = 0 if length == "whole" else -length
    return (
        record["dataset"], record["split"], record["method"], record["backbone"], whole_first,
        size, record["clip_stride"] or 0, str(record["resolution"]), record["config_sha256"],
    )  # fmt: skip


def _plain(value: object) -> str:
    return ABSENT if value is None else str(value)
