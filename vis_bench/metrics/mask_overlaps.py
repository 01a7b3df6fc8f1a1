"""The masks of one video one by one, and what each shares with the objects in its frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vis_bench.metrics.sparse_overlap import SparseOverlaps, ranges

# The place of no mask.
NO_MASK = -1


class Pairs(NamedTuple):
    """Where E masks share pixels with objects, in order of masks, then objects.

    `entry_L`: which of the E; `object_L`, `shared_L`, `iou_L`: the object, the pixels that they
    share, and their IoU.
    """

    entry_L: np.ndarray
    object_L: np.ndarray
    shared_L: np.ndarray
    iou_L: np.ndarray


@dataclass(frozen=True)
class MaskOverlaps:
    """P masks: those of the tracks, in order of tracks and frames, then those of the G objects.

    Memory grows with the masks. At place -1, as at P, there is none.

    Attributes:
        num_frames: of the video.
        area_P1: pixels.
        first_P2: where the pairs of each mask begin.
        object_L, shared_L, iou_L: the pairs, as `Pairs`.
        key_R: of each object's mask, object * num_frames + frame, rising.
        area_G: pixels of each object over all frames.
    """

    num_frames: int
    area_P1: np.ndarray
    first_P2: np.ndarray
    object_L: np.ndarray
    shared_L: np.ndarray
    iou_L: np.ndarray
    key_R: np.ndarray
    area_G: np.ndarray

    @classmethod
    def of(cls, tracks: SparseOverlaps, among: SparseOverlaps) -> MaskOverlaps:
        """Both over the same video.

        Args:
            tracks: of the tracks with the objects.
            among: of the objects with each other.
        """
        by_track, by_object = tracks.masks_by_row[0], among.masks_by_row[0]
        own_L, own_P = _pairs_of(tracks, by_track)
        other_L, other_P = _pairs_of(among, by_object)

        def pairs(of_tracks: np.ndarray, of_objects: np.ndarray) -> np.ndarray:
            return np.concatenate((of_tracks[own_L], of_objects[other_L]))

        return cls(
            tracks.num_frames,
            np.concatenate((tracks.area_Q[by_track], among.area_Q[by_object], [0])),
            np.concatenate(([0], np.cumsum(np.concatenate((own_P, other_P, [0]))))),
            pairs(tracks.column_L, among.column_L),
            pairs(tracks.shared_L, among.shared_L),
            pairs(tracks.frame_iou_L(), among.frame_iou_L()),
            among.row_Q[by_object] * among.num_frames + among.frame_Q[by_object],
            among.area_N,
        )

    def masks_of_objects(self, object_E: np.ndarray, frame_E: np.ndarray) -> np.ndarray:
        """The places of the masks that some objects have in some frames; -1 where they are not."""
        key_E = object_E * self.num_frames + frame_E
        place_E = np.searchsorted(self.key_R, key_E)
        there_E = (object_E >= 0) & (np.append(self.key_R, -1)[place_E] == key_E)
        first = len(self.area_P1) - 1 - len(self.key_R)
        return np.where(there_E, first + place_E, NO_MASK)

    def pairs(self, mask_E: np.ndarray) -> Pairs:
        """What the masks at some places share with the objects."""
        first_E, last_E = self.first_P2[:-1][mask_E], self.first_P2[1:][mask_E]
        pair_L = ranges(first_E, last_E)
        return Pairs(
            np.repeat(np.arange(len(mask_E)), last_E - first_E), self.object_L[pair_L],
            self.shared_L[pair_L], self.iou_L[pair_L],
        )  # fmt: skip

    def space_time_iou(self, row_E: np.ndarray, mask_E: np.ndarray, num_rows: int) -> np.ndarray:
        """Of N tubes with the objects, (N, G): shared pixels over the pixels of either.

        0 where there are none.

        Args:
            row_E, mask_E: the tubes' masks: of which tube, and its place.
            num_rows: N.
        """
        pairs = self.pairs(mask_E)
        shape = num_rows, len(self.area_G)
        place_L = row_E[pairs.entry_L] * shape[1] + pairs.object_L
        # Sums of doubles are exact here: a tube has less than 2^32 pixels.
        shared = np.bincount(place_L, weights=pairs.shared_L, minlength=shape[0] * shape[1])
        area_N = np.bincount(row_E, weights=self.area_P1[mask_E], minlength=num_rows)
        shared_NG = shared.reshape(shape)
        union_NG = area_N[:, None] + self.area_G - shared_NG
        return np.divide(shared_NG, union_NG, out=np.zeros(shape), where=union_NG > 0)


def _pairs_of(found: SparseOverlaps, masks_P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of some masks, mask by mask, and how many each has."""
    by_mask, first_Q1 = found.pairs_by_mask
    first_P, last_P = first_Q1[masks_P], first_Q1[masks_P + 1]
    return by_mask[ranges(first_P, last_P)], last_P - first_P
