"""A table of any records: one field down, one across, a value in each cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from vis_bench.charts import MOST_SERIES, Panel, Series
from vis_bench.data.categories import dataset_title
from vis_bench.errors import InputError
from vis_bench.grouping import grouped
from vis_bench.record.fields import DIFFERS, marked
from vis_bench.record.names import (
    backbone_title,
    clip_name,
    measured_again,
    method_title,
    unmarked_names,
)
from vis_bench.record.schema import NUMBERS, IdentityFields, Record
from vis_bench.table.labels import CLIP, OPTION, cell_names, shared_words, value_of
from vis_bench.table.model import ABSENT, Column, Entry, Footnotes, Page, Table
from vis_bench.table.number_format import (
    entry_of,
    interval_remarks,
    metric_column,
    plain,
    stride_text,
)

METHOD = "method"
_NEVER_SWEPT = set(marked(Record, DIFFERS))


class Sweep:
    """Records in a grid of two of their fields.

    Args:
        records: those that `where` leaves are shown.
        rows, columns: fields of records, such as `clip_length`; `options.NAME` is an option of the
            method, and `method` its display name.
        value: a field that holds numbers.
        where: values, as typed, that fields have to have, as records or as tables write them.

    Raises:
        InputError: for an unknown field, or two records of one cell.
    """

    def __init__(
        self,
        records: Sequence[Record],
        rows: str,
        columns: str,
        value: str,
        where: Mapping[str, str],
    ) -> None:
        for field in (rows, columns, *where):
            _check_field(field)
        kept = _fitting(records, where)
        self.records = [r for r in kept if _number(r, value) is not None]
        if not self.records:
            raise InputError(f"no record has {value}, of {len(kept)} that fit")
        self.value = NUMBERS[value]
        self.rows, self.columns = rows, columns
        names = cell_names(
            self.records, leave_out=(self.shown - {METHOD}) | {*CLIP}, everything=True
        )
        self.names = dict(zip(map(id, self.records), names, strict=True))

        def title(record: Record, field: str) -> str:
            return self.names[id(record)] if field == METHOD else _of(record, field)

        grid: dict[str, dict[str, list[Record]]] = {}
        for record in self.records:
            line = grid.setdefault(title(record, columns), {})
            line.setdefault(title(record, rows), []).append(record)
        for line in grid.values():
            for found in line.values():
                if len(found) > 1:
                    raise InputError(self._ambiguous(found))
        # The records of each column by row, in order.
        self.lines: dict[str, dict[str, Record]] = {
            column: {row: grid[column][row][0] for row in sorted(grid[column], key=_order)}
            for column in sorted(grid, key=_order)
        }

    @property
    def shown(self) -> set[str]:
        """Fields that rows and columns show; a clip's length and stride go together."""
        fields = {self.rows, self.columns}
        return fields | {*CLIP} if fields & {*CLIP} else fields

    def beside(self, record: Record) -> str:
        """Method, clip and all else that rows and columns do not show of a record."""
        name = "" if METHOD in self.shown else self.names[id(record)]
        clip = "" if self.shown & {*CLIP} else clip_name(record)
        again = measured_again(record)
        text = " ".join(filter(None, (name, clip)))
        return ", ".join(filter(None, (text, again and f"measured again: {again}")))

    def _ambiguous(self, records: Sequence[Record]) -> str:
        one, other = records[:2]
        differing = [
            field
            for field in (*Record.model_fields, *(OPTION + key for key in one.resolved_options))
            if field not in _NEVER_SWEPT and _of(one, field) != _of(other, field)
        ]
        cell = ", ".join(f"{field} {_of(one, field)}" for field in (self.rows, self.columns))
        told = f"they differ in {', '.join(differing[:4])}" if differing else "they are one cell"
        return (
            f"{len(records)} records have {cell}; {told}; expected --where KEY=VALUE that keeps one"
        )

    @property
    def narrower(self) -> str:
        """KEY=VALUE that leaves most of the records in as many columns as a chart holds."""
        choices = []
        for field in IdentityFields.model_fields.keys() - _NEVER_SWEPT - {self.columns, self.rows}:
            for value, kept in grouped(self.records, partial(_of, field=field)).items():
                columns = {
                    self.names[id(r)] if self.columns == METHOD else _of(r, self.columns)
                    for r in kept
                }
                if 1 < len(columns) <= MOST_SERIES:
                    choices.append((-len(kept), field, value))
        return "{1}={2}".format(*min(choices)) if choices else "method=NAME"


def _check_field(field: str) -> None:
    if field not in Record.model_fields and not field.startswith(OPTION):
        known = "method, clip_length, clip_stride, resolution, precision or options.NAME"
        raise InputError(f"{field!r} is no field of a record; expected one, such as {known}")


def _of(record: Record, field: str) -> str:
    return plain(value_of(record, field))


