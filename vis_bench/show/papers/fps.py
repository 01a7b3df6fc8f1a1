"""Published FPS, and beside each what this bench measures of the same method and clips."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from vis_bench.measures.speed.settings import PAPER
from vis_bench.record.metrics import FPS
from vis_bench.record.names import arithmetic_name, tie_break
from vis_bench.record.schema import Record
from vis_bench.show.papers.lookup import holds
from vis_bench.show.papers.table import PaperRow, PaperTable, load_table, published, source_text
from vis_bench.table.model import ABSENT, Column, Entry, Footnotes, Page, Table
from vis_bench.table.number_format import fps_remarks, plain, spread_mark
from vis_bench.yaml_text import read_yaml

_TEXTS = ("Method", "Backbone", "Clip", "Stride", "Figures", "Timed", "Arithmetic", "Device")


@cache
def _facts() -> Mapping[str, Any]:
    return read_yaml(Path(__file__).with_name("fps.yaml"))


def _fitting(records: Sequence[Record]) -> list[Record]:
    """The records whose FPS may stand beside published ones, sorted."""
    fit = (
        r
        for r in records
        if r.dataset in _facts()["datasets"] and not r.external and r.fps is not None
    )
    return sorted(fit, key=tie_break)


def fps_page(records: Sequence[Record]) -> Page:
    """A line for each published value, and below it one for each region that was measured."""
    notes = Footnotes()
    fit = _fitting(records)
    lines: list[tuple[Entry, ...]] = []
    for labels, where, fps, source in _published():
        stated = published()["sources"][source]
        timed = stated.get("timed", {}).get(labels[0], "not stated")
        texts = timed, ABSENT, stated.get("hardware", "not stated")
        head = Entry("published", notes=notes.numbered(source_text(source)))
        lines.append((*map(Entry, labels), head, *map(Entry, texts), Entry(FPS.text(fps))))
        repeated = [Entry(label, repeats=True) for label in labels]
        for record in fit:
            if holds(record, where):
                lines += ((*repeated, *measured) for measured in _measured(record))
    joined = {"Backbone": ", ", "Arithmetic": ", "}
    columns = (
        *(Column(title, numeric=False, joined=joined.get(title, "")) for title in _TEXTS),
        Column("FPS"),
    )
    table = Table(columns, tuple(lines))
    return Page(_facts()["title"], (table,), notes.texts, (_facts()["remark"], *fps_remarks(fit)))


def published_speeds() -> list[tuple[str, str, float, float]]:
    """(method, variant, FPS, AP in points) of every model of the comparison with both.

    The variant is short, such as "R50, T=5". Of a model with several sources the last one counts:
    its released checkpoint, where there is one.
    """
    table = load_table("comparison")
    found = {}
    for row in table.rows:
        labels, fps = table.row_labels(row), _value(table, row, "fps")
        if fps is not None:
            backbone = labels["Backbone"].replace("ResNeXt-", "X").replace("ResNet-", "R")
            clip = "" if labels["Clip"] == ABSENT else f", T={labels['Clip']}"
            found[labels["Method"], backbone + clip] = fps, _value(table, row, "ap") or 0.0
    return [(*model, *numbers) for model, numbers in found.items()]


def _published() -> Iterator[tuple[tuple[str, ...], dict[str, Any], float, str]]:
    """(labels, conditions, FPS, source) of each value, once where several sources repeat it.

    The conditions on records, which `holds` reads, are those of the table's row, but for the
    settings that fps.yaml says the method was timed with.
    """
    facts, seen = _facts(), set()
    for part in facts["tables"]:
        table = load_table(part["table"])
        for row in table.rows:
            shown, fps = table.row_labels(row), _value(table, row, "fps")
            method = shown.get("Method", part.get("method"))
            backbone = shown.get("Backbone", part.get("backbone"))
            if method not in facts["methods"] or fps is None:
                continue
            timed_with = facts["methods"][method] | facts["backbones"].get(backbone, {})
            clip = shown["Clip"]
            if clip == ABSENT:
                clip = str(timed_with.get("clip_length", "whole"))
            labels = method, backbone, clip, shown.get("Stride", ABSENT)
            if (labels, fps) in seen:
                continue
            seen.add((labels, fps))
            of_row = {"clip_stride": [1, None]} | table.conditions(row)
            yield labels, of_row | {"training": None} | timed_with, fps, row.source[-1]


def _measured(record: Record) -> Iterator[tuple[Entry, ...]]:
    for region, fields in record.regions.items():
        as_paper = record.speed_protocol == PAPER
        timed = f"{region}, the authors' protocol" if as_paper else region
        fps = ABSENT if fields.fps is None else FPS.text(fields.fps) + spread_mark(fields)
        texts = "measured", timed, arithmetic_name(record), plain(record.device), fps
        yield tuple(map(Entry, texts))


def _value(table: PaperTable, row: PaperRow, field: str) -> float | None:
    places = [n for n, column in enumerate(table.columns) if column.metric.field == field]
    return row.values[places[0]]
