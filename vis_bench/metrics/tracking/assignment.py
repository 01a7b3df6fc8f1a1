"""Objects and tracks paired frame by frame, as HOTA and TETA do it.

A pair that overlaps much over the whole video is preferred to one that overlaps more in a single
frame: the pairs of a frame maximize the sum of IoU times alignment (Luiten et al., IJCV 2021,
section 4.3, as computed by TrackEval).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vis_bench.metrics.tracking.protocol import FrameIoUs
from vis_bench.metrics.tracking.solver import linear_sum_assignment

# An IoU reaches a threshold that it misses by no more than this.
EPSILON = np.finfo(float).eps


@dataclass(frozen=True)
class Pairs:
    """P pairs of one video: object and track, which of the tracks' masks it is, and the IoU."""

    object_P: np.ndarray
    track_P: np.ndarray
    mask_P: np.ndarray
    iou_P: np.ndarray

    def levels(self, alphas_A: np.ndarray) -> np.ndarray:
        """How many of the rising thresholds each pair reaches, (P,)."""
        return np.searchsorted(alphas_A - EPSILON, self.iou_P, side="right")


def assign(frames: FrameIoUs, *, keep_apart: bool = False) -> Pairs:
    """One pairing per frame, of greatest total IoU times alignment.

    Args:
        keep_apart: also returns pairs that do not overlap, which fill up each frame until all its
            objects or all its tracks are taken.
    """
    score_L = _alignment(frames)[frames.object_L, frames.track_L] * frames.iou_L
    linked_L, frame_L = score_L > 0, frames.frame_L
    clear_T = _clear(frames, frame_L, linked_L, keep_apart)
    (sure,) = (linked_L & clear_T[frame_L]).nonzero()
    object_P, mask_P, iou_P = frames.object_L[sure], frames.mask_L[sure], frames.iou_L[sure]
    found = list(_best_pairings(frames, score_L, frame_L, ~clear_T))
    if found:
        objects, masks = (np.concatenate(column) for column in zip(*found, strict=True))
        object_P, mask_P = np.concatenate((object_P, objects)), np.concatenate((mask_P, masks))
        iou_P = np.concatenate((iou_P, _ious(frames, objects, masks)))
    kept_P = (iou_P > 0) | keep_apart
    mask_P = mask_P[kept_P]
    return Pairs(object_P[kept_P], frames.track_Q[mask_P], mask_P, iou_P[kept_P])


