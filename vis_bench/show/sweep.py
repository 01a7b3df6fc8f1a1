"""A table of any records: fields down and across, one or more values in each cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from vis_bench.charts import MOST_SERIES
from vis_bench.data.categories import dataset_title
from vis_bench.errors import InputError
from vis_bench.grouping import grouped
from vis_bench.record.fields import DIFFERS, marked
from vis_bench.record.metrics import AP, FPS, GFLOPS_PER_FRAME, Metric
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
from vis_bench.text import did_you_mean, listed

METHOD = "method"
_USUAL = (AP, FPS, GFLOPS_PER_FRAME)
Fields = tuple[str, ...]
Texts = tuple[str, ...]
Lines = Mapping[Texts, Mapping[Texts, Record]]
_NEVER_SWEPT = set(marked(Record, DIFFERS))


class Sweep:
    """Records in a grid of their fields.

    Args:
        records: those that `where` leaves are shown.
        rows, columns: fields of records, such as `clip_length`; `options.NAME` is an option of the
            method, and `method` its display name. Several are separated by commas.
        value: fields that hold numbers, too. Where rows, columns and value are all empty, they are
            clip length and stride, resolution, and what is known of AP, FPS and multiply-adds.
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
        _check_fields(where)
        kept = _fitting(records, where)
        asked = zip((rows, columns, value), _usual_fields(kept), strict=True)
        rows, columns, value = (given or usual for given, usual in asked)
        self.rows, self.columns = tuple(rows.split(",")), tuple(columns.split(","))
        _check_fields((*self.rows, *self.columns))
        values = value.split(",")
        self.records = [r for r in kept if {_number(r, own) for own in values} != {None}]
        if not self.records:
            raise InputError(f"no record has {value}, of {len(kept)} that fit")
        self.values = tuple(NUMBERS[own] for own in values)
        names = cell_names(
            self.records, leave_out=(self.shown - {METHOD}) | {*CLIP}, everything=True
        )
        self.names = dict(zip(map(id, self.records), names, strict=True))
        self.lines = self.grid(self.rows, self.columns)

    def grid(self, rows: Fields, columns: Fields) -> dict[Texts, dict[Texts, Record]]:
        """The records of each column by row, both by their texts, in order.

        Raises:
            InputError: for two records of one cell.
        """
        found = grouped(self.records, lambda r: (self.texts(r, columns), self.texts(r, rows)))
        lines: dict[Texts, dict[Texts, Record]] = {}
        for column, row in sorted(found, key=lambda place: [*map(order_of_texts, place)]):
            if len(found[column, row]) > 1:
                raise InputError(self._ambiguous(found[column, row]))
            lines.setdefault(column, {})[row] = found[column, row][0]
        return lines

    def texts(self, record: Record, fields: Fields) -> Texts:
        """Values of a record in some fields, in words."""
        return tuple(
            self.names[id(record)] if field == METHOD else _of(record, field) for field in fields
        )

    @property
    def axis(self) -> tuple[Fields, Fields]:
        """Fields of a chart's axis and of its lines: of several rows the method has a line each."""
        axis = tuple(field for field in self.rows if field != METHOD) or self.rows
        return axis, (*(field for field in self.rows if field not in axis), *self.columns)

    def title(self, *metrics: Metric) -> str:
        """Metrics by the fields of rows and columns, in words."""
        what = listed([metric.long_title or metric.title for metric in metrics])
        return f"{what} by {listed([*map(field_title, (*self.rows, *self.columns))])}"

    def words(self, fields: Fields, texts: Texts) -> str:
        """A column in words, with its fields' titles where it needs them."""
        if len(fields) == len(self.values) == 1:
            return texts[0]
        return ", ".join(map(_words, fields, texts))

    @property
    def shown(self) -> set[str]:
        """Fields that rows and columns show; a clip's length and stride go together."""
        fields = {*self.rows, *self.columns}
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
        cell = ", ".join(f"{field} {_of(one, field)}" for field in (*self.rows, *self.columns))
        told = f"they differ in {', '.join(differing[:4])}" if differing else "they are one cell"
        return (
            f"{len(records)} records have {cell}; {told}; expected --where KEY=VALUE that keeps one"
        )

    @property
    def narrower(self) -> str:
        """KEY=VALUE that leaves most of the records in as many lines as a chart holds."""
        choices = []
        _, lines = self.axis
        for field in IdentityFields.model_fields.keys() - _NEVER_SWEPT - {*self.axis[0], *lines}:
            for value, kept in grouped(self.records, partial(_of, field=field)).items():
                if 1 < len({self.texts(r, lines) for r in kept}) <= MOST_SERIES:
                    choices.append((-len(kept), field, value))
        return "{1}={2}".format(*min(choices)) if choices else "method=NAME"


