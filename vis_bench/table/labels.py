"""Labels of measured cells: columns of tables, and names for legends and titles.

What all cells share stands once, above a table; what varies is in every label.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vis_bench.data.categories import dataset_title
from vis_bench.grouping import grouped
from vis_bench.record.names import (
    backbone_title,
    clip_name,
    clip_order,
    marks_text,
    measured_again,
    name_with_options,
    tie_break,
    unmarked_names,
)
from vis_bench.record.schema import Record
from vis_bench.table.model import ABSENT, Column, Entry, Table
from vis_bench.table.number_format import plain, stride_text

Labels = list[tuple[Column, list[Entry]]]


@dataclass(frozen=True)
class LabelPart:
    """A part of a cell's label.

    Attributes:
        fields: those of a record that it shows.
        column: its column in tables.
        text: of a record; empty or `ABSENT` for none.
        in_name: the text as it stands in a name.
    """

    fields: tuple[str, ...]
    column: Column
    text: Callable[[Record], str]
    in_name: Callable[[str], str] = str

    def words(self, record: Record) -> str:
        """The text with its unit, as in `24 videos`; empty for none."""
        text = self.text(record)
        return "" if text in ("", ABSENT) else self.in_name(text)


def _part(fields: str, title: str, text: Callable[[Record], str], form: str = "{}") -> LabelPart:
    column = Column(title, numeric=False, context=form, joined=", ", names_row=True)
    return LabelPart(tuple(fields.split()), column, text, form.format)


def _digest(text: str | None) -> str:
    return ABSENT if text is None else text[:8]


def _weights(record: Record) -> str:
    source = plain(record.weights_source).rpartition("/")[2]
    return _digest(record.weights_sha256) if record.weights_sha256 else source


def _package(record: Record) -> str:
    source = record.method_source or {}
    return plain(source.get("distribution"))


# Columns of every table of cells; names have those that vary.
_BACKBONE = LabelPart(
    ("backbone",),
    Column("Backbone", numeric=False, context="backbone {}", joined=", ", names_row=True),
    lambda r: backbone_title(r.backbone),
)
_DATA = _part("dataset split", "Data", lambda r: f"{dataset_title(r.dataset)} {r.split}")
_VIDEOS = LabelPart(
    ("num_videos",),
    Column("Videos", context="{} videos", joined=", ", weight=10, names_row=True),
    lambda r: plain(r.num_videos),
    "{} videos".format,
)
_FIRST_VIDEOS = replace(
    _VIDEOS,
    column=replace(
        _VIDEOS.column, title="First videos", context="limited to the first {} of the videos"
    ),
)
_RESOLUTION = LabelPart(
    ("resolution",),
    Column("Resolution", context="resolution {}", joined=", ", names_row=True),
    lambda r: plain(r.resolution),
    lambda text: f"{text}p" if text.isdigit() else f"{text} size",
)
_DEVICE = _part("device", "Device", lambda r: plain(r.device))
_PARTS = (_BACKBONE, _DATA, _VIDEOS, _RESOLUTION, _DEVICE)
_AGAIN = _part("measured_again", "Measured again", measured_again, "measured again: {}")

_CONFIG = _part("config_sha256", "", lambda r: _digest(r.config_sha256), "config {}")
# Named only where labels would be equal otherwise: most follow from the parts above.
_RARE = (
    _VIDEOS,
    _part("annotations_sha256", "", lambda r: _digest(r.annotations_sha256), "annotations {}"),
    _part("videos_sha256", "", lambda r: _digest(r.videos_sha256), "selection {}"),
    _part("weights_sha256 weights_source", "", _weights, "weights {}"),
    _part("seed", "", lambda r: plain(r.seed), "seed {}"),
    _part("num_threads", "", lambda r: plain(r.num_threads), "{} threads"),
    _part("kernel_backend", "", lambda r: plain(r.kernel_backend), "kernels {}"),
    _part("kernel_build", "", lambda r: plain(r.kernel_build), "kernels built {}"),
    _part("speed_protocol", "", lambda r: plain(r.speed_protocol), "protocol {}"),
    _part("method_source", "", _package, "package {}"),
    _part("contaminated limited", "", lambda r: marks_text(r).strip(" ()")),
    _CONFIG,
)

CLIP = ("clip_length", "clip_stride")
OPTION = "options."
_METHOD = Column("Method", numeric=False, names_row=True)
_CLIP = Column("Clip", names_row=True), Column("Stride", joined="/", names_row=True)


def cell_columns(
    records: Sequence[Record],
    *,
    marks: Collection[str] | None = None,
    leave_out: Collection[str] = (),
) -> Labels:
    """Columns that tell the records apart: method, backbone, data, videos, resolution, device, clip
    and stride.

    Where two rows would be equal, the method's name has what else differs: weights, seed, threads.

    Args:
        marks: caveats to name, all unless given; `COST_MARKS` in tables of cost.
        leave_out: fields of records that stand elsewhere; `options.NAME` is an option.
    """
    parts = _named(leave_out)
    if _VIDEOS in parts and first_videos(records):
        leave_out = {*leave_out, "limited"}
        parts[parts.index(_VIDEOS)] = _FIRST_VIDEOS
    names = _distinct(records, marks, leave_out, _PARTS)
    parts += [_AGAIN] if any(map(measured_again, records)) else []
    labels: Labels = [(_METHOD, [Entry(name.text()) for name in names])]
    for part in parts:
        entries = [Entry(part.text(record), words=part.words(record)) for record in records]
        labels.append((part.column, entries))
    if not set(leave_out) >= set(CLIP):
        texts = [plain(r.clip_length) for r in records], list(map(stride_text, records))
        labels += [(column, list(map(Entry, t))) for column, t in zip(_CLIP, texts, strict=True)]
    return labels


def _named(leave_out: Collection[str]) -> list[LabelPart]:
    """Parts of which some field does not stand elsewhere."""
    return [part for part in _PARTS if not set(part.fields) <= set(leave_out)]


def without_cell_columns(table: Table) -> Table:
    """The table without the columns of `cell_columns`, for where a cell is named above it."""
    of_cells = {
        (column.title, column.context)
        for column in (
            _METHOD,
            *_CLIP,
            *(part.column for part in (*_PARTS, _FIRST_VIDEOS)),
        )
    }
    places = [n for n, c in enumerate(table.columns) if (c.title, c.context) not in of_cells]
    return table.picked(places)


def cell_names(
    records: Sequence[Record],
    *,
    marks: Collection[str] | None = None,
    leave_out: Collection[str] = (),
    everything: bool = False,
) -> list[str]:
    """Names for legends and titles: `IFC, no communication, ResNet-101 T=5 S=3 (reconstruction)`.

    Method and clip stand in every name, of the rest whatever is not the same in all records.

    Args:
        marks, leave_out: as for `cell_columns`.
        everything: name all that varies among records of one method, though the clip or what is
            left out tells them apart.
    """
    parts = [part for part in _PARTS if part is not _VIDEOS]
    named = [p for p in _named(leave_out) if p in parts and len(set(map(p.text, records))) > 1]
    names = _distinct(records, marks, leave_out, parts, everything=everything)
    return [
        name.text(
            [part.words(r) for part in named], "" if {*CLIP} <= {*leave_out} else clip_name(r)
        )
        for name, r in zip(names, records, strict=True)
    ]


def whole_name(record: Record, options: Iterable[tuple[str, Any]]) -> str:
    """All parts of a cell's name by itself, with these options and without caveats."""
    parts = [part.words(record) for part in (_BACKBONE, _DATA, _RESOLUTION)]
    return _Name(name_with_options(record, options), "").text(parts, clip_name(record))


