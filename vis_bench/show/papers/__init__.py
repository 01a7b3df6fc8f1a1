"""The papers' tables, published and measured side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vis_bench.errors import InputError
from vis_bench.records.schema import Record
from vis_bench.show.papers.clip_length import seqformer_clip_length_table
from vis_bench.show.papers.coco import coco_table
from vis_bench.show.papers.comparison import comparison_2021_table, comparison_table
from vis_bench.show.papers.encoder_flops import (
    EncoderCounts,
    counted_lookup,
    encoder_flops_table,
)
from vis_bench.show.papers.fill import fill_table
from vis_bench.show.papers.from_records import record_lookup
from vis_bench.show.papers.ifc_ablations import (
    encoder_comparison_table,
    memory_decomposition_table,
    memory_tokens_table,
)
from vis_bench.show.papers.spec import PaperTable
from vis_bench.show.papers.stride import ifc_stride_table
from vis_bench.show.tables.model import Page

PAPER_TABLES: dict[str, Callable[[], PaperTable]] = {
    "comparison": comparison_table,
    "comparison-2021": comparison_2021_table,
    "seqformer-clip-length": seqformer_clip_length_table,
    "ifc-stride": ifc_stride_table,
    "ifc-memory-tokens": memory_tokens_table,
    "ifc-memory-decomposition": memory_decomposition_table,
    "ifc-encoder-comparison": encoder_comparison_table,
    "ifc-encoder": encoder_flops_table,
    "ifc-coco": coco_table,
}


def paper_table(
    name: str, records: Sequence[Record], encoder_counts: EncoderCounts | None = None
) -> Page:
    """A paper's table with every cell's published, measured and difference.

    Args:
        name: a key of `PAPER_TABLES`.
        records: what has been measured.
        encoder_counts: for `ifc-encoder`, what has been counted.

    Raises:
        InputError: for an unknown name.
    """
    if name not in PAPER_TABLES:
        raise InputError(f"table is {name!r}; expected one of: {', '.join(PAPER_TABLES)}")
    table = PAPER_TABLES[name]()
    mini = record_lookup(table, records, table.mini_dataset)
    if name == "ifc-encoder":
        return fill_table(table, counted_lookup(encoder_counts), mini)
    return fill_table(table, record_lookup(table, records, table.dataset), mini)
