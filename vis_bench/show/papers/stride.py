"""IFC over clip lengths and strides."""

from __future__ import annotations

from vis_bench.records.metrics import AP, AP75, FPS
from vis_bench.show.papers.encoder_options import PUBLISHED_ENCODER
from vis_bench.show.papers.spec import (
    FigureColumn,
    PaperRow,
    PaperTable,
    mini_rows_of,
    rows_where,
)
from vis_bench.show.published import published_figures

_COLUMNS = {
    "ap": FigureColumn("AP", AP),
    "ap75": FigureColumn("AP75", AP75),
    "fps": FigureColumn("FPS", FPS),
}


def ifc_stride_table() -> PaperTable:
    """AP, AP75 and FPS where clips overlap by about half."""
    figures = published_figures()["ifc_stride"]
    rows = tuple(
        PaperRow(
            (str(row["clip_length"]), str(row["clip_stride"])),
            {"clip_length": row["clip_length"], "clip_stride": row["clip_stride"]},
            tuple(row[key] for key in _COLUMNS),
            figures["source"],
        )
        for row in figures["rows"]
    )
    return PaperTable(
        "ifc-stride",
        "IFC by clip length and stride, ResNet-50",
        "YouTube-VIS 2019",
        "ytvis2019",
        "val",
        where={"method": "ifc", **PUBLISHED_ENCODER},
        label_titles=("Clip", "Stride"),
        columns=tuple(_COLUMNS.values()),
        rows=rows_where(rows, backbone="r50"),
        mini_rows=mini_rows_of(rows),
    )
