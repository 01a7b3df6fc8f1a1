"""The table of the command `agreement`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vis_bench.metrics.agreement import NUM_BEST
from vis_bench.metrics.tracking.protocol import SCORE_THRESHOLD
from vis_bench.runs.agreement import MEAN_IOU, MOST_POINTS, Agreement
from vis_bench.show.tables.model import ABSENT, Column, Page, Table

_COLUMNS = (
    Column("Method", numeric=False), Column("Setting", numeric=False), Column("AP, float32"),
    Column("AP"), Column("Difference"), Column("Videos with the same classes"),
    Column("Sure tracks"), Column("Least IoU"), Column("Mean IoU"),
)  # fmt: skip
_REMARK = (
    f"Sure tracks: of the {NUM_BEST} best of each video in float32 those with a score above "
    f"{SCORE_THRESHOLD}. Limits: {MOST_POINTS} points of AP, the same classes in every video, a "
    f"mean IoU of {MEAN_IOU}."
)


def agreement_table(rows: Sequence[Agreement]) -> Page:
    """A row for each method and setting, and the limits below."""
    lines = [
        [
            row.method, row.setting, f"{100 * row.reference_ap:.2f}", f"{100 * row.ap:.2f}",
            f"{row.points:+.2f}", f"{row.num_same} of {len(row.videos)}", str(len(row.ious_N)),
            _iou(row.least_iou), _iou(row.mean_iou),
        ]
        for row in rows
    ]  # fmt: skip
    return Page("", (Table.of(_COLUMNS, lines),), {}, (_REMARK,))


def as_json(row: Agreement) -> dict[str, Any]:
    """A row by names; AP as fractions."""
    return {
        "method": row.method,
        "setting": row.setting,
        "reference_ap": row.reference_ap,
        "ap": row.ap,
        "num_videos": len(row.videos),
        "num_videos_with_the_same_classes": row.num_same,
        "num_sure_tracks": len(row.ious_N),
        "least_iou": row.least_iou,
        "mean_iou": row.mean_iou,
        "problems": row.problems(),
    }


def _iou(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.4f}"
