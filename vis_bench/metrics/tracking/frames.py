"""Objects and tracks frame by frame, and how HOTA and TETA assign them to each other.

Tracks of a listed category whose score is above a threshold take part; from there on scores play no
role. Crowds are ordinary objects, a mask without pixels is absent, and masks of different size
overlap nothing but are present. Frames beyond the video's end are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.metrics.assignment import linear_sum_assignment
from vis_bench.metrics.overlaps import Overlaps
from vis_bench.metrics.resample import sum_among_zeros

# An IoU reaches a threshold that it misses by no more than this.
EPSILON = np.finfo(float).eps


# Places of the objects' masks, of the tracks' masks, and of the pairs of a frame.
Part: TypeAlias = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Frames:
    """G objects and D tracks of one video, of all classes or of one.

    Attributes:
        first_R, first_Q: the first mask of an object and of a track in each frame, and at the end
            the number of all, (T + 1,).
        object_R, track_Q: whose the masks are; rising in each frame.
        other_L, mask_L, iou_L: pairs of an object's and a track's mask that share pixels, by their
            places, and their IoU; in order of frames, then objects, then tracks.
    """

    num_objects: int
    num_tracks: int
    first_R: np.ndarray
    first_Q: np.ndarray
    object_R: np.ndarray
    track_Q: np.ndarray
    other_L: np.ndarray
    mask_L: np.ndarray
    iou_L: np.ndarray

    @classmethod
    def of(cls, overlaps: Overlaps, num_frames: int, tracked_N: np.ndarray) -> Frames:
        """The frames of a video up to the last mask, of all objects and tracks that take part."""
        overlaps = overlaps.before(num_frames)
        tracks, objects = overlaps.tracks, overlaps.objects
        last = max(side.frame_Q.max(initial=-1) for side in (tracks, objects))
        frames_T1 = np.arange(min(num_frames, int(last) + 1) + 1)
        frames = cls(
            len(objects.rows_N),
            len(tracked_N),
            np.searchsorted(objects.frame_Q, frames_T1),
            np.searchsorted(tracks.frame_Q, frames_T1),
            objects.row_Q,
            tracks.row_Q,
            overlaps.other_L,
            overlaps.mask_L,
            overlaps.iou_L,
        )
        return frames.chosen(np.ones(len(objects.rows_N), bool), tracked_N)

    def parts(self) -> list[Part]:
        """The masks and pairs of each frame."""
        firsts = self.first_R, self.first_Q, np.searchsorted(self.other_L, self.first_R)
        slices = (map(slice, f[:-1].tolist(), f[1:].tolist()) for f in firsts)
        return list(zip(*slices, strict=True))

    def matrix(self, part: Part, values_L: np.ndarray) -> np.ndarray:
        """Values of the pairs of one frame, (G_t, D_t); 0 where nothing is shared."""
        r, q, pairs = part
        values = np.zeros((r.stop - r.start, q.stop - q.start))
        values[self.other_L[pairs] - r.start, self.mask_L[pairs] - q.start] = values_L[pairs]
        return values

    def with_more(self, chosen_L: np.ndarray, number: int) -> np.ndarray:
        """The frames in which any mask is in more than a number of some pairs, bool (T,)."""
        found_T = np.zeros(len(self.first_R) - 1, bool)
        for place_L, first in ((self.other_L, self.first_R), (self.mask_L, self.first_Q)):
            more = np.bincount(place_L[chosen_L], minlength=first[-1]) > number
            found_T |= np.diff(np.append(0, np.cumsum(more))[first]) > 0
        return found_T

    def num_frames_G(self) -> np.ndarray:
        """Number of frames in which each object is present."""
        return np.bincount(self.object_R, minlength=self.num_objects)

    def num_frames_D(self) -> np.ndarray:
        """Number of frames in which each track is present."""
        return np.bincount(self.track_Q, minlength=self.num_tracks)

    def chosen(self, chosen_G: np.ndarray, chosen_D: np.ndarray) -> Frames:
        """Copy with only some objects and tracks; both are bool."""
        if chosen_G.all() and chosen_D.all():
            return self
        kept = self._kept(chosen_G[self.object_R], chosen_D[self.track_Q])
        return replace(
            kept,
            num_objects=int(chosen_G.sum()),
            num_tracks=int(chosen_D.sum()),
            object_R=(np.cumsum(chosen_G) - 1)[kept.object_R],
            track_Q=(np.cumsum(chosen_D) - 1)[kept.track_Q],
        )

    def with_masks(self, kept_Q: np.ndarray) -> Frames:
        """Copy with only some of the tracks' masks, bool."""
        return self._kept(np.ones(len(self.object_R), bool), kept_Q)

    def _kept(self, kept_R: np.ndarray, kept_Q: np.ndarray) -> Frames:
        before_R, before_Q = (np.append(0, np.cumsum(kept)) for kept in (kept_R, kept_Q))
        kept_L = kept_R[self.other_L] & kept_Q[self.mask_L]
        return replace(
            self,
            first_R=before_R[self.first_R],
            first_Q=before_Q[self.first_Q],
            object_R=self.object_R[kept_R],
            track_Q=self.track_Q[kept_Q],
            other_L=before_R[self.other_L[kept_L]],
            mask_L=before_Q[self.mask_L[kept_L]],
            iou_L=self.iou_L[kept_L],
        )

    def with_objects(self) -> Frames:
        """Copy without tracks' masks in frames in which no object is present."""
        return self.with_masks(np.repeat(np.diff(self.first_R) > 0, np.diff(self.first_Q)))


def takes_part(ground_truth: GroundTruth, results: Results, score_threshold: float) -> np.ndarray:
    """The tracks of a listed category above the threshold, bool."""
    listed = ground_truth.categories
    return np.array(
        [t.score > score_threshold and t.category_id in listed for t in results.tracks], bool
    )


