"""Multiply-adds: the table, words, exact comparison, and what counting needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vis_bench.measures.comparison import Comparison, exactly
from vis_bench.measures.figure import Figure
from vis_bench.measures.measure import Measure
from vis_bench.record.metrics import GFLOPS_PER_CLIP, GFLOPS_PER_FRAME, PARAMS
from vis_bench.record.names import COST_MARKS
from vis_bench.record.schema import CostFields, Record
from vis_bench.table.labels import cell_columns, measured_order
from vis_bench.table.model import Column, Entry, Page, Table
from vis_bench.table.number_format import figure, plain

NAME = "flops"
_FIGURES = ("gflops_per_clip", "gflops_per_frame")


def words(record: Record) -> str:
    """GMACs per source frame as printed, where FPS do not stand for the cost."""
    value = GFLOPS_PER_FRAME.of(record)
    return (
        ""
        if value is None or record.fps is not None
        else f"{GFLOPS_PER_FRAME.text(value)} {GFLOPS_PER_FRAME.title}"
    )


def figures(record: Record) -> list[Figure]:
    """GMACs per source frame."""
    metric = GFLOPS_PER_FRAME
    return [Figure(metric, metric.of(record), compared=metric.field)]


def compare(old: Record, new: Record, points: float) -> Iterator[Comparison]:
    """Compare counts exactly, and the rule of counting."""
    before, now = old.flop_convention, new.flop_convention
    if before and now and before != now:
        change = "another rule of counting"
        yield Comparison("flop_convention", (), before, now, change, "changed")
    for field in _FIGURES:
        yield exactly(field, getattr(old, field), getattr(new, field), new, NAME)


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


MEASURE = Measure(
    NAME,
    runner="vis_bench.measures.flops.run",
    fields=CostFields,
    needs=frozenset(),
    page=flops_page,
    compare=compare,
    figures=figures,
    words=words,
)
