"""The table of AP where it is hard: hidden objects, objects that return, long videos."""

from __future__ import annotations

from collections.abc import Sequence

from vis_bench.records.metrics import AP, LEVELS, PARTS
from vis_bench.records.names import marked_labels
from vis_bench.records.schema import Record
from vis_bench.show.leaderboard import best_cells
from vis_bench.show.number_format import figure, plain
from vis_bench.show.tables import render
from vis_bench.show.tables.model import Column, Table

TITLE = "AP where it is hard"
# AP of short and of long videos stands between AP and the levels.
_COLUMNS = (AP, *(metric for metric in PARTS if metric.title.startswith("AP ")), *LEVELS)
_TEXT = (
    "The best cell of each method and backbone. Lightly, moderately and heavily occluded objects "
    "are those of OVIS:\nwhat counts is the more hidden half of an object's frames. Returning "
    "objects are seen again after frames in which they are not.\nObjects of other levels are "
    "ignored, while predictions that match nothing count at every level."
)


def hard_objects_markdown(records: Sequence[Record]) -> str:
    """The section with its heading; empty where no record has such numbers."""
    grid = hard_objects_grid(records)
    return "" if grid is None else f"## {TITLE}\n\n{_TEXT}\n\n{render(grid)}"


def hard_objects_grid(records: Sequence[Record]) -> Table | None:
    """A row per method; columns that no row has are left out, and None stands for no rows."""
    rows = best_cells([record for record in records if _is_known(record)])
    metrics = [AP, *(m for m in _COLUMNS[1:] if any(m.of(row) is not None for row in rows))]
    if not rows:
        return None
    columns = [
        *(Column(title, numeric=False) for title in ("Method", "Backbone", "Data")),
        *map(Column, ("Clip", "Stride")),
        *(Column(metric.title) for metric in metrics),
    ]
    lines = [
        [
            label,
            plain(row.backbone),
            f"{row.dataset} {row.split}",
            plain(row.clip_length),
            plain(row.clip_stride),
            *(figure(row, metric) for metric in metrics),
        ]
        for label, row in zip(marked_labels(rows), rows, strict=True)
    ]
    return Table.of(columns, lines)


def _is_known(record: Record) -> bool:
    return any(metric.of(record) is not None for metric in _COLUMNS[1:])