def _clear(
    frames: FrameIoUs, frame_L: np.ndarray, linked_L: np.ndarray, keep_apart: bool
) -> np.ndarray:
    """The frames in which only one pairing leaves out none that overlaps, (T,).

    There, nobody has two to choose from.
    """
    num_frames, num_objects = frames.objects_TG.shape
    place_L = frame_L * num_objects + frames.object_L
    is_clear_T = np.ones(num_frames, bool)
    is_clear_T[_repeated(place_L[linked_L]) // max(1, num_objects)] = False
    is_clear_T[frames.frame_Q[_repeated(np.sort(frames.mask_L[linked_L]))]] = False
    if keep_apart:
        tracks_T = np.bincount(frames.frame_Q, minlength=num_frames)
        most_T = np.minimum(frames.objects_TG.sum(1), tracks_T)
        is_clear_T &= np.bincount(frame_L[linked_L], minlength=num_frames) == most_T
    return is_clear_T


def _repeated(sorted_n: np.ndarray) -> np.ndarray:
    """The numbers that come more than once."""
    return sorted_n[1:][sorted_n[1:] == sorted_n[:-1]]


def _best_pairings(
    frames: FrameIoUs, score_L: np.ndarray, frame_L: np.ndarray, crowded_T: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Objects and masks that are paired for the greatest total score, frame by frame."""
    frame_R, object_R = (frames.objects_TG & crowded_T[:, None]).nonzero()
    row_TG = frames.objects_TG.cumsum(1) - 1
    borders_T1 = np.arange(len(crowded_T) + 1)
    first_mask_T1 = np.searchsorted(frames.frame_Q, borders_T1)
    first_row_T1 = np.searchsorted(frame_R, borders_T1)
    num_masks_T = np.diff(first_mask_T1)
    # The scores of all crowded frames in a row, objects by tracks of each.
    first_T1 = np.concatenate(([0], np.cumsum(np.diff(first_row_T1) * num_masks_T)))
    (inside,) = crowded_T[frame_L].nonzero()
    frame_l, mask_l = frame_L[inside], frames.mask_L[inside]
    row_l, column_l = row_TG[frame_l, frames.object_L[inside]], mask_l - first_mask_T1[frame_l]
    scores = np.zeros(first_T1[-1])
    scores[first_T1[frame_l] + row_l * num_masks_T[frame_l] + column_l] = score_L[inside]
    borders_T13 = np.stack((first_row_T1, first_mask_T1, first_T1), 1)
    (crowded,) = crowded_T.nonzero()
    for (row, mask, first), (last_row, last_mask, last) in zip(
        borders_T13[crowded].tolist(), borders_T13[crowded + 1].tolist(), strict=True
    ):
        score = scores[first:last].reshape(last_row - row, last_mask - mask)
        chosen = linear_sum_assignment(score, maximize=True)
        yield object_R[row:last_row][chosen[0]], chosen[1] + mask


def _ious(frames: FrameIoUs, object_P: np.ndarray, mask_P: np.ndarray) -> np.ndarray:
    """The IoU of P objects and masks of the same frames, (P,); 0 where they do not overlap."""
    num_objects, num_masks = frames.objects_TG.shape[1], len(frames.frame_Q)

    def number(object_n: np.ndarray, mask_n: np.ndarray) -> np.ndarray:
        """Rises in the order in which pairs are stored."""
        return (frames.frame_Q[mask_n] * num_objects + object_n) * num_masks + mask_n

    known_L, wanted_P = number(frames.object_L, frames.mask_L), number(object_P, mask_P)
    place_P = np.searchsorted(known_L, wanted_P)
    is_known_P = np.append(known_L, -1)[place_P] == wanted_P
    return np.where(is_known_P, np.append(frames.iou_L, 0.0)[place_P], 0.0)


def _alignment(frames: FrameIoUs) -> np.ndarray:
    """How well each object and track fit over all frames, (G, D), from 0 to 1.

    Each frame adds the IoU divided by what object and track share with anyone.
    """
    iou_L, mask_L = frames.iou_L, frames.mask_L
    shape = frames.objects_TG.shape[1], frames.num_tracks
    object_L = frames.frame_L * shape[0] + frames.object_L
    total_L = np.bincount(mask_L, iou_L)[mask_L] + np.bincount(object_L, iou_L)[object_L] - iou_L
    share_L = np.zeros(len(iou_L))
    np.divide(iou_L, total_L, out=share_L, where=total_L > EPSILON)
    pair_L = frames.object_L * shape[1] + frames.track_L
    shared_GD = np.bincount(pair_L, share_L, minlength=shape[0] * shape[1]).reshape(shape)
    frames_GD = frames.objects_TG.sum(0)[:, None] + frames.num_masks_D()
    return shared_GD / np.maximum(frames_GD - shared_GD, EPSILON)


@dataclass(frozen=True)
class Association:
    """Sums over the A thresholds' pairs, each (A,), from which averages over pairs are taken.

    `jaccard_A`, `recall_A`, `precision_A`: for each pair, the frames in which the two are paired,
    over those in which either is there, the object is there, the track is there.
    """

    pairs_A: np.ndarray
    jaccard_A: np.ndarray
    recall_A: np.ndarray
    precision_A: np.ndarray


def associate(frames: FrameIoUs, pairs: Pairs, level_P: np.ndarray, num_alphas: int) -> Association:
    """How long pairs last; `level_P` as `Pairs.levels`."""
    num_objects, num_tracks = frames.objects_TG.shape[1], frames.num_tracks
    place_P = (level_P * num_objects + pairs.object_P) * num_tracks + pairs.track_P
    counted = np.bincount(place_P, minlength=(num_alphas + 1) * num_objects * num_tracks)
    paired_AGD = reached(counted.reshape(num_alphas + 1, num_objects, num_tracks))
    object_G1, track_D = frames.objects_TG.sum(0)[:, None], frames.num_masks_D()
    return Association(
        paired_AGD.sum((1, 2)),
        *(
            (paired_AGD * (paired_AGD / np.maximum(1, whole))).sum((1, 2))
            for whole in (object_G1 + track_D - paired_AGD, object_G1, track_D)
        ),
    )


def reached(values_L: np.ndarray) -> np.ndarray:
    """From sums by level (0 .. A, first axis) to sums of all that reach each of A thresholds."""
    return np.cumsum(values_L[:0:-1], axis=0)[::-1]
