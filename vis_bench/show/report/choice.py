"""Which videos are shown: the worst and the best of one subject, those that changed most of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.metrics.analyse import Analysis

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Group:
    """Videos under one heading, by their places in the annotations, the most telling first."""

    title: str
    places: Sequence[int]


def chosen_groups(samples: Sequence[Analysis], most: int) -> list[Group]:
    """The groups of a page, of at most so many videos together; none of them twice.

    Videos without an object that counts are in none.
    """
    ap_V = samples[0].by_video["ap"]
    known = np.flatnonzero(~np.isnan(ap_V))
    if len(samples) == 2:
        return _changed(samples[1].by_video["ap"] - ap_V, known, most)
    rising = known[np.argsort(ap_V[known], kind="stable")].tolist()
    falling = known[np.argsort(-ap_V[known], kind="stable")].tolist()
    num_worst = (min(most, len(rising)) + 1) // 2
    worst = rising[:num_worst]
    best = [place for place in falling if place not in worst][: most - num_worst]
    groups = [Group("The worst videos", worst), Group("The best videos", best)]
    return [group for group in groups if group.places]


def _changed(change_V: np.ndarray, known: np.ndarray, most: int) -> list[Group]:
    order = known[np.argsort(-abs(change_V[known]), kind="stable")]
    moved = order[abs(change_V[order]) > _ROUNDING]
    return [Group("The videos that changed most", moved[:most].tolist())] if moved.size else []


def in_turn(groups: Sequence[Group]) -> list[int]:
    """All places, the first of each group before the second of any."""
    most = max((len(group.places) for group in groups), default=0)
    return [group.places[i] for i in range(most) for group in groups if i < len(group.places)]
