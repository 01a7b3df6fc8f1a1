"""Tracks that repeat no better one, which are those that stand for objects of any class.

Shape letters: N tracks whose overlaps are known, D of them that take part, Q their masks with
pixels, M objects, T frames; F masks of one track, E masks of d others in the same frames.
"""

from __future__ import annotations

import numpy as np
from pycocotools import mask as coco_mask

from vis_bench.data.results_file import Results
from vis_bench.masks import compiled
from vis_bench.masks.rle import RLE
from vis_bench.metrics.overlaps import FrameMasks, Overlaps, space_time_iou

# From this space-time IoU on, two tracks are taken for the same object.
DUPLICATE_IOU = 0.5
_FRAMES = 8  # that are counted together


def distinct_tracks(results: Results, overlaps: Overlaps, tracked_N: np.ndarray) -> np.ndarray:
    """Tracks of one video that repeat no better one, whatever their class, bool (D,).

    By falling score, ties in file order, a track is left out whose space-time IoU with one that
    stays is `DUPLICATE_IOU` or more.

    Args:
        overlaps: of the video's tracks with its objects.
        tracked_N: the tracks of `overlaps` that take part, bool.
    """
    tubes, rows_D = results.tubes, overlaps.tracks.rows_N[tracked_N]
    masks = FrameMasks.of(tubes, rows_D)
    # Of others, the official IoU leaves out frames or pixels.
    usual = (
        len({*masks.lengths_N.tolist()}) <= 1
        and len({*masks.size_Q.tolist()}) <= 1
        and not masks.has_empty_runs_Q.any()
    )
    pairs = _PairBounds(masks.kept(masks.area_Q > 0), overlaps, tracked_N) if usual else None
    distinct_D, later_D = np.ones(len(rows_D), bool), np.ones(len(rows_D), bool)
    for best in np.argsort([-float(results.tracks[row].score) for row in rows_D], kind="stable"):
        later_D[best] = False
        if not distinct_D[best]:
            continue
        if pairs is not None:
            repeats_D = pairs.reach_half(best, later_D & distinct_D)
        else:
            iou_D1 = space_time_iou(tubes, rows_D, tubes, rows_D[[best]])
            repeats_D = later_D & (iou_D1[:, 0] >= DUPLICATE_IOU)
        distinct_D &= ~repeats_D
    return distinct_D


