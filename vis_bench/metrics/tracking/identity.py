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
    """Counts one sequence: each object gets one track, so that most frames agree."""
    together_GD = np.zeros((frames.num_objects, frames.num_tracks), np.int64)
    for objects, tracks, iou in zip(
        frames.object_ids, frames.track_ids, frames.similarity, strict=True
    ):
        together_GD[objects[:, None], tracks] += iou >= MATCH_IOU
    idtp = int(together_GD[linear_sum_assignment(together_GD, maximize=True)].sum())
    num_objects, num_tracks = (int(n.sum()) for n in (frames.num_frames_G(), frames.num_frames_D()))
    return IdentityCounts(idtp, num_objects - idtp, num_tracks - idtp)
