"""Objects and tracks frame by frame, and how HOTA and TETA assign them to each other.

Tracks of a listed category whose score is above a threshold take part; from there on scores play no
role. Crowds are ordinary objects, a mask without pixels is absent, and masks of different size
overlap nothing but are present. Frames beyond the video's end are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.metrics.assignment import linear_sum_assignment
from vis_bench.metrics.overlaps import Overlaps

# An IoU reaches a threshold that it misses by no more than this.
EPSILON = np.finfo(float).eps


@dataclass(frozen=True)
class Frames:
    """G objects and D tracks of one video, of all classes or of one.

    Attributes:
        object_ids, track_ids: of each frame, those that are present, rising: (G_t,) and (D_t,).
        similarity: of each frame, their mask IoU, (G_t, D_t).
    """

    num_objects: int
    num_tracks: int
    object_ids: list[np.ndarray]
    track_ids: list[np.ndarray]
    similarity: list[np.ndarray]

    @classmethod
    def of(cls, overlaps: Overlaps, num_frames: int, tracked_N: np.ndarray) -> Frames:
        """The frames of a video up to the last mask, of all objects and tracks that take part."""
        overlaps = overlaps.before(num_frames)
        tracks, objects, iou_L = overlaps.tracks, overlaps.objects, overlaps.iou_L
        last = max(side.frame_Q.max(initial=-1) for side in (tracks, objects))
        num_frames = min(num_frames, int(last) + 1)
        frames_T1 = np.arange(num_frames + 1)
        first_q, first_r, first_l = (
            np.searchsorted(frame, frames_T1)
            for frame in (tracks.frame_Q, objects.frame_Q, overlaps.frame_L)
        )
        number_N = np.cumsum(tracked_N) - 1
        object_ids, track_ids, similarity = [], [], []
        for t in range(num_frames):
            q, r, pairs = (slice(*first[t : t + 2]) for first in (first_q, first_r, first_l))
            row_q = tracks.row_Q[q]
            iou_rq = np.zeros((r.stop - r.start, len(row_q)))
            places = overlaps.other_L[pairs] - r.start, overlaps.mask_L[pairs] - q.start
            iou_rq[places] = iou_L[pairs]
            kept_q = tracked_N[row_q]
            object_ids.append(objects.row_Q[r])
            track_ids.append(number_N[row_q[kept_q]])
            similarity.append(iou_rq[:, kept_q])
        return cls(len(objects.rows_N), int(tracked_N.sum()), object_ids, track_ids, similarity)

    @property
    def track_Q(self) -> np.ndarray:
        """The track of each of the Q masks of tracks, frame by frame."""
        return np.concatenate([np.zeros(0, np.int64), *self.track_ids])

    def num_frames_G(self) -> np.ndarray:
        """Number of frames in which each object is present."""
        ids = np.concatenate([np.zeros(0, np.int64), *self.object_ids])
        return np.bincount(ids, minlength=self.num_objects)

    def num_frames_D(self) -> np.ndarray:
        """Number of frames in which each track is present."""
        return np.bincount(self.track_Q, minlength=self.num_tracks)

    def chosen(self, chosen_G: np.ndarray, chosen_D: np.ndarray) -> Frames:
        """Only some objects and some tracks; both are bool."""
        if chosen_G.all() and chosen_D.all():
            return self
        number_G, number_D = np.cumsum(chosen_G) - 1, np.cumsum(chosen_D) - 1
        rows = [chosen_G[ids] for ids in self.object_ids]
        columns = [chosen_D[ids] for ids in self.track_ids]
        return Frames(
            int(chosen_G.sum()),
            int(chosen_D.sum()),
            [number_G[ids[g]] for ids, g in zip(self.object_ids, rows, strict=True)],
            [number_D[ids[d]] for ids, d in zip(self.track_ids, columns, strict=True)],
            [s[g][:, d] for s, g, d in zip(self.similarity, rows, columns, strict=True)],
        )

    def with_masks(self, kept_Q: np.ndarray) -> Frames:
        """Only some of the tracks' masks, bool in the order of `track_Q`."""
        ends = np.cumsum([len(ids) for ids in self.track_ids])[:-1]
        kept = np.split(kept_Q, ends)
        return replace(
            self,
            track_ids=[ids[d] for ids, d in zip(self.track_ids, kept, strict=False)],
            similarity=[iou[:, d] for iou, d in zip(self.similarity, kept, strict=False)],
        )

    def with_objects(self) -> Frames:
        """Only the frames in which an object is present."""
        kept = [t for t, ids in enumerate(self.object_ids) if ids.size]
        columns = (self.object_ids, self.track_ids, self.similarity)
        return Frames(self.num_objects, self.num_tracks, *([c[t] for t in kept] for c in columns))


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
    """Assigns objects and tracks of each frame for the greatest sum of IoU times alignment.

    A pair that overlaps over the whole video is preferred to one that overlaps more in a single
    frame (Luiten et al., IJCV 2021, section 4.3, as computed by TrackEval).

    Args:
        keep_apart: also returns assigned pairs that do not overlap.
    """
    aligned = _alignments(frames)
    # Unambiguous frames come first: sums over pairs, such as LocA's, keep their last digit.
    unambiguous: list[np.ndarray] = [np.zeros((4, 0))]
    contested: list[np.ndarray] = []
    first_mask = 0
    for objects, tracks, iou, (row, column, alignment_l) in zip(
        frames.object_ids, frames.track_ids, frames.similarity, aligned, strict=True
    ):
        if iou.size:
            score_l = alignment_l * iou[row, column]
            linked = (row[score_l > 0], column[score_l > 0])
            is_clear = all(np.bincount(ids).max(initial=0) <= 1 for ids in linked)
            if is_clear and not keep_apart:
                row, column = linked
            else:
                score = np.zeros(iou.shape)
                score[row, column] = score_l
                row, column = linear_sum_assignment(score, maximize=True)
            columns = objects[row], tracks[column], first_mask + column, iou[row, column]
            (unambiguous if is_clear else contested).append(np.array(columns))
        first_mask += len(tracks)
    pairs_4P = np.concatenate([*unambiguous, *contested], 1)
    if not keep_apart:
        pairs_4P = pairs_4P[:, pairs_4P[3] > 0]
    object_P, track_P, mask_P = pairs_4P[:3].astype(np.int64)
    return Pairs(object_P, track_P, mask_P, pairs_4P[3])


