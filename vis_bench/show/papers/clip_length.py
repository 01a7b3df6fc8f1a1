"""SeqFormer over clip lengths: Table 1 of its supplement."""

from __future__ import annotations

from vis_bench.records.metrics import AP
from vis_bench.show.papers.spec import (
    FigureColumn,
    PaperRow,
    PaperTable,
    mini_rows_of,
    rows_where,
)
from vis_bench.show.published import published_figures


def seqformer_clip_length_table() -> PaperTable:
    """AP of clip-wise inference; whole videos first."""
    figures = published_figures()["seqformer_clip_length"]
    rows = tuple(
        PaperRow((str(length),), {"clip_length": length}, (ap,), figures["source"])
        for length, ap in figures["ap"].items()
    )
    return PaperTable(
        "seqformer-clip-length",
        "SeqFormer by clip length, ResNet-50, trained on YouTube-VIS 2019 only",
        "YouTube-VIS 2019",
        "ytvis2019",
        "val",
        where={"method": "seqformer"},
        label_titles=("Clip",),
        columns=(FigureColumn("AP", AP),),
        rows=rows_where(rows, backbone="r50", training=(None, "YouTube-VIS only")),
        mini_rows=mini_rows_of(rows),
    )
