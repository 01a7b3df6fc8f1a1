"""IFC's encoders counted from the modules that also run."""

from __future__ import annotations

from vis_bench.cost.flops.counter import GIGA
from vis_bench.cost.flops.video import ShapeCounter
from vis_bench.progress import Advance, silent
from vis_bench.runs.config import Cell, DatasetConfig
from vis_bench.runs.load_method import BuildMethod, method_on_meta
from vis_bench.show.papers.encoder_options import (
    COMMUNICATION_TITLES,
    ENCODER_CLIP_LENGTHS,
    ENCODER_SIZES_HW,
)


def count_ifc_encoders(
    build_method: BuildMethod, advance: Advance = silent
) -> dict[str, dict[str, float]]:
    """IFC's table of encoders (NeurIPS 2021): G multiply-adds of the encoder alone for one clip.

    Counted from the method built with each kind of communication, R50 and its default memory;
    projection, decoder and heads are left out. Rows by communication, columns "360x640 T=5" to
    "720x1280 T=36".
    """
    table: dict[str, dict[str, float]] = {}
    for communication in COMMUNICATION_TITLES:
        options = {"backbone": "r50", "communication": communication}
        cell = Cell(method="ifc", options=options, dataset=DatasetConfig(name="ytvis2019"))
        counter = ShapeCounter(method_on_meta(build_method, cell, num_classes=40))
        row = table.setdefault(communication, {})
        for height, width in ENCODER_SIZES_HW:
            for length in ENCODER_CLIP_LENGTHS:
                count = counter.count_clip((height, width), length).all
                row[f"{height}x{width} T={length}"] = count.within("encoder") / GIGA
                advance()
    return table