def shared_words(records: Sequence[Record], leave_out: Collection[str] = ()) -> tuple[str, ...]:
    """Words for the parts that all records share, which names leave out."""
    parts = [part for part in _PARTS if not set(part.fields) & set(leave_out)]
    found = [{part.words(record) for record in records} for part in parts]
    return tuple(words for texts in found if len(texts) == 1 for words in texts if words)


@dataclass(frozen=True)
class _Name:
    """The method in words, what else tells it from others, and its caveats in brackets."""

    words: str
    marks: str
    more: tuple[str, ...] = ()

    def text(self, parts: Sequence[str] = (), clip: str = "") -> str:
        """The whole name, with further parts and the clip before the caveats."""
        text = ", ".join([self.words, *filter(None, (*parts, *self.more))])
        return " ".join(filter(None, (text, clip))) + self.marks


def _distinct(
    records: Sequence[Record],
    marks: Collection[str] | None,
    leave_out: Collection[str],
    parts: Sequence[LabelPart],
    *,
    everything: bool = False,
) -> list[_Name]:
    """Names that are distinct together with the parts, the clip and what is left out."""
    alike = _without(records, leave_out)
    names = [
        _Name(words, marks_text(record, marks))
        for words, record in zip(unmarked_names(alike), alike, strict=True)
    ]
    elsewhere: list[tuple[str, ...]] = [tuple(part.text(r) for part in parts) for r in records]
    if not everything:
        elsewhere = [
            (*texts, clip_name(record), *(str(value_of(record, field)) for field in leave_out))
            for texts, record in zip(elsewhere, records, strict=True)
        ]
    for part in _RARE:
        if set(part.fields) & set(leave_out) or (everything and part is _CONFIG):
            continue
        rows = grouped(range(len(names)), lambda place: (names[place], elsewhere[place]))
        for places in rows.values():
            if len({part.text(records[place]) for place in places}) > 1:
                for place in places:
                    more = *names[place].more, part.words(records[place])
                    names[place] = replace(names[place], more=more)
    return names


def value_of(record: Record, field: str) -> object:
    """A field of a record; `options.NAME` is an option, as resolved."""
    if field.startswith(OPTION):
        name = field.removeprefix(OPTION)
        return record.resolved_options.get(name, record.options.get(name))
    return getattr(record, field)


def first_videos(records: Sequence[Record]) -> int | None:
    """The number of videos that all records were limited to; None if they were not."""
    limits = {record.num_videos if record.limited else None for record in records}
    return limits.pop() if len(limits) == 1 else None


def _without(records: Sequence[Record], fields: Collection[str]) -> list[Record]:
    """The records as if they did not differ in some fields."""
    if not fields or not records:
        return [*records]
    same: dict[str, object] = {}
    for field in {*fields} & {*Record.model_fields}:
        value = getattr(records[0], field)
        same[field] = False if isinstance(value, bool) else value
    hidden = {field.removeprefix(OPTION) for field in fields}
    return [
        record.model_copy(
            update={**same, "options": {k: v for k, v in record.options.items() if k not in hidden}}
        )
        for record in records
    ]


def measured_order(record: Record) -> tuple:
    """Sort key: data set, method, and clip, whole videos last."""
    return (
        record.dataset,
        record.split,
        record.method,
        record.backbone or "",
        *clip_order(record),
        str(record.resolution),
        tie_break(record),
    )
