"""Objects followed frame by frame: found, switched, missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from vis_bench.metrics.repairs import FOUND
from vis_bench.metrics.sparse_overlap import sparse_overlaps
from vis_bench.show.overlay.tracks import TrackSet

# (track, object) -> mask IoU in a frame.
PairIoUs = Mapping[tuple[int, int], float]


@dataclass(frozen=True)
class Following:
    """What N tracks and M objects of one video do in each of T frames.

    Memory grows with the masks that overlap.

    Attributes:
        ious_T: the mask IoU of the pairs that share pixels; without crowds.
        pairs_T: track -> the object that it follows.
        switches_T: the tracks that follow another object than they did last, or an object that
            another track followed last.
    """

    ious_T: Sequence[PairIoUs]
    pairs_T: Sequence[dict[int, int]]
    switches_T: Sequence[frozenset[int]]


def follow(tracks: TrackSet, objects: TrackSet, num_frames: int) -> Following:
    """Follows objects frame by frame.

    In each frame, tracks follow objects one to one, from an IoU of 0.5 on. As in CLEAR MOT
    (Bernardin and Stiefelhagen, 2008), a pair of the frame before stays while it can; the others
    are assigned so that their IoU in sum is largest.
    """
    ious_T = _pair_ious(tracks, objects, num_frames)
    shape = len(tracks), len(objects)
    last_object: dict[int, int] = {}
    last_track: dict[int, int] = {}
    pairs: dict[int, int] = {}
    pairs_T, switches_T = [], []
    for ious in ious_T:
        pairs = _follow(ious, pairs, shape)
        switches_T.append(
            frozenset(
                track for track, thing in pairs.items()
                if last_object.get(track, thing) != thing or last_track.get(thing, track) != track
            )
        )  # fmt: skip
        for track, thing in pairs.items():
            last_object[track], last_track[thing] = thing, track
        pairs_T.append(pairs)
    return Following(ious_T, pairs_T, switches_T)


def switch_frames(tracks: TrackSet, objects: TrackSet, num_frames: int) -> list[tuple[int, ...]]:
    """The frames, from 0, in which each track switches; see `Following`."""
    frames: list[list[int]] = [[] for _ in range(len(tracks))]
    for t, switched in enumerate(follow(tracks, objects, num_frames).switches_T):
        for track in switched:
            frames[track].append(t)
    return [tuple(own) for own in frames]


def _pair_ious(tracks: TrackSet, objects: TrackSet, num_frames: int) -> Sequence[PairIoUs]:
    """The pairs of each frame."""
    found = sparse_overlaps(tracks.tubes, tracks.rows_N, objects.tubes, objects.rows_N, num_frames)
    (kept,) = (~objects.crowd_N[found.column_L]).nonzero()
    mask_K = found.mask_L[kept]
    pairs = zip(found.row_Q[mask_K].tolist(), found.column_L[kept].tolist(), strict=True)
    known = zip(pairs, found.frame_iou_L()[kept].tolist(), strict=True)
    ious_T: list[dict[tuple[int, int], float]] = [{} for _ in range(num_frames)]
    for t, (pair, iou) in zip(found.frame_Q[mask_K].tolist(), known, strict=True):
        ious_T[t][pair] = iou
    return ious_T


def _follow(ious: PairIoUs, before: dict[int, int], shape: tuple[int, int]) -> dict[int, int]:
    """Track -> object in one frame, of `shape` tracks and objects."""
    pairs = {n: m for n, m in before.items() if ious.get((n, m), 0.0) >= FOUND}
    things = set(pairs.values())
    free = {
        (n, m): iou for (n, m), iou in ious.items()
        if iou >= FOUND and n not in pairs and m not in things
    }  # fmt: skip
    if all(len(set(places)) == len(free) for places in zip(*free, strict=True)):
        return pairs | dict(sorted(free))
    # Among equal sums, what is chosen depends on the tracks and objects that have no pair, too.
    iou_NM = np.zeros(shape)
    for pair, iou in free.items():
        iou_NM[pair] = iou
    rows, columns = _positive(iou_NM)
    return pairs | dict(zip(rows, columns, strict=True))


def _positive(iou_NM: np.ndarray) -> tuple[Sequence[int], Sequence[int]]:
    rows, columns = linear_sum_assignment(iou_NM, maximize=True)
    kept = iou_NM[rows, columns] > 0
    return rows[kept].tolist(), columns[kept].tolist()


@dataclass(frozen=True)
class ObjectTimeline:
    """One object in each of T frames.

    Attributes:
        present_T: it has a mask.
        found_T: a track follows it, see `follow`.
        wrong_class_T: the track is of another category.
        switched_T: its track changes, or comes from another object.
        iou_T: with the track that follows it; where none does, the highest with any track.
    """

    present_T: np.ndarray
    found_T: np.ndarray
    wrong_class_T: np.ndarray
    switched_T: np.ndarray
    iou_T: np.ndarray

    @property
    def missed_T(self) -> np.ndarray:
        """It is there, and no track follows it."""
        return self.present_T & ~self.found_T


def object_timelines(tracks: TrackSet, objects: TrackSet, num_frames: int) -> list[ObjectTimeline]:
    """A timeline for each object, in order."""
    following = follow(tracks, objects, num_frames)
    shape = len(objects), num_frames
    track_MT = np.full(shape, -1)
    switched_MT = np.zeros(shape, bool)
    for t, pairs in enumerate(following.pairs_T):
        for track, thing in pairs.items():
            track_MT[thing, t] = track
            switched_MT[thing, t] = track in following.switches_T[t]
    found_MT = track_MT >= 0
    iou_MT = np.zeros(shape)
    for t, (ious, pairs) in enumerate(zip(following.ious_T, following.pairs_T, strict=True)):
        for (_, thing), iou in ious.items():
            iou_MT[thing, t] = max(iou_MT[thing, t], iou)
        for track, thing in pairs.items():
            iou_MT[thing, t] = ious[track, thing]
    things, frames = np.nonzero(found_MT)
    followers = track_MT[things, frames]
    wrong_MT = np.zeros(shape, bool)
    wrong_MT[things, frames] = tracks.category_N[followers] != objects.category_N[things]
    present_MT = _present(objects, num_frames)
    return [
        ObjectTimeline(present_MT[m], found_MT[m], wrong_MT[m], switched_MT[m], iou_MT[m])
        for m in range(len(objects))
    ]


def _present(objects: TrackSet, num_frames: int) -> np.ndarray:
    """Which frames hold a pixel of each object, (M, T)."""
    tubes = objects.tubes
    rows = [tubes.has_pixels(int(row), num_frames) for row in objects.rows_N]
    return np.array(rows, bool).reshape(len(objects), num_frames)