def _alignments(frames: Frames) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of each frame, the row and column of its L pairs that overlap, and their overlap over all
    frames, from 0 to 1.

    Each frame adds the IoU divided by what object and track share with anyone.
    """
    pairs, places, parts = [], [np.zeros(0, np.int64)], [np.zeros(0)]
    for objects, tracks, iou in zip(
        frames.object_ids, frames.track_ids, frames.similarity, strict=True
    ):
        row, column = pair = iou.nonzero()
        pairs.append(pair)
        places.append(objects[row] * frames.num_tracks + tracks[column])
        total_l = iou.sum(0)[column] + iou.sum(1)[row] - iou[pair]
        part_l = np.zeros(len(row))
        parts.append(np.divide(iou[pair], total_l, out=part_l, where=total_l > EPSILON))
    place_U, pair_L = np.unique(np.concatenate(places), return_inverse=True)
    shared_U = np.bincount(pair_L, np.concatenate(parts), minlength=len(place_U))
    object_U, track_U = np.divmod(place_U, max(1, frames.num_tracks))
    frames_U = frames.num_frames_G()[object_U] + frames.num_frames_D()[track_U]
    alignment_L = (shared_U / np.maximum(frames_U - shared_U, EPSILON))[pair_L]
    ends = np.cumsum([len(row) for row, _ in pairs])[:-1]
    split = np.split(alignment_L, ends) if pairs else []
    return [(row, column, own_l) for (row, column), own_l in zip(pairs, split, strict=True)]


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
    """Sums up how long pairs last; `level_P` as `Pairs.levels`."""
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
            _sum_among_zeros(paired_AU * (paired_AU / np.maximum(1, whole)), place_U, size)
            for whole in (object_U + track_U - paired_AU, object_U, track_U)
        ),
    )


_DENSE = 1024  # no fewer than 128, of which NumPy makes a sum at once


def _sum_among_zeros(values_AU: np.ndarray, place_U: np.ndarray, size: int) -> np.ndarray:
    """Sums of values at rising places among zeros, (A,), to the last digit of `size` numbers' sum.

    They are added in NumPy's pairwise order: both halves alone, the first of a multiple of 8.
    """
    if size <= _DENSE or not len(place_U):
        dense_AX = np.zeros((len(values_AU), size if len(place_U) else 0))
        dense_AX[:, place_U] = values_AU
        return dense_AX.sum(1)
    half = size // 2 - size // 2 % 8
    cut = int(np.searchsorted(place_U, half))
    return _sum_among_zeros(values_AU[:, :cut], place_U[:cut], half) + _sum_among_zeros(
        values_AU[:, cut:], place_U[cut:] - half, size - half
    )


def reached(values_L: np.ndarray) -> np.ndarray:
    """From sums by level (0 .. A, first axis) to sums of all that reach each of A thresholds."""
    return np.cumsum(values_L[:0:-1], axis=0)[::-1]
