"""Table of multiply-adds: per clip and per source frame."""

from __future__ import annotations

from collections.abc import Sequence

from vis_bench.record.metrics import GFLOPS_PER_CLIP, GFLOPS_PER_FRAME, PARAMS
from vis_bench.record.names import COST_MARKS
from vis_bench.record.schema import Record
from vis_bench.table.labels import cell_columns, measured_order
from vis_bench.table.model import Column, Entry, Page, Table
from vis_bench.table.number_format import figure, plain

TITLE = "Multiply-adds"


def flops_page(records: Sequence[Record]) -> Page:
    """A row per record."""
    rows = sorted((r for r in records if r.gflops_per_frame is not None), key=measured_order)
    metrics = (GFLOPS_PER_FRAME, GFLOPS_PER_CLIP, PARAMS)
    labels = cell_columns(rows, marks=COST_MARKS)
    rules = [plain(row.flop_convention) for row in rows]
    if len({*rules}) > 1:
        rule = Column("Counted as", numeric=False, joined=", ", names_row=True)
        labels.append((rule, list(map(Entry, rules))))
    values = [(Column(m.title, key=m.field), [figure(row, m) for row in rows]) for m in metrics]
    return Page(TITLE, (Table.of_columns([*labels, *values]),))
