"""Milliseconds per source frame by stage, as a chart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from vis_bench.charts import Panel, Series
from vis_bench.measures.speed.settings import OTHER, STAGE_NAMES
from vis_bench.record.names import COST_MARKS
from vis_bench.record.schema import Record
from vis_bench.table.labels import cell_names
from vis_bench.text import single_line


def stage_panels(records: Sequence[Record]) -> list[Panel]:
    """A stacked bar for each record and timed region; none where no stage was timed."""
    names = cell_names(records, marks=COST_MARKS)
    bars = [
        (
            f"{name}, {single_line(region)}" if len(record.regions) > 1 else name,
            {single_line(stage): ms for stage, ms in fields.stage_ms_per_frame.items()},
        )
        for name, record in zip(names, records, strict=True)
        for region, fields in record.regions.items()
        if fields.stage_ms_per_frame
    ]
    places = tuple(map(float, range(len(bars))))
    stages = [
        Series(stage, "", places, tuple(parts.get(stage, 0.0) for _, parts in bars), kind="stack")
        for stage in _in_order(parts for _, parts in bars)
    ]
    title = "Milliseconds per source frame by stage"
    panel = Panel(
        title,
        "",
        "ms per source frame",
        tuple(stages),
        categories=tuple(name for name, _ in bars),
        is_sideways=True,
        remark="rle encodes masks, other is between the stages",
        alt=f"{title}; the numbers are in the table.",
    )
    return [panel] if bars else []


def _in_order(bars: Iterable[Mapping[str, float]]) -> list[str]:
    """Timed stages in the order in which they run."""
    timed = {stage for parts in bars for stage in parts}
    known = [stage for stage in (*STAGE_NAMES, OTHER) if stage in timed]
    return known + sorted(timed - set(known))
