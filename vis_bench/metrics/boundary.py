"""Tube-Boundary AP: AP by the smaller of two space-time IoUs, of masks and of their boundaries.

The metric of HQ-YTVIS (Ke et al., Video Mask Transfiner, ECCV 2022, equation 1; SysCV/vmt b0973e8,
`cocoapi_hq`). Matching, areas and accumulation are those of AP. With a crowd the IoU is that of
the masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.masks.boundary import boundary_tubes
from vis_bench.metrics.matching import IOU_THRESHOLDS
from vis_bench.metrics.overlaps import FrameMasks, Overlaps, space_time_iou


@dataclass(frozen=True)
class BoundaryOverlaps:
    """Overlaps of a video's masks with IoUs that count its boundaries, too.

    Boundaries are computed for pairs whose masks have an IoU of `least` or more: below the lowest
    threshold a pair cannot match, whatever its boundaries.
    """

    masks: Overlaps
    crowd_M: np.ndarray
    least: float = float(IOU_THRESHOLDS[0])

    @property
    def tracks(self) -> FrameMasks:
        """Masks of the tracks."""
        return self.masks.tracks

    @property
    def objects(self) -> FrameMasks:
        """Masks of the objects."""
        return self.masks.objects

    @cached_property
    def space_time_iou(self) -> np.ndarray:
        """The smaller of both IoUs of each track with each object, float64 (N, M)."""
        iou_NM = self.masks.space_time_iou.copy()
        rows_n, columns_m = self.tracks.rows_N, self.objects.rows_N
        near_NM = (iou_NM >= self.least) & ~self.crowd_M
        n, m = near_NM.any(1).nonzero()[0], near_NM.any(0).nonzero()[0]
        if n.size:
            tracks, objects = (
                boundary_tubes(side.tubes, rows)
                for side, rows in ((self.tracks, rows_n[n]), (self.objects, columns_m[m]))
            )
            every = np.arange(len(n)), np.arange(len(m))
            boundary_nm = space_time_iou(tracks, every[0], objects, every[1])
            place = np.ix_(n, m)
            smaller_nm = np.minimum(iou_NM[place], boundary_nm)
            iou_NM[place] = np.where(near_NM[place], smaller_nm, iou_NM[place])
        return iou_NM


def boundary_overlaps(
    ground_truth: GroundTruth, overlaps: Sequence[Overlaps]
) -> list[BoundaryOverlaps]:
    """Overlaps of each video with IoUs of masks and boundaries."""
    crowd_M = np.array([thing.is_crowd for thing in ground_truth.objects], bool)
    return [BoundaryOverlaps(own, crowd_M[own.objects.rows_N]) for own in overlaps]
