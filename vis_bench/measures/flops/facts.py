"""Multiply-adds: words, exact comparison, and what counting needs."""

from __future__ import annotations

from collections.abc import Iterator

from vis_bench.measures.comparison import Comparison, exactly
from vis_bench.measures.figure import Figure
from vis_bench.measures.flops.table import flops_page
from vis_bench.measures.measure import Measure
from vis_bench.record.metrics import GFLOPS_PER_FRAME
from vis_bench.record.schema import Record

NAME = "flops"
_FIGURES = ("gflops_per_clip", "gflops_per_frame")


def words(record: Record) -> str:
    """GFLOPs per source frame as printed, where FPS do not stand for the cost."""
    value = GFLOPS_PER_FRAME.of(record)
    return (
        ""
        if value is None or record.fps is not None
        else f"{GFLOPS_PER_FRAME.text(value)} {GFLOPS_PER_FRAME.title}"
    )


def figures(record: Record) -> list[Figure]:
    """GFLOPs per source frame."""
    metric = GFLOPS_PER_FRAME
    return [Figure(metric, metric.of(record), compared=metric.field)]


def compare(old: Record, new: Record, points: float) -> Iterator[Comparison]:
    """Compare counts exactly, and the rule of counting."""
    before, now = old.flop_convention, new.flop_convention
    if before and now and before != now:
        change = "another rule of counting"
        yield Comparison("flop_convention", (), before, now, change, "changed")
    for figure in _FIGURES:
        yield exactly(figure, getattr(old, figure), getattr(new, figure), new, NAME)


MEASURE = Measure(
    NAME,
    runner="vis_bench.measures.flops.run",
    signs=("gflops_per_frame",),
    needs=frozenset(),
    page=flops_page,
    compare=compare,
    gated=dict.fromkeys((*_FIGURES, "flop_convention"), True),
    figures=figures,
    words=words,
)
