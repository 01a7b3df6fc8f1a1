"""Which tracks of several results are the same object, so that they get the same color."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from vis_bench.metrics.repairs import BACKGROUND
from vis_bench.metrics.space_time_iou import space_time_iou
from vis_bench.show.overlay.track_set import TrackSet


def identities(sets: Sequence[TrackSet], found: Sequence[np.ndarray] = ()) -> list[np.ndarray]:
    """A number per track of each set, from 0; tracks of one object share it across sets.

    The first set, the ground truth where there is one, counts up in its own order. Every later set
    is assigned to it, one to one, so that the space-time IoU in sum is largest; pairs below an IoU
    of 0.1 have nothing to do with each other. What is left is assigned in the same way to what
    earlier sets had left, and gets new numbers after that. Categories play no part.

    Args:
        found: for each set but the first, which track of the first each of its tracks is known to
            be, -1 where that is not known.
    """
    groups: list[tuple[TrackSet, np.ndarray]] = []
    numbered, count = [], 0
    for s, tracks in enumerate(sets):
        identity_N = found[s - 1].copy() if s and found else np.full(len(tracks), -1)
        for group, known_M in groups:
            free = np.flatnonzero(identity_N < 0)
            open_M = np.flatnonzero(~np.isin(known_M, identity_N))
            pairs = _assign(tracks.chosen(free), group.chosen(open_M))
            identity_N[free[pairs[:, 0]]] = known_M[open_M[pairs[:, 1]]]
        new = np.flatnonzero(identity_N < 0)
        identity_N[new] = count + np.arange(len(new))
        count += len(new)
        groups.append((tracks.chosen(new), identity_N[new]))
        numbered.append(identity_N)
    return numbered


def _assign(some: TrackSet, others: TrackSet) -> np.ndarray:
    """The pairs that belong together, (P, 2)."""
    if not len(some) or not len(others):
        return np.zeros((0, 2), int)
    iou_NM = space_time_iou(some.tubes, some.rows_N, others.tubes, others.rows_N)
    rows, columns = linear_sum_assignment(iou_NM, maximize=True)
    related = iou_NM[rows, columns] >= BACKGROUND
    return np.stack([rows[related], columns[related]], 1)
