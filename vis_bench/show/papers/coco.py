"""IFC's memory tokens on single images: COCO val, with them and without."""

from __future__ import annotations

from vis_bench.data.synthetic.images import EVERY
from vis_bench.records.metrics import AP, AP50
from vis_bench.show.papers.encoder_options import PUBLISHED_ENCODER
from vis_bench.show.papers.ifc_ablations import MINI_TRAINING
from vis_bench.show.papers.spec import FigureColumn, PaperRow, PaperTable, mini_rows_of
from vis_bench.show.published import published_figures

_MEMORY_TOKENS = {"without": 0, "with": PUBLISHED_ENCODER["options.memory_tokens"]}


def coco_table() -> PaperTable:
    """AP of image instance segmentation with the memory and without."""
    figures = published_figures()["ifc_coco_val"]
    rows = tuple(
        PaperRow(
            (row["memory"],),
            {"backbone": "r50", "options.memory_tokens": _MEMORY_TOKENS[row["memory"]]},
            (row["ap"], row["ap50"]),
            figures["source"],
        )
        for row in figures["rows"]
    )
    return PaperTable(
        "ifc-coco",
        "IFC's memory tokens on single images",
        "COCO val",
        "coco",
        "val",
        where={"method": "ifc", "options.mode": "image", "options.communication": "ifc"},
        label_titles=("Memory",),
        columns=(FigureColumn("AP", AP), FigureColumn("AP50", AP50)),
        rows=rows,
        mini_rows=mini_rows_of(rows, MINI_TRAINING),
        mini_dataset="synthetic_images",
        remarks=(
            "AP is that of COCOeval, images without objects included. The mini models' images are "
            f"every {EVERY}th frame of the synthetic validation videos, and the models have "
            "learned from videos.",
        ),
    )
