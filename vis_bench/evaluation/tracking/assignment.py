"""Objects and tracks paired frame by frame, as HOTA and TETA do it.

A pair that overlaps much over the whole video is preferred to one that overlaps more in a single
frame: the pairs of a frame maximize the sum of IoU times alignment (Luiten et al., IJCV 2021,
section 4.3, as computed by TrackEval).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vis_bench.evaluation.tracking.protocol import FrameIoUs
from vis_bench.evaluation.tracking.solver import linear_sum_assignment

# An IoU reaches a threshold that it misses by no more than this.
EPSILON = np.finfo(float).eps


@dataclass(frozen=True)
class Pairs:
    """P pairs of one video: frame, object and track as indices, and their IoU."""

    frame_P: np.ndarray
    object_P: np.ndarray
    track_P: np.ndarray
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
    score_TGD = _alignment(frames) * frames.iou_TGD
    linked_TGD = score_TGD > 0
    # Where nobody has two to choose from, only one pairing leaves out none that overlaps.
    clear_T = (linked_TGD.sum(1) <= 1).all(1) & (linked_TGD.sum(2) <= 1).all(1)
    if keep_apart:
        most_T = np.minimum(frames.objects_TG.sum(1), frames.tracks_TD.sum(1))
        clear_T &= linked_TGD.sum((1, 2)) == most_T
    frame_P, object_P, track_P = (linked_TGD & clear_T[:, None, None]).nonzero()
    found = [(frame, *_best_pairing(frames, score_TGD, frame)) for frame in (~clear_T).nonzero()[0]]
    if found:
        crowded, rows, columns = zip(*found, strict=True)
        frame_P = np.concatenate((frame_P, np.repeat(crowded, [len(own) for own in rows])))
        object_P, track_P = np.concatenate((object_P, *rows)), np.concatenate((track_P, *columns))
    iou_P = frames.iou_TGD[frame_P, object_P, track_P]
    kept_P = (iou_P > 0) | keep_apart
    return Pairs(frame_P[kept_P], object_P[kept_P], track_P[kept_P], iou_P[kept_P])


def _best_pairing(
    frames: FrameIoUs, score_TGD: np.ndarray, frame: int
) -> tuple[np.ndarray, np.ndarray]:
    """The objects and tracks of one frame that are paired for the greatest total score."""
    score_GD = score_TGD[frame]
    (rows,), (columns,) = frames.objects_TG[frame].nonzero(), frames.tracks_TD[frame].nonzero()
    if score_GD.shape == (len(rows), len(columns)):
        return linear_sum_assignment(score_GD, maximize=True)
    chosen = linear_sum_assignment(score_GD[rows[:, None], columns], maximize=True)
    return rows[chosen[0]], columns[chosen[1]]


def _alignment(frames: FrameIoUs) -> np.ndarray:
    """How well each object and track fit over all frames, (G, D), from 0 to 1.

    Each frame adds the IoU divided by what object and track share with anyone.
    """
    iou_TGD = frames.iou_TGD
    total_TGD = iou_TGD.sum(1, keepdims=True) + iou_TGD.sum(2, keepdims=True) - iou_TGD
    share_TGD = np.zeros(iou_TGD.shape)
    np.divide(iou_TGD, total_TGD, out=share_TGD, where=total_TGD > EPSILON)
    shared_GD = share_TGD.sum(0)
    frames_GD = frames.objects_TG.sum(0)[:, None] + frames.tracks_TD.sum(0)
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
    num_objects, num_tracks = frames.objects_TG.shape[1], frames.tracks_TD.shape[1]
    place_P = (level_P * num_objects + pairs.object_P) * num_tracks + pairs.track_P
    counted = np.bincount(place_P, minlength=(num_alphas + 1) * num_objects * num_tracks)
    paired_AGD = reached(counted.reshape(num_alphas + 1, num_objects, num_tracks))
    object_G1, track_D = frames.objects_TG.sum(0)[:, None], frames.tracks_TD.sum(0)
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