def sweep_of_run(records: Sequence[Record]) -> Sweep | None:
    """Clips by resolutions; None where only one was run, or no value tells two cells apart."""
    if len({record.resolution for record in records}) < 2:
        return None
    try:
        return Sweep(records, "", "", "", {})
    except InputError:
        return None


def _usual_fields(records: Sequence[Record]) -> tuple[str, str, str]:
    """Clips down, each method's own where there are several, and resolutions across."""
    names = cell_names(records, leave_out=(*CLIP, "resolution"), everything=True)
    rows = (METHOD, *CLIP) if len({*names}) > 1 else CLIP
    known = [m.field for m in _USUAL if any(m.of(r) is not None for r in records)] or [AP.field]
    return ",".join(rows), "resolution", ",".join(known)


def _check_fields(fields: Iterable[str]) -> None:
    for field in fields:
        if field not in Record.model_fields and not field.startswith(OPTION):
            meant = did_you_mean(field, Record.model_fields)
            known = "clip_length, resolution, options.NAME, ap, fps or gflops_per_frame"
            raise InputError(f"{field!r} is no field of a record{meant}; expected one, as {known}")


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
                f"--where {field}={wanted} matches no record that remains; expected one of: "
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
    _check_fields((field,))
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


def order_of_texts(texts: Texts) -> list[tuple[bool, float, str]]:
    return [*map(_order, texts)]


def is_number(text: str) -> bool:
    return not _order(text)[0]


def field_title(field: str) -> str:
    return field.removeprefix(OPTION).replace("_", " ")


def _words(field: str, text: str) -> str:
    """A value as it stands in a name: 128p, or with its field's title."""
    if field == "resolution" and text.isdigit():
        return f"{text}p"
    return text if field == METHOD else f"{field_title(field)} {text}"


def sweep_page(sweep: Sweep) -> Page:
    """The grid as a table, with intervals where the values have them."""
    lines, values = sweep.lines, [metric_column(own, sweep.records) for own in sweep.values]
    columns = [
        Column(field_title(field), numeric=False, key=field, joined="/" if pair == CLIP else "")
        for pair in zip(("", *sweep.rows), sweep.rows, strict=False)
        for field in pair[1:]
    ]
    for texts in lines:
        name = sweep.words(sweep.columns, texts)
        own = [replace(value, key="", weight=0, remarks=()) for value in values]
        if len(own) > 1:
            columns += [replace(value, group=name, interval_title="") for value in own]
        else:
            columns.append(replace(own[0], title=name))
    others = {id(record): sweep.beside(record) for record in sweep.records}
    is_mixed = len({*others.values()}) > 1
    notes = Footnotes()

    def entries(record: Record | None) -> list[Entry]:
        if record is None:
            return [Entry(ABSENT)] * len(values)
        first, *more = (entry_of(record, metric) for metric in sweep.values)
        keys = notes.lettered(others[id(record)]) if is_mixed else ()
        return [replace(first, notes=keys), *more]

    rows = sorted({row for line in lines.values() for row in line}, key=order_of_texts)
    cells = [
        (*map(Entry, row), *(entry for line in lines.values() for entry in entries(line.get(row))))
        for row in rows
    ]
    shared = () if is_mixed else tuple(filter(None, {*others.values()}))
    shared += shared_words(sweep.records, sweep.shown)
    labels = len(sweep.rows)
    table = Table(tuple(columns), tuple(cells), num_labels=labels, shared=shared, is_grid=True)
    remarks = (
        *(note for own in sweep.values for note in interval_remarks(sweep.records, own)),
        *(remark for value in values for remark in value.remarks),
        *_stride_remarks(sweep),
    )
    return Page(sweep.title(*sweep.values), (table,), notes.texts, tuple(dict.fromkeys(remarks)))


def _stride_remarks(sweep: Sweep) -> tuple[str, ...]:
    """The strides that go with clip lengths, where they are not all the same."""
    if "clip_stride" in (*sweep.rows, *sweep.columns) or "clip_length" not in sweep.shown:
        return ()
    pairs = {(_of(r, "clip_length"), stride_text(r)) for r in sweep.records}
    known = sorted((pair for pair in pairs if pair[1]), key=lambda pair: tuple(map(_order, pair)))
    if len({stride for _, stride in known}) < 2:
        return ()
    return (f"Clip strides: {', '.join(f'{stride} at {length}' for length, stride in known)}.",)
