"""Milliseconds per source frame by stage, as the bars of a chart."""

from __future__ import annotations

from collections.abc import Sequence

from vis_bench.measures.speed.settings import OTHER, STAGE_NAMES
from vis_bench.record.schema import Record
from vis_bench.show.report.table import LETTERS

# A bar of the chart: its name, and milliseconds per source frame by stage.
StageBar = tuple[str, dict[str, float]]


def stage_bars(records: Sequence[Record | None]) -> list[StageBar]:
    """A bar for each region whose stages were timed."""
    is_pair = len(records) == 2
    return [
        (f"{letter}: {name}" if is_pair else name, dict(region.stage_ms_per_frame))
        for letter, record in zip(LETTERS, records, strict=False)
        if record is not None
        for name, region in record.regions.items()
        if region.stage_ms_per_frame
    ]


def stage_order(bars: Sequence[StageBar]) -> list[str]:
    """Timed stages in the order in which they run."""
    timed = {stage for _, parts in bars for stage in parts}
    known = [stage for stage in (*STAGE_NAMES, OTHER) if stage in timed]
    return known + sorted(timed - set(known))
