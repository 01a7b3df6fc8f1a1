"""A table of any records: one field down, one across, a value in each cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import pandas as pd

from vis_bench.charts import MARKERS, add_legend, chart_style, encode_figure
from vis_bench.errors import InputError
from vis_bench.record.metrics import ACCURACY, LEVELS, PARTS, SHOWN, TRACKING, Metric
from vis_bench.record.names import display_names
from vis_bench.record.schema import Record
from vis_bench.table.model import ABSENT, Column, Entry, Page, Table
from vis_bench.table.number_format import entry_of, interval_remarks, plain

OPTIONS = "options."
METHOD = "method"
_METRICS = {m.field: m for m in (*ACCURACY, *PARTS, *LEVELS, *TRACKING, *SHOWN)}


class Sweep:
    """Records in a grid of two of their fields.

    Args:
        records: those that `where` leaves are shown.
        rows, columns: fields of records, such as `clip_length`; `options.NAME` is an option of the
            method, and `method` its display name.
        value: a field that holds numbers.
        where: values, as typed, that fields have to have.

    Raises:
        InputError: for an unknown field, or two records of one cell.
    """

    def __init__(
        self, records: Sequence[Record], rows: str, columns: str, value: str,
        where: Mapping[str, str],
    ) -> None:  # fmt: skip
        for field in (rows, columns, *where):
            _check_field(field)
        kept = [r for r in records if all(_of(r, key) == v for key, v in where.items())]
        self.records = [r for r in kept if _number(r, value) is not None]
        if not self.records:
            raise InputError(f"no record has {value}, of {len(kept)} that fit")
        self.value = _METRICS.get(value) or Metric(value, value, digits=3)
        self.rows, self.columns = rows, columns
        names = dict(zip(map(id, self.records), display_names(self.records), strict=True))

        def title(record: Record, field: str) -> str:
            return names[id(record)] if field == METHOD else _of(record, field)

        frame = pd.DataFrame(
            {
                "row": [title(record, rows) for record in self.records],
                "column": [title(record, columns) for record in self.records],
                "place": range(len(self.records)),
            }
        )
        repeated = frame[frame.duplicated(["row", "column"], keep=False)]
        if len(repeated):
            first = repeated.iloc[0]
            same = repeated[(repeated.row == first.row) & (repeated.column == first.column)]
            raise InputError(self._ambiguous([self.records[n] for n in same.place]))
        grid = frame.pivot(index="row", columns="column", values="place")
        self._grid = grid.reindex(
            index=sorted(grid.index, key=_order), columns=sorted(grid.columns, key=_order)
        )

    def _ambiguous(self, records: Sequence[Record]) -> str:
        one, other = records[:2]
        differing = [
            field
            for field in (*Record.model_fields, *(OPTIONS + key for key in one.resolved_options))
            if field not in _NEVER_SWEPT and _of(one, field) != _of(other, field)
        ]
        cell = ", ".join(f"{field} {_of(one, field)}" for field in (self.rows, self.columns))
        told = f"they differ in {', '.join(differing[:4])}" if differing else "they are one cell"
        return (
            f"{len(records)} records have {cell}; {told}; expected --where KEY=VALUE that keeps one"
        )

    @property
    def lines(self) -> dict[str, dict[str, Record]]:
        """The records of each column by row, in order."""
        return {
            column: {
                str(row): self.records[int(place)]
                for row, place in self._grid[column].dropna().items()
            }
            for column in self._grid.columns
        }


# Differ between any two records, or follow from the fields that are named.
_NEVER_SWEPT = {
    "created_at", "command", "config", "config_sha256", "options", "resolved_options", "provenance",
}  # fmt: skip


def _check_field(field: str) -> None:
    if field not in Record.model_fields and not field.startswith(OPTIONS):
        known = "method, clip_length, clip_stride, resolution, precision or options.NAME"
        raise InputError(f"{field!r} is no field of a record; expected one, such as {known}")


def _of(record: Record, field: str) -> str:
    if field.startswith(OPTIONS):
        return plain(record.resolved_options.get(field.removeprefix(OPTIONS)))
    return plain(getattr(record, field))


def _number(record: Record, field: str) -> float | None:
    _check_field(field)
    value: Any = getattr(record, field, None)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise InputError(f"--value {field} holds {value!r}; expected a field of numbers")
    return value


def _order(text: str) -> tuple[bool, float, str]:
    """Numbers by value, then text."""
    try:
        return False, float(text), text
    except ValueError:
        return True, 0.0, text


def _title(field: str) -> str:
    return field.removeprefix(OPTIONS).replace("_", " ")


def sweep_page(sweep: Sweep) -> Page:
    """The grid as a table, with intervals where the value has them."""
    lines = sweep.lines
    metric = sweep.value
    rows = list(dict.fromkeys(row for line in lines.values() for row in line))
    columns = [
        Column(_title(sweep.rows), numeric=False, key=sweep.rows),
        *(Column(name, has_interval=metric.ends is not None) for name in lines),
    ]
    entries = [
        [
            Entry(row),
            *(entry_of(line[row], metric) if row in line else Entry(ABSENT)
              for line in lines.values()),
        ]
        for row in sorted(rows, key=_order)
    ]  # fmt: skip
    table = Table(tuple(columns), tuple(map(tuple, entries)), num_labels=1)
    by = f"{_title(sweep.rows)} and {_title(sweep.columns)}"
    title = f"{metric.long_title or metric.title} by {by}"
    return Page(title, (table,), {}, interval_remarks(sweep.records) if metric.ends else ())


def sweep_picture(sweep: Sweep, form: str) -> bytes:
    """The grid as a chart: a line per column over the rows, with intervals as bars.

    Args:
        form: "png", "svg" or "pdf".
    """
    from matplotlib.figure import Figure

    lines, metric = sweep.lines, sweep.value
    rows = sorted({row for line in lines.values() for row in line}, key=_order)
    with chart_style():
        figure = Figure(figsize=(6.5, 4.0))
        axis = figure.add_axes((0.11, 0.14, 0.62, 0.8))
        handles = []
        for shift, (line, marker) in enumerate(zip(lines.values(), cycle(MARKERS), strict=False)):
            offset = 0.08 * (shift - (len(lines) - 1) / 2)
            x = [rows.index(row) + offset for row in line]
            y = [(metric.of(record) or 0.0) / metric.scale for record in line.values()]
            [drawn] = axis.plot(x, y, marker=marker, markeredgecolor="white")
            handles.append(drawn)
            for place, record in zip(x, line.values(), strict=True):
                if metric.ends is not None and metric.interval(record):
                    ends = [getattr(record, end) / metric.scale for end in metric.ends]
                    axis.plot([place, place], ends, color=drawn.get_color(), linewidth=1)
        axis.set_xticks(range(len(rows)), rows)
        bars = ", bars: 95 %" if metric.ends else ""
        axis.set(xlabel=_title(sweep.rows), ylabel=(metric.long_title or metric.title) + bars)
        add_legend(figure, handles, list(lines), loc="upper left", bbox_to_anchor=(0.74, 0.95))
        return encode_figure(figure, form)