def _fitting(records: Sequence[Record], where: Mapping[str, str]) -> list[Record]:
    """The records that have every value."""
    for field, wanted in where.items():
        spelled = [_spellings(record, field) for record in records]
        if field == METHOD:
            names = unmarked_names(records)
            spelled = [{*own, name} for own, name in zip(spelled, names, strict=True)]
        fitting = [r for r, own in zip(records, spelled, strict=True) if wanted in own]
        if records and not fitting:
            raise InputError(
                f"--where {field}={wanted} fits no record that is left; expected one of: "
                f"{_known_values(records, field)}"
            )
        records = fitting
    return list(records)


def _known_values(records: Sequence[Record], field: str) -> str:
    known = sorted({_of(record, field) for record in records}, key=_order)
    more = ", ..." if len(known) > _NUM_VALUES else ""
    return f"{', '.join(known[:_NUM_VALUES])}{more}"


_NUM_VALUES = 12


def _spellings(record: Record, field: str) -> set[str]:
    """A value as the record and as tables write it."""
    titles = {METHOD: method_title, "backbone": backbone_title, "dataset": dataset_title}
    value = _of(record, field)
    return {value, titles[field](value)} if field in titles else {value}


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


def _is_number(text: str) -> bool:
    return not _order(text)[0]


def _title(field: str) -> str:
    return field.removeprefix(OPTION).replace("_", " ")


def sweep_page(sweep: Sweep) -> Page:
    """The grid as a table, with intervals where the value has them."""
    lines = sweep.lines
    metric, value = sweep.value, metric_column(sweep.value, sweep.records)
    rows = list(dict.fromkeys(row for line in lines.values() for row in line))
    columns = [
        Column(_title(sweep.rows), numeric=False, key=sweep.rows),
        *(
            Column(name, has_interval=value.has_interval, interval_title=value.interval_title)
            for name in lines
        ),
    ]
    others = {id(record): sweep.beside(record) for record in sweep.records}
    is_mixed = len({*others.values()}) > 1
    notes = Footnotes()

    def entry(record: Record | None) -> Entry:
        if record is None:
            return Entry(ABSENT)
        keys = notes.lettered(others[id(record)]) if is_mixed else ()
        return replace(entry_of(record, metric), notes=keys)

    entries = [
        (Entry(row), *(entry(line.get(row)) for line in lines.values()))
        for row in sorted(rows, key=_order)
    ]
    shared = () if is_mixed else tuple(filter(None, {*others.values()}))
    shared += shared_words(sweep.records, sweep.shown)
    table = Table(tuple(columns), tuple(entries), num_labels=1, shared=shared)
    by = f"{_title(sweep.rows)} and {_title(sweep.columns)}"
    title = f"{metric.long_title or metric.title} by {by}"
    remarks = (
        *interval_remarks(sweep.records, metric),
        *value.remarks,
        *_stride_remarks(sweep),
    )
    return Page(title, (table,), notes.texts, remarks)


def _stride_remarks(sweep: Sweep) -> tuple[str, ...]:
    """The strides that go with clip lengths, where they are not all the same."""
    if "clip_stride" in (sweep.rows, sweep.columns) or "clip_length" not in sweep.shown:
        return ()
    pairs = {(_of(r, "clip_length"), stride_text(r)) for r in sweep.records}
    known = sorted((pair for pair in pairs if pair[1]), key=lambda pair: tuple(map(_order, pair)))
    if len({stride for _, stride in known}) < 2:
        return ()
    return (f"Clip strides: {', '.join(f'{stride} at {length}' for length, stride in known)}.",)


def _value_title(sweep: Sweep) -> str:
    """The metric, with what its bars are where any record has one."""
    metric = sweep.value
    title = metric.long_title or metric.title
    has_bars = metric.ends and any(map(metric.interval, sweep.records))
    return f"{title}, bars: {metric.ends_title}" if has_bars else title


def sweep_panel(sweep: Sweep) -> Panel:
    """The grid as a chart: a series per column, with intervals.

    Rows that are numbers go from left to right, joined; others stand below each other. Columns of
    one method have its color.

    Raises:
        InputError: if the grid has more columns than a chart can show.
    """
    lines, metric = sweep.lines, sweep.value
    if len(lines) > MOST_SERIES:
        raise InputError(
            f"{len(lines)} series, one for each {_title(sweep.columns)}; expected at most "
            f"{MOST_SERIES} in a chart; narrow them with --where, e.g. {sweep.narrower}"
        )
    rows = sorted(set().union(*lines.values()), key=_order)
    place_of = {row: place for place, row in enumerate(rows)}
    are_numbers = any(map(_is_number, rows))
    series, kind = [], "line" if are_numbers else "points"
    for name, line in lines.items():
        methods = {record.method for record in line.values()}
        places = tuple(float(place_of[row]) for row in line)
        values = map(metric.scaled, line.values())
        method = methods.pop() if len(methods) == 1 else ""
        hollow = all(record.reconstruction for record in line.values())
        series.append(Series.of(name, method, places, values, kind=kind, is_hollow=hollow))
    return Panel(
        sweep_page(sweep).title,
        _title(sweep.rows),
        _value_title(sweep),
        tuple(series),
        categories=tuple(rows),
        is_sideways=not are_numbers,
        names="ends" if are_numbers else "legend",
    )
