"""Objects of one video frame by frame: found, switched, missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from vis_bench.metrics.frame_matches import FOUND
from vis_bench.metrics.overlaps import Overlaps
from vis_bench.show.overlay.tracks import TrackSet

# (track, object) -> mask IoU in a frame.
IoUsByPair = Mapping[tuple[int, int], float]


def follow(
    tracks: TrackSet, objects: TrackSet, num_frames: int
) -> list[tuple[IoUsByPair, dict[int, int], frozenset[int]]]:
    """Match tracks to objects frame by frame, one to one, from a mask IoU of 0.5 on.

    As in CLEAR MOT (Bernardin and Stiefelhagen, 2008), a pair of the frame before stays while it
    can; the others are assigned with the largest sum of IoU. Memory grows with the masks that
    overlap.

    Returns:
        for each frame, the IoU of the pairs that share pixels, without crowds; track -> object;
        and the tracks that switch: matched to another object than last time, or to an object that
        another track matched last.
    """
    last_object: dict[int, int] = {}
    last_track: dict[int, int] = {}
    pairs: dict[int, int] = {}
    frames = []
    for ious in _pair_ious(tracks, objects, num_frames):
        pairs = _match(ious, pairs, (len(tracks), len(objects)))
        switched = frozenset(
            track
            for track, target in pairs.items()
            if last_object.get(track, target) != target or last_track.get(target, track) != track
        )
        for track, target in pairs.items():
            last_object[track], last_track[target] = target, track
        frames.append((ious, pairs, switched))
    return frames


def switch_frames(tracks: TrackSet, objects: TrackSet, num_frames: int) -> list[tuple[int, ...]]:
    """Return the frames, from 0, in which each track switches; see `follow`."""
    frames_N: list[list[int]] = [[] for _ in range(len(tracks))]
    for t, (_, _, switched) in enumerate(follow(tracks, objects, num_frames)):
        for track in switched:
            frames_N[track].append(t)
    return [tuple(frames) for frames in frames_N]


@dataclass(frozen=True)
class ObjectTimeline:
    """One object in each of T frames.

    Attributes:
        present_T: it has a mask.
        found_T: a track is matched to it, see `follow`.
        wrong_class_T: that track has another category.
        switched_T: its track changes, or comes from another object.
        iou_T: with the matched track; without one, the highest with any track.
    """

    present_T: np.ndarray
    found_T: np.ndarray
    wrong_class_T: np.ndarray
    switched_T: np.ndarray
    iou_T: np.ndarray

    @property
    def missed_T(self) -> np.ndarray:
        """It has a mask, and no track is matched to it."""
        return self.present_T & ~self.found_T


def object_timelines(tracks: TrackSet, objects: TrackSet, num_frames: int) -> list[ObjectTimeline]:
    """Return a timeline for each object, in order."""
    shape = len(objects), num_frames
    found_MT, wrong_MT, switched_MT = (np.zeros(shape, bool) for _ in range(3))
    iou_MT = np.zeros(shape)
    for t, (ious, pairs, switched) in enumerate(follow(tracks, objects, num_frames)):
        for (_, m), iou in ious.items():
            iou_MT[m, t] = max(iou_MT[m, t], iou)
        for track, m in pairs.items():
            found_MT[m, t], iou_MT[m, t] = True, ious[track, m]
            wrong_MT[m, t] = tracks.category_N[track] != objects.category_N[m]
            switched_MT[m, t] = track in switched
    return [
        ObjectTimeline(
            objects.tubes.has_pixels(int(row), num_frames),
            found_MT[m],
            wrong_MT[m],
            switched_MT[m],
            iou_MT[m],
        )
        for m, row in enumerate(objects.rows_N)
    ]


def _pair_ious(tracks: TrackSet, objects: TrackSet, num_frames: int) -> Sequence[IoUsByPair]:
    found = Overlaps.of(tracks.tubes, tracks.rows_N, objects.tubes, objects.rows_N)
    found = found.before(num_frames)
    ious_T: list[dict[tuple[int, int], float]] = [{} for _ in range(num_frames)]
    columns = (found.frame_L, found.row_L, found.column_L, found.iou_L)
    for t, n, m, iou in zip(*(column.tolist() for column in columns), strict=True):
        if not objects.crowd_N[m]:
            ious_T[t][n, m] = iou
    return ious_T


def _match(ious: IoUsByPair, before: dict[int, int], shape: tuple[int, int]) -> dict[int, int]:
    """Match tracks to objects in one frame."""
    pairs = {n: m for n, m in before.items() if ious.get((n, m), 0.0) >= FOUND}
    taken = set(pairs.values())
    free = {
        (n, m): iou
        for (n, m), iou in ious.items()
        if iou >= FOUND and n not in pairs and m not in taken
    }
    if all(len(set(places)) == len(free) for places in zip(*free, strict=True)):
        return pairs | dict(sorted(free))
    # The solver's choice among equal sums depends on tracks and objects without a pair, too.
    iou_NM = np.zeros(shape)
    for pair, iou in free.items():
        iou_NM[pair] = iou
    rows, columns = linear_sum_assignment(iou_NM, maximize=True)
    kept = iou_NM[rows, columns] > 0
    return pairs | dict(zip(rows[kept].tolist(), columns[kept].tolist(), strict=True))
