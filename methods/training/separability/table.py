"""The table of the areas."""

from __future__ import annotations

from collections.abc import Sequence

from methods.training.separability.areas import LevelGain, LevelSeparability
from vis_bench.records.caveats import count
from vis_bench.show.tables.grid import ABSENT, Column, Grid, grid_of


def grid(areas: Sequence[LevelSeparability], more: Sequence[LevelGain]) -> Grid:
    """A row for each level."""
    columns = [*map(Column, ("Stride", "Foreground", "Background", "AUC", "Low", "High"))]
    columns += [Column(title, "Gain") for title in ("", "low", "high")] if more else []
    rows = []
    for place, area in enumerate(areas):
        texts = [str(area.stride), str(area.foreground), str(area.background)]
        texts += [_digits(value) for value in (area.auc, area.low, area.high)]
        if more:
            gain = more[place]
            texts += [_digits(value, "+") for value in (gain.gain, gain.low, gain.high)]
        rows.append(texts)
    return grid_of(columns, rows)


def _digits(value: float | None, sign: str = "") -> str:
    return ABSENT if value is None else f"{value:{sign}.4f}"


def remark(videos: int, held_out: int, frames: int) -> str:
    """What the areas are."""
    return (
        "Area under the ROC curve of a linear probe, foreground against background, fitted to "
        f"{count(videos, 'training video')} and judged on "
        f"{count(held_out, 'held-out video')}, {count(frames, 'frame')} each; "
        "95 % intervals (bootstrap over videos)."
    )