class _PairBounds:
    """Pixels that two tracks share, between bounds that follow from what both share with objects.

    Two masks of a frame share no less than what must lie twice in an object that they share pixels
    with, and no more than the smaller part inside of it and the smaller part outside.
    """

    def __init__(self, masks: FrameMasks, overlaps: Overlaps, tracked_N: np.ndarray) -> None:
        self._masks, self._rles = masks, masks.rles()
        self._total_D = np.bincount(masks.row_Q, masks.area_Q, len(masks.rows_N))
        # The same masks in the same order as `masks`.
        kept_q = tracked_N[overlaps.tracks.row_Q]
        kept_l = kept_q[overlaps.mask_L]
        number_q = np.cumsum(kept_q) - 1
        self._object_l, self._shared_l = overlaps.column_L[kept_l], overlaps.shared_L[kept_l]
        self._mask_l = number_q[overlaps.mask_L[kept_l]]
        self._objects = overlaps.objects
        frames_T = np.arange(2 + masks.frame_Q.max(initial=0))
        self._first_T = np.searchsorted(masks.frame_Q, frames_T)
        num_rows, num_objects = len(masks.rows_N), len(self._objects.rows_N)
        self._masks_of_D = _places(masks.row_Q, num_rows)
        self._pairs_of_D = _places(masks.row_Q[self._mask_l], num_rows)
        self._pairs_of_M = _places(self._object_l, num_objects)
        self._masks_of_M = _places(self._objects.row_Q, num_objects)

    def reach_half(self, best: int, open_D: np.ndarray) -> np.ndarray:
        """The open tracks whose space-time IoU with one is 1/2 or more, bool (D,).

        It is where three times the shared pixels are no less than both areas. Pixels are counted
        some frames at a time until those that remain cannot change the answer.
        """
        masks = self._masks
        own_F = self._masks_of_D[best]
        frame_F = masks.frame_Q[own_F]
        first_F, last_F = self._first_T[frame_F], self._first_T[frame_F + 1]
        own_E = np.repeat(own_F, last_F - first_F)
        before_F = np.cumsum(last_F - first_F) - last_F
        other_E = np.arange(len(own_E)) - np.repeat(before_F, last_F - first_F)
        open_E = open_D[masks.row_Q[other_E]]
        own_E, other_E = own_E[open_E], other_E[open_E]
        near_d, row_E = np.unique(masks.row_Q[other_E], return_inverse=True)
        least_E, most_E = self._bounds(best, own_E, other_E)
        low_d = -np.maximum(self._total_D[near_d] + self._total_D[best], 1)
        high_d = low_d + 3 * np.bincount(row_E, most_E, len(near_d))
        low_d += 3 * np.bincount(row_E, least_E, len(near_d))
        first_E = np.searchsorted(own_E, own_F[::_FRAMES])
        for part in map(slice, first_E, [*first_E[1:], len(own_E)]):
            undecided_d = (low_d < 0) & (high_d >= 0)
            if not undecided_d.any():
                break
            near = undecided_d[row_E[part]] & (least_E[part] < most_E[part])
            if near.any():
                row_n, least_n, most_n = (of_E[part][near] for of_E in (row_E, least_E, most_E))
                shared_n = self._shared(own_E[part][near], other_E[part][near])
                low_d += 3 * np.bincount(row_n, shared_n - least_n, len(near_d))
                high_d += 3 * np.bincount(row_n, shared_n - most_n, len(near_d))
        repeats_D = np.zeros(len(open_D), bool)
        repeats_D[near_d[low_d >= 0]] = True
        return repeats_D

    def _shared(self, own_n: np.ndarray, other_n: np.ndarray) -> np.ndarray:
        """Pixels that masks of one track share with others of the same frames, (n,)."""
        own_f, first_f, num_f = np.unique(own_n, return_index=True, return_counts=True)
        both_N = np.insert(other_n, first_f, own_f)  # each frame's own mask before the others
        counts = [self._rles[place]["counts"] for place in both_N.tolist()]
        num_f2 = np.column_stack([np.ones_like(num_f), num_f])
        pairs_L3 = compiled.overlaps(counts, self._masks.size_Q[both_N], num_f2)
        if pairs_L3 is not None:
            shared_N = np.zeros(len(both_N))
            shared_N[pairs_L3[:, 0]] = pairs_L3[:, 2]
            return np.delete(shared_N, first_f + np.arange(len(first_f)))
        place_n = np.repeat(np.arange(len(num_f)), num_f)
        others, owns = self._of_frames(other_n), self._of_frames(own_f)
        covered_nf = coco_mask.iou(others, owns, [True] * len(owns))
        return np.rint(covered_nf[np.arange(len(others)), place_n] * self._masks.area_Q[other_n])

    def _of_frames(self, place_n: np.ndarray) -> list[RLE]:
        """Some masks, whose widths grow with their frames: pycocotools compares all with all, but
        not the pixels of masks of unequal size.
        """
        return [
            {"size": [rle["size"][0], rle["size"][1] + frame], "counts": rle["counts"]}
            for rle, frame in zip(
                (self._rles[place] for place in place_n.tolist()),
                self._masks.frame_Q[place_n].tolist(),
                strict=True,
            )
        ]

    def _bounds(
        self, best: int, own_E: np.ndarray, other_E: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the pixels that a track's masks share with others, each (E,)."""
        masks, objects = self._masks, self._objects
        areas_2E = masks.area_Q[own_E], masks.area_Q[other_E]
        if not len(objects.rows_N):
            return np.zeros(len(own_E)), np.minimum(*areas_2E)
        own_l = self._pairs_of_D[best]
        inside_M = np.bincount(self._object_l[own_l], self._shared_l[own_l], len(objects.rows_N))
        nearest = inside_M.argmax()
        near_l, near_q = self._pairs_of_M[nearest], self._masks_of_M[nearest]
        inside = self._mask_l[near_l], self._shared_l[near_l]
        own_in_E, other_in_E = _looked_up(*inside, own_E), _looked_up(*inside, other_E)
        areas = objects.frame_Q[near_q], objects.area_Q[near_q]
        object_E = _looked_up(*areas, masks.frame_Q[own_E])
        most_E = np.minimum(own_in_E, other_in_E)
        most_E += np.minimum(areas_2E[0] - own_in_E, areas_2E[1] - other_in_E)
        return np.maximum(own_in_E + other_in_E - object_E, 0), most_E


def _places(row_q: np.ndarray, num_rows: int) -> list[np.ndarray]:
    """The places of each row, rising."""
    order_q = np.argsort(row_q, kind="stable")
    return np.split(order_q, np.searchsorted(row_q[order_q], np.arange(1, num_rows)))


def _looked_up(key_k: np.ndarray, value_k: np.ndarray, key_E: np.ndarray) -> np.ndarray:
    """The values of some of the rising keys, 0 for others, (E,)."""
    if not len(key_k):
        return np.zeros(len(key_E))
    place_E = np.searchsorted(key_k, key_E).clip(max=len(key_k) - 1)
    return np.where(key_k[place_E] == key_E, value_k[place_E], 0.0)