@dataclass(frozen=True)
class Pairs:
    """P pairs of one video: object and track, which of the tracks' masks it is, and the IoU."""

    object_P: np.ndarray
    track_P: np.ndarray
    mask_P: np.ndarray
    iou_P: np.ndarray

    def levels(self, alphas_A: np.ndarray) -> np.ndarray:
        """Number of the rising thresholds that each pair reaches, (P,)."""
        return np.searchsorted(alphas_A - EPSILON, self.iou_P, side="right")


def assign(frames: Frames, *, keep_apart: bool = False) -> Pairs:
    """Assign objects and tracks of each frame for the greatest sum of IoU times alignment.

    A pair that overlaps over the whole video is preferred to one that overlaps more in a single
    frame (Luiten et al., IJCV 2021, section 4.3, as computed by TrackEval).

    Args:
        keep_apart: also returns assigned pairs that do not overlap.
    """
    score_L = _alignments(frames) * frames.iou_L
    linked_L = score_L > 0
    contested_T = frames.with_more(linked_L, 1)
    # Unambiguous frames come first: sums over pairs, such as LocA's, keep their last digit.
    if keep_apart:
        pairs = [*_best(frames, score_L, ~contested_T), *_best(frames, score_L, contested_T)]
    else:
        inside_L = np.repeat(contested_T, np.diff(frames.first_R))[frames.other_L]
        clear = linked_L & ~inside_L
        pairs = [
            (frames.other_L[clear], frames.mask_L[clear], frames.iou_L[clear]),
            *_best(frames, score_L, contested_T),
        ]
    none = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    other_P, mask_P, iou_P = map(np.concatenate, zip(none, *pairs, strict=True))
    if not keep_apart:
        other_P, mask_P, iou_P = (column_P[iou_P > 0] for column_P in (other_P, mask_P, iou_P))
    return Pairs(frames.object_R[other_P], frames.track_Q[mask_P], mask_P, iou_P)


def _best(
    frames: Frames, score_L: np.ndarray, chosen_T: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Pairs of the greatest sum in each of some frames: both masks, and their IoU."""
    for part, chosen in zip(frames.parts(), chosen_T.tolist(), strict=True):
        if chosen:
            row, column = linear_sum_assignment(frames.matrix(part, score_L), maximize=True)
            iou = frames.matrix(part, frames.iou_L)[row, column]
            yield row + part[0].start, column + part[1].start, iou


def _alignments(frames: Frames) -> np.ndarray:
    """The overlap of each pair's object and track over all frames, from 0 to 1, (L,).

    Each frame adds the IoU divided by what object and track share with anyone.
    """
    iou_L = frames.iou_L
    sum_R = np.bincount(frames.other_L, iou_L, len(frames.object_R))
    sum_Q = np.bincount(frames.mask_L, iou_L, len(frames.track_Q))
    # More than two numbers are added in NumPy's order, which depends on the zeros between.
    for part, crowded in zip(frames.parts(), frames.with_more(iou_L > 0, 2).tolist(), strict=True):
        if crowded:
            iou = np.asfortranarray(frames.matrix(part, iou_L))
            sum_R[part[0]], sum_Q[part[1]] = iou.sum(1), iou.sum(0)
    total_L = sum_Q[frames.mask_L] + sum_R[frames.other_L] - iou_L
    share_L = np.divide(iou_L, total_L, out=np.zeros(len(iou_L)), where=total_L > EPSILON)
    object_L, track_L = frames.object_R[frames.other_L], frames.track_Q[frames.mask_L]
    place_U, pair_L = np.unique(object_L * frames.num_tracks + track_L, return_inverse=True)
    shared_U = np.bincount(pair_L, share_L, len(place_U))
    object_U, track_U = np.divmod(place_U, max(1, frames.num_tracks))
    frames_U = frames.num_frames_G()[object_U] + frames.num_frames_D()[track_U]
    return (shared_U / np.maximum(frames_U - shared_U, EPSILON))[pair_L]


@dataclass(frozen=True)
class Association:
    """Sums over the pairs of each of A thresholds, (A,); averages over pairs follow from them.

    `jaccard_A`, `recall_A`, `precision_A`: of each pair, the frames in which the two are paired
    over those in which either is present, the object is, the track is.
    """

    pairs_A: np.ndarray
    jaccard_A: np.ndarray
    recall_A: np.ndarray
    precision_A: np.ndarray


def associate(frames: Frames, pairs: Pairs, level_P: np.ndarray, num_alphas: int) -> Association:
    """Sum up how long pairs last; `level_P` as `Pairs.levels`."""
    size = frames.num_objects * frames.num_tracks
    place_U, pair_P = np.unique(
        pairs.object_P * frames.num_tracks + pairs.track_P, return_inverse=True
    )
    counted = np.bincount(
        level_P * len(place_U) + pair_P, minlength=(num_alphas + 1) * len(place_U)
    )
    paired_AU = reached(counted.reshape(num_alphas + 1, len(place_U)))
    object_U, track_U = np.divmod(place_U, max(1, frames.num_tracks))
    object_U, track_U = frames.num_frames_G()[object_U], frames.num_frames_D()[track_U]
    return Association(
        paired_AU.sum(1),
        *(
            sum_among_zeros(paired_AU * (paired_AU / np.maximum(1, whole)), place_U, size)
            for whole in (object_U + track_U - paired_AU, object_U, track_U)
        ),
    )


def reached(values_L: np.ndarray) -> np.ndarray:
    """Turn sums by level (0 .. A, first axis) into sums of all that reach each of A thresholds."""
    return np.cumsum(values_L[:0:-1], axis=0)[::-1]
