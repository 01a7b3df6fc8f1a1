"""The measured table of the README."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vis_bench.record.metrics import AP, FPS, GFLOPS_PER_FRAME, HOTA
from vis_bench.record.names import tie_break
from vis_bench.record.schema import Record
from vis_bench.show.leaderboard import best_cells, choices
from vis_bench.show.measured import speed_remarks
from vis_bench.table import render
from vis_bench.table.labels import cell_columns
from vis_bench.table.model import Page, Table
from vis_bench.table.number_format import (
    SPREAD_UNKNOWN,
    UNKNOWN_KEY,
    entry_of,
    interval_remarks,
    metric_column,
    speed_notes,
)

_FRONT = (AP, HOTA, FPS, GFLOPS_PER_FRAME)


def front_table(records: Sequence[Record]) -> str:
    """The best cell of each method, in few columns."""
    rows = sorted(best_cells(records), key=lambda row: -(row.ap or 0))
    if not rows:
        return "No record yet.\n"
    chosen = choices(records)
    (method, names), *labels = cell_columns(rows)
    names = [
        replace(name, notes=chosen.get(tie_break(row), ())[:1])
        for name, row in zip(names, rows, strict=True)
    ]
    values = [
        (
            metric_column(metric, rows),
            [
                replace(entry_of(row, metric), notes=speed_notes(row) if metric is FPS else ())
                for row in rows
            ],
        )
        for metric in _FRONT
    ]
    notes = dict(chosen[key] for row in rows if (key := tie_break(row)) in chosen)
    notes |= {UNKNOWN_KEY: SPREAD_UNKNOWN} if any(map(speed_notes, rows)) else {}
    remarks = (*interval_remarks(rows), *speed_remarks(rows))
    table = Table.of_columns([(method, names), *labels, *values])
    return render(Page("", (table,), notes, remarks))
