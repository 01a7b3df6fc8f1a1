"""Where tracks change the object that they follow, or an object its track."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from vis_bench.drawing.track_set import TrackSet
from vis_bench.evaluation.frame_overlap import overlaps
from vis_bench.evaluation.repairs import FOUND


def switch_frames(tracks: TrackSet, objects: TrackSet, num_frames: int) -> list[tuple[int, ...]]:
    """The frames, from 0, in which each track switches.

    In each frame, tracks follow objects one to one, from an IoU of 0.5 on. As in CLEAR MOT
    (Bernardin and Stiefelhagen, 2008), a pair of the frame before stays while it can; the others
    are assigned so that their IoU in sum is largest. A track switches where it follows another
    object than it did last, or an object that another track followed last.
    """
    iou_NMT = overlaps(
        tracks.tubes, tracks.rows_N, objects.tubes, objects.rows_N, num_frames
    ).frame_iou()
    iou_NMT[:, objects.crowd_N] = 0.0
    last_object: dict[int, int] = {}
    last_track: dict[int, int] = {}
    frames: list[list[int]] = [[] for _ in range(len(tracks))]
    pairs: dict[int, int] = {}
    for t in range(num_frames):
        pairs = _follow(iou_NMT[:, :, t], pairs)
        for track, thing in pairs.items():
            if last_object.get(track, thing) != thing or last_track.get(thing, track) != track:
                frames[track].append(t)
        for track, thing in pairs.items():
            last_object[track], last_track[thing] = thing, track
    return [tuple(own) for own in frames]


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
