"""Which tracks find an object, and which objects are missed, as AP at an IoU of 0.5 has it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vis_bench.metrics.repairs import BACKGROUND, FOUND, VideoTracks
from vis_bench.metrics.space_time_iou import space_time_iou
from vis_bench.show.overlay.track_set import TrackSet


@dataclass(frozen=True)
class Verdicts:
    """What annotations say about N tracks and M objects.

    `found_N`: the object that each track finds, -1 for none. `faults_N`: empty for a track that
    finds an object; what is wrong with any other. `missed_M`: objects that no track finds; a crowd
    is never missed.
    """

    found_N: np.ndarray
    faults_N: tuple[str, ...]
    missed_M: np.ndarray


def judge(tracks: TrackSet, objects: TrackSet) -> Verdicts:
    """Best score first, a track finds the free object of its category that it overlaps most, from
    a space-time IoU of 0.5 on (see `evaluation.repairs`).
    """
    iou_NM = np.zeros((len(tracks), len(objects)))
    if iou_NM.size:
        iou_NM = space_time_iou(tracks.tubes, tracks.rows_N, objects.tubes, objects.rows_N)
    video = VideoTracks(
        tracks.score_N, tracks.category_N, objects.category_N, objects.crowd_N,
        iou_NM, np.eye(len(objects)),
    )  # fmt: skip
    found_N = video.claims()
    faults = [
        "" if found_N[track] >= 0 else _fault(iou_NM[track], own_M)
        for track, own_M in enumerate(tracks.category_N[:, None] == objects.category_N)
    ]
    missed_M = ~np.isin(np.arange(len(objects)), found_N) & ~objects.crowd_N
    return Verdicts(found_N, tuple(faults), missed_M)


def _fault(iou_M: np.ndarray, own_M: np.ndarray) -> str:
    best_own = np.where(own_M, iou_M, 0.0).max(initial=0.0)
    if best_own >= FOUND:
        return "duplicate"
    if iou_M.max(initial=0.0) >= FOUND:
        return "wrong class"
    return f"IoU {best_own:.2f}" if best_own >= BACKGROUND else "no object"
