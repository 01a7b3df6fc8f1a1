"""Masks of tracks that cost nothing where they find no object, as TrackEval leaves them out.

In each frame, tracks are assigned to the objects that are compared with them by IoU. Of those that
get none, a mask is left out that lies by more than half in regions to ignore (MOTS), or whose
category is not annotated exhaustively, or has no object in the frame and is not verified to be
absent (TAO). As TrackEval 12c8791, `kitti_mots.py`, `mots_challenge.py` and `tao.py`.

Shape letters: G objects, D tracks, Q masks of tracks, frame by frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.metrics.assignment import linear_sum_assignment
from vis_bench.metrics.overlaps import Overlaps
from vis_bench.metrics.tracking.frames import EPSILON, Frames

# The score that TrackEval gives to pairs with an IoU below 1/2: for MOTS, so that as many others
# as possible are matched, and for TAO, so that these have the greatest sum of IoUs.
_APART_IN_MOTS, _APART_IN_TAO = -10000.0, 0.0


@dataclass(frozen=True)
class Excusable:
    """The masks of a video's tracks that are left out where they find no object.

    Attributes:
        masks_Q: of all tracks that take part, bool.
        apart: score of a pair with an IoU below 1/2.
    """

    masks_Q: np.ndarray
    apart: float

    @classmethod
    def of(
        cls,
        truth: GroundTruth,
        results: Results,
        video_id: int,
        own: Overlaps,
        tracked_N: np.ndarray,
        frames: Frames,
    ) -> Excusable | None:
        """Find them; None if the video excludes nothing. `frames`: of `own` and `tracked_N`."""
        excluded, tracks = truth.exclusions.get(video_id), own.tracks
        if excluded is None:
            return None
        found = Overlaps.of(tracks.tubes, tracks.rows_N, excluded.regions, np.zeros(1, np.int64))
        shared_Q = np.bincount(found.mask_L, found.shared_L, len(tracks.frame_Q))
        ignored_Q = (shared_Q / tracks.area_Q > 0.5 + EPSILON)[tracked_N[tracks.row_Q]]
        masks_Q = ignored_Q[: len(frames.track_Q)]
        category_G, category_D = (
            np.array([things[row].category_id for row in rows.tolist()], np.int64)
            for things, rows in (
                (truth.objects, own.objects.rows_N),
                (results.tracks, tracks.rows_N[tracked_N]),
            )
        )
        open_D = np.isin(category_D, [*excluded.not_exhaustive])
        absent = excluded.absent
        unverified_D = ~np.isin(category_D, [*(category_D if absent is None else absent)])
        for r, q, _ in frames.parts():
            ids = frames.track_Q[q]
            alone = ~np.isin(category_D[ids], category_G[frames.object_R[r]])
            masks_Q[q] |= open_D[ids] | (alone & unverified_D[ids])
        return cls(masks_Q, _APART_IN_MOTS if excluded.regions.masks_P else _APART_IN_TAO)

    def left_out(self, frames: Frames, chosen_G: np.ndarray, chosen_D: np.ndarray) -> Frames:
        """Some objects and tracks, without the excusable masks that find none of the objects."""
        own_Q = self.masks_Q[chosen_D[frames.track_Q]]
        frames = frames.chosen(chosen_G, chosen_D)
        kept_Q = np.ones(len(own_Q), bool)
        for part in frames.parts():
            q = part[1]
            if own_Q[q].any():
                iou = frames.matrix(part, frames.iou_L)
                score = np.where(iou < 0.5 - EPSILON, self.apart, iou)
                row, column = linear_sum_assignment(score, maximize=True)
                kept_Q[q] = ~own_Q[q]
                kept_Q[q][column[score[row, column] > EPSILON]] = True
        return frames.with_masks(kept_Q)
