"""Which object each track follows, and where tracks change it, or an object its track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from vis_bench.drawing.track_set import TrackSet
from vis_bench.evaluation.frame_overlap import overlaps
from vis_bench.evaluation.repairs import FOUND


@dataclass(frozen=True)
class Following:
    """What N tracks and M objects of one video do in each of T frames.

    Attributes:
        iou_NMT: their mask IoU, 0 with a crowd.
        pairs_T: track -> the object that it follows.
        switches_T: the tracks that follow another object than they did last, or an object that
            another track followed last.
    """

    iou_NMT: np.ndarray
    pairs_T: Sequence[dict[int, int]]
    switches_T: Sequence[frozenset[int]]


def follow(tracks: TrackSet, objects: TrackSet, num_frames: int) -> Following:
    """Follows objects frame by frame.

    In each frame, tracks follow objects one to one, from an IoU of 0.5 on. As in CLEAR MOT
    (Bernardin and Stiefelhagen, 2008), a pair of the frame before stays while it can; the others
    are assigned so that their IoU in sum is largest.
    """
    iou_NMT = overlaps(
        tracks.tubes, tracks.rows_N, objects.tubes, objects.rows_N, num_frames
    ).frame_iou()
    iou_NMT[:, objects.crowd_N] = 0.0
    last_object: dict[int, int] = {}
    last_track: dict[int, int] = {}
    pairs: dict[int, int] = {}
    pairs_T, switches_T = [], []
    for t in range(num_frames):
        pairs = _follow(iou_NMT[:, :, t], pairs)
        switches_T.append(
            frozenset(
                track for track, thing in pairs.items()
                if last_object.get(track, thing) != thing or last_track.get(thing, track) != track
            )
        )  # fmt: skip
        for track, thing in pairs.items():
            last_object[track], last_track[thing] = thing, track
        pairs_T.append(pairs)
    return Following(iou_NMT, pairs_T, switches_T)


def switch_frames(tracks: TrackSet, objects: TrackSet, num_frames: int) -> list[tuple[int, ...]]:
    """The frames, from 0, in which each track switches; see `Following`."""
    switches_T = follow(tracks, objects, num_frames).switches_T
    return [
        tuple(t for t, switched in enumerate(switches_T) if track in switched)
        for track in range(len(tracks))
    ]


def _follow(iou_NM: np.ndarray, before: dict[int, int]) -> dict[int, int]:
    """Track -> object in one frame."""
    pairs = {n: m for n, m in before.items() if iou_NM[n, m] >= FOUND}
    free = np.where(iou_NM >= FOUND, iou_NM, 0.0)
    free[list(pairs)] = 0.0
    free[:, list(pairs.values())] = 0.0
    rows, columns = _positive(free)
    return pairs | dict(zip(rows, columns, strict=True))


def _positive(iou_NM: np.ndarray) -> tuple[Sequence[int], Sequence[int]]:
    rows, columns = linear_sum_assignment(iou_NM, maximize=True)
    kept = iou_NM[rows, columns] > 0
    return rows[kept].tolist(), columns[kept].tolist()
