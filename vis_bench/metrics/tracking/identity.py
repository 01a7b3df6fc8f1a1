"""IDF1: the share of time that objects and tracks spend under one identity.

Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking", ECCV
Workshops 2016; as TrackEval computes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from vis_bench.metrics.assignment import linear_sum_assignment
from vis_bench.metrics.tracking.frames import Frames

# From this IoU on, an object and a track are together in a frame.
MATCH_IOU = 0.5
# So many pairs of objects and tracks are assigned without SciPy's sparse matrices.
_DENSE = 1 << 16


@dataclass(frozen=True)
class IdentityCounts:
    """Frames in which objects and their one track are together; those of either without."""

    idtp: int
    idfn: int
    idfp: int

    @classmethod
    def total(cls, parts: Iterable[IdentityCounts]) -> IdentityCounts:
        """The sum over sequences."""
        parts = list(parts)
        return cls(
            sum(p.idtp for p in parts), sum(p.idfn for p in parts), sum(p.idfp for p in parts)
        )

    def ratios(self) -> dict[str, float]:
        """IDF1 and its recall and precision as fractions; 0 where there is nothing."""
        together = 2 * self.idtp
        return {
            "idf1": together / max(1, together + self.idfn + self.idfp),
            "idr": self.idtp / max(1, self.idtp + self.idfn),
            "idp": self.idtp / max(1, self.idtp + self.idfp),
        }


def count_identity(frames: Frames) -> IdentityCounts:
    """Count one sequence: each object gets one track, so that most frames agree."""
    near_L = frames.iou_L >= MATCH_IOU
    object_L = frames.object_R[frames.other_L[near_L]]
    track_L = frames.track_Q[frames.mask_L[near_L]]
    pair_U, frames_U = np.unique(object_L * frames.num_tracks + track_L, return_counts=True)
    idtp = _most(*np.divmod(pair_U, max(1, frames.num_tracks)), frames_U)
    num_objects, num_tracks = (int(n.sum()) for n in (frames.num_frames_G(), frames.num_frames_D()))
    return IdentityCounts(idtp, num_objects - idtp, num_tracks - idtp)


def _most(object_U: np.ndarray, track_U: np.ndarray, frames_U: np.ndarray) -> int:
    """The greatest sum of frames of pairs, of which each object and each track is in one."""
    (all_G, row_U), (all_D, column_U) = (
        np.unique(ids_U, return_inverse=True) for ids_U in (object_U, track_U)
    )
    num_G, num_D = len(all_G), len(all_D)
    if num_G * num_D <= _DENSE:
        together_GD = np.zeros((num_G, num_D), np.int64)
        together_GD[row_U, column_U] = frames_U
        return int(together_GD[linear_sum_assignment(together_GD, maximize=True)].sum())
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    # Each object can have a column of its own in place of a track; no weight may be 0.
    rows, columns = np.append(row_U, range(num_G)), np.append(column_U, num_D + np.arange(num_G))
    weights = np.append(frames_U + 1, np.ones(num_G, int))
    graph = csr_array((weights, (rows, columns)), (num_G, num_D + num_G))
    return int(graph[min_weight_full_bipartite_matching(graph, maximize=True)].sum()) - num_G
