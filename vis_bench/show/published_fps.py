"""Published FPS, and beside each what this bench measures of the same method and clips.

Published figures are of different GPUs, and most sources do not say what they timed; so every line
says what was timed and on what, and no difference is computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vis_bench.cost.speed.settings import PAPER
from vis_bench.records.metrics import FPS
from vis_bench.records.names import arithmetic_name
from vis_bench.records.ranking import tie_break
from vis_bench.records.schema import Record
from vis_bench.show.number_format import plain, spread_mark
from vis_bench.show.papers.encoder_options import PUBLISHED_ENCODER
from vis_bench.show.papers.footnotes import Footnotes
from vis_bench.show.papers.matching import holds
from vis_bench.show.papers.names import BACKBONE_NAMES, METHOD_NAMES, method_names
from vis_bench.show.papers.spec import Where
from vis_bench.show.published import published_figures
from vis_bench.show.tables.model import ABSENT, Column, Entry, Page, Table

TITLE = "Published FPS, and FPS measured here"
NOT_STATED = "not stated"
_RESOLUTIONS = {"ifc": 360, "seqformer": 360, "vistr": 300, "videomt": 448}
# Data sets of 36 frames at most, which published FPS are of, or which stand for it.
_DATA = ("nominal", "ytvis2019")
_COLUMNS = (
    *(Column(title, numeric=False) for title in ("Method", "Backbone", "Clip", "Stride")),
    *(Column(title, numeric=False) for title in ("Figures", "Timed", "Arithmetic", "Device")),
    Column("FPS"),
)
_REMARK = (
    "FPS of different devices, or of different things timed, cannot be compared. Measured on "
    "YouTube-VIS 2019 or on made-up videos of 36 frames of 720x1280 before resizing, where weights "
    "are random: the network costs what it costs with trained weights; what the tracker costs "
    "depends on how many instances are found."
)


@dataclass(frozen=True)
class _Published:
    """A published FPS, and what a record of the same has to say."""

    labels: tuple[str, str, str, str]
    where: Where
    fps: float
    source: str
    hardware: str

    @property
    def timed(self) -> str:
        """What the source says that was timed."""
        return published_figures()["fps_timed"].get(self.source, NOT_STATED)


def stand_beside_published(records: Sequence[Record]) -> list[Record]:
    """The records whose FPS may stand beside published ones, in an order of their own."""
    fit = (r for r in records if r.dataset in _DATA and not r.external and r.fps is not None)
    return sorted(fit, key=tie_break)


def published_fps_page(records: Sequence[Record]) -> Page:
    """A line for each published figure, and below it one for each region that was measured."""
    footnotes = Footnotes()
    fit = stand_beside_published(records)
    lines: list[tuple[Entry, ...]] = []
    for row in _published():
        source = Entry("published", notes=footnotes.source(row.source))
        texts = row.timed, ABSENT, row.hardware, FPS.text(row.fps)
        lines.append((*map(Entry, row.labels), source, *map(Entry, texts)))
        labels = [Entry(label, repeats=True) for label in row.labels]
        for record in fit:
            if holds(record, row.where):
                lines += ((*labels, *measured) for measured in _measured(record))
    return Page(TITLE, (Table(_COLUMNS, tuple(lines)),), footnotes.texts, (_REMARK,))


def _measured(record: Record) -> Iterator[tuple[Entry, ...]]:
    for region, fields in record.regions.items():
        as_paper = record.speed_protocol == PAPER
        timed = f"{region}, the authors' protocol" if as_paper else region
        fps = ABSENT if fields.fps is None else FPS.text(fields.fps) + spread_mark(fields)
        texts = "measured", timed, arithmetic_name(record), plain(record.device), fps
        yield tuple(map(Entry, texts))


def _published() -> list[_Published]:
    """Every published figure of a method that is built in, once where several sources repeat it."""
    figures = published_figures()
    rows = [
        _of_row(row, row["source"])
        for row in figures["comparison"]
        if "fps" in row and row["method"] in METHOD_NAMES
    ]
    stride = figures["ifc_stride"]
    ifc = {"method": "IFC", "backbone": "ResNet-50"}
    rows += [_of_row({**ifc, **row}, stride["source"]) for row in stride["rows"]]
    videomt = figures["videomt_fps"]
    rows += [_of_videomt(row, videomt) for row in videomt["rows"]]
    once = {(row.labels, row.fps): row for row in reversed(rows)}
    return sorted(once.values(), key=rows.index)


def _of_row(row: Mapping[str, Any], source: str) -> _Published:
    method = METHOD_NAMES[row["method"]]
    length, clip_stride = row.get("clip_length", "whole"), row.get("clip_stride")
    lengths = (length, "whole") if length == 36 else (length,)
    hardware = published_figures()["fps_hardware"].get(_hardware_source(source), NOT_STATED)
    where: dict[str, object] = {
        "method": method_names(row["method"]),
        "backbone": BACKBONE_NAMES[row["backbone"]],
        "clip_length": lengths,
        "clip_stride": clip_stride or (1, None, 18),
        "resolution": _RESOLUTIONS[method],
        "training": None,
        **(PUBLISHED_ENCODER if method == "ifc" else {}),
    }
    labels = row["method"], row["backbone"], str(length), plain(clip_stride)
    return _Published(labels, where, row["fps"], source, hardware.split(";")[0])


def _hardware_source(source: str) -> str:
    """IFC's README repeats the FPS of its slides."""
    return "ifc-slides" if source == "ifc-readme" else source


def _of_videomt(row: Mapping[str, Any], figures: Mapping[str, Any]) -> _Published:
    where = {
        "method": "videomt", "options.variant": row["variant"], "clip_length": 1,
        "resolution": _RESOLUTIONS["videomt"],
    }  # fmt: skip
    labels = "VidEoMT", f"ViT {row['variant']}", "1", ABSENT
    return _Published(labels, where, row["fps"], figures["source"], figures["hardware"])
