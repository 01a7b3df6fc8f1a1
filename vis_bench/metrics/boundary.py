"""Tube-Boundary AP: AP by the smaller of two space-time IoUs, of masks and of their boundaries.

The metric of HQ-YTVIS (Ke et al., Video Mask Transfiner, ECCV 2022, equation 1; SysCV/vmt b0973e8,
`cocoapi_hq`). Matching, areas and accumulation are those of AP. With a crowd the IoU is that of
the masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.masks.boundary import boundaries
from vis_bench.masks.tubes import MaskTubes
from vis_bench.metrics.matching import IOU_THRESHOLDS
from vis_bench.metrics.overlaps import FrameMasks, Overlaps

_MOST_TRACKS = 8  # that are packed together, which bounds the memory


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

    def ious(self, rows_D: np.ndarray, columns_G: np.ndarray) -> np.ndarray:
        """The smaller of both IoUs of some tracks with some objects, by their places, (D, G)."""
        iou_DG = self.masks.ious(rows_D, columns_G)
        near_DG = (iou_DG >= self.least) & ~self.crowd_M[columns_G]
        for g in near_DG.any(0).nonzero()[0]:
            near = near_DG[:, g].nonzero()[0]
            for d in np.split(near, range(_MOST_TRACKS, len(near), _MOST_TRACKS)):
                boundary_d = _boundary_iou(
                    self.tracks.tubes.chosen(self.tracks.rows_N[rows_D[d]].tolist()),
                    self.objects.tubes.chosen([int(self.objects.rows_N[columns_G[g]])]),
                )
                iou_DG[d, g] = np.minimum(iou_DG[d, g], boundary_d)
        return iou_DG


def _boundary_iou(tracks: MaskTubes, thing: MaskTubes) -> np.ndarray:
    """IoU of the boundaries of each track with those of one object, (N,)."""
    masks_P = [*thing.masks_P, *tracks.masks_P]
    frame_P = np.concatenate([thing.frame_P, tracks.frame_P])
    sizes_P = np.concatenate([thing.sizes_P, tracks.sizes_P])
    num_of_object = len(thing.masks_P)
    areas_P = np.zeros(len(masks_P), np.int64)
    pairs: list[tuple[np.ndarray, ...]] = [(np.zeros(0, np.int64),) * 3]
    order_P = np.argsort(frame_P, kind="stable")  # the object is the first of its frame
    for size in np.unique(sizes_P):
        place_Q = order_P[sizes_P[order_P] == size]
        frame_Q = frame_P[place_Q]
        for own, found in boundaries([masks_P[place] for place in place_Q.tolist()], frame_Q):
            areas_P[place_Q[own]] = found.areas_Q
            for first in np.flatnonzero(place_Q[own] < num_of_object).tolist():
                last = int(np.searchsorted(frame_Q[own], frame_Q[own][first], "right"))
                shared_q = found.shared_with_first(slice(first, last))
                place_q = place_Q[own][first + 1 : last] - num_of_object
                pairs.append((place_q, np.full(len(place_q), place_Q[own][first]), shared_q))
    sides = [
        replace(side, areas_P=areas, has_empty_runs_P=np.zeros(len(areas), bool))
        for side, areas in ((tracks, areas_P[num_of_object:]), (thing, areas_P[:num_of_object]))
    ]
    own_masks, other_masks = (FrameMasks.of(side, np.arange(len(side))) for side in sides)
    place_L, other_L, shared_L = map(np.concatenate, zip(*pairs, strict=True))
    mask_L = np.argsort(own_masks.place_Q)[place_L]
    return Overlaps(own_masks, other_masks, mask_L, other_L, shared_L).space_time_iou[:, 0]


def boundary_overlaps(
    ground_truth: GroundTruth, overlaps: Sequence[Overlaps]
) -> list[BoundaryOverlaps]:
    """Overlaps of each video with IoUs of masks and boundaries."""
    crowd_M = np.array([thing.is_crowd for thing in ground_truth.objects], bool)
    return [BoundaryOverlaps(own, crowd_M[own.objects.rows_N]) for own in overlaps]
