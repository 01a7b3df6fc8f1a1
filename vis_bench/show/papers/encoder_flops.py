"""IFC's table of its encoder's cost: published against counted."""

from __future__ import annotations

from collections.abc import Mapping

from vis_bench.records.metrics import Metric
from vis_bench.show.papers.encoder_options import (
    COMMUNICATION_TITLES,
    ENCODER_CLIP_LENGTHS,
    ENCODER_SIZES_HW,
)
from vis_bench.show.papers.spec import (
    FigureColumn,
    Lookup,
    Measurement,
    PaperRow,
    PaperTable,
)
from vis_bench.show.published import published_figures

_SIZES = tuple(f"{height}x{width}" for height, width in ENCODER_SIZES_HW)
_LENGTHS = ENCODER_CLIP_LENGTHS
_GMACS = Metric("encoder_gmacs", "GFLOPs", digits=2, higher_is_better=False)
COUNTED = (
    "counted on the meta device from the modules that also run, ResNet-50, 8 memory tokens, one "
    "multiply-add counts 1"
)

# communication -> "360x640 T=5" and so on -> 1e9 multiply-adds of the encoder for one clip
EncoderCounts = Mapping[str, Mapping[str, float]]


def encoder_flops_table() -> PaperTable:
    """1e9 multiply-adds of the encoder for one clip."""
    figures = published_figures()["ifc_encoder_flops"]
    columns = tuple(
        FigureColumn(f"T={length}", _GMACS, size) for size in _SIZES for length in _LENGTHS
    )
    rows = tuple(
        PaperRow(
            (COMMUNICATION_TITLES[row["communication"]],),
            {"communication": row["communication"]},
            tuple(row[size][length] for size in _SIZES for length in _LENGTHS),
            figures["source"],
        )
        for row in figures["rows"]
    )
    return PaperTable(
        "ifc-encoder",
        "GFLOPs of IFC's encoder for one clip (one multiply-add counts one)",
        "",
        "",
        "",
        where={},
        label_titles=("Communication",),
        columns=columns,
        rows=rows,
    )


def counted_lookup(counts: EncoderCounts | None) -> Lookup:
    """Looks up what has been counted; nothing where `counts` is None."""

    def look_up(row: PaperRow, column: FigureColumn) -> Measurement | None:
        if counts is None:
            return None
        value = counts[str(row.where["communication"])][f"{column.group} {column.title}"]
        return Measurement(column.metric.text(value), COUNTED)

    return look_up
