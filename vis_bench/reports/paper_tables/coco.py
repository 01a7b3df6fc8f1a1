"""IFC's memory on single images: COCO val, published only."""

from __future__ import annotations

from vis_bench.records.metrics import AP, AP50
from vis_bench.reports.paper_tables.spec import FigureColumn, PaperRow, PaperTable
from vis_bench.reports.published import published_figures


def coco_table() -> PaperTable:
    """AP of image instance segmentation with the memory and without."""
    figures = published_figures()["ifc_coco_val"]
    return PaperTable(
        "ifc-coco-val",
        "IFC's memory tokens on single images",
        "COCO val",
        "coco",
        "val",
        where={},
        label_titles=("Memory",),
        columns=(FigureColumn("AP", AP), FigureColumn("AP50", AP50)),
        rows=tuple(
            PaperRow((row["memory"],), {}, (row["ap"], row["ap50"]), figures["source"])
            for row in figures["rows"]
        ),
        remarks=("Single images are not videos: this bench does not measure them.",),
    )
