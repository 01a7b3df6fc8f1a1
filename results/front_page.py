"""The measured table of the README."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vis_bench.record.metrics import AP, FPS, GFLOPS_PER_FRAME, HOTA
from vis_bench.record.schema import Record
from vis_bench.show.leaderboard import best_cells, choice_texts, choices
from vis_bench.table import fitted, render
from vis_bench.table.labels import cell_columns
from vis_bench.table.model import Page, Table
from vis_bench.table.number_format import (
    SPREAD_UNKNOWN,
    UNKNOWN_KEY,
    entry_of,
    metric_column,
    speed_notes,
)
from vis_bench.table.to_markdown import escape_markdown

_FRONT = (AP, HOTA, FPS, GFLOPS_PER_FRAME)
_MORE = "[All cells, and what the columns mean](results/clip_lengths/README.md)"


def front_table(records: Sequence[Record]) -> str:
    """The best cell of each method in few columns, and a line on what all of them share."""
    rows = sorted(best_cells(records), key=lambda row: -(row.ap or 0))
    if not rows:
        return "No record yet.\n"
    values = [
        (
            replace(metric_column(metric, rows), remarks=()),
            [
                replace(entry_of(row, metric), notes=speed_notes(row) if metric is FPS else ())
                for row in rows
            ],
        )
        for metric in _FRONT
    ]
    [table] = fitted(Table.of_columns([*cell_columns(rows), *values])).tables
    parts = [", ".join(table.shared), *choice_texts(rows, choices(records))]
    parts += [f"[{UNKNOWN_KEY}]: {SPREAD_UNKNOWN}"] if any(map(speed_notes, rows)) else []
    line = "; ".join(filter(None, parts))
    sentences = [f"{line[:1].upper()}{line[1:]}.", *metric_column(HOTA, rows).remarks]
    bare = render(Page("", (replace(table, shared=()),)))
    return f"{bare}\n{escape_markdown(' '.join(sentences))} {_MORE}.\n"
