"""Tracks and objects of one video, the objects they share, and the outcome of each track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.masks.rle import RLE
from vis_bench.masks.tubes import MaskTubes
from vis_bench.metrics.frame_matches import BACKGROUND, FOUND, VideoTracks
from vis_bench.metrics.overlaps import space_time_iou
from vis_bench.runs.sources import Sources


@dataclass(frozen=True)
class TrackSet:
    """N tracks of one video, best score first, or its annotated objects in file order.

    Attributes:
        rows_N: of the tracks in `tubes`.
        score_N: 1 for annotated objects.
        crowd_N: annotated objects that are crowds.
        num_frames: of the video; tracks may be shorter or longer.
    """

    tubes: MaskTubes
    rows_N: np.ndarray
    category_N: np.ndarray
    score_N: np.ndarray
    crowd_N: np.ndarray
    num_frames: int

    def __len__(self) -> int:
        return len(self.rows_N)

    def chosen(self, places: np.ndarray) -> TrackSet:
        """Select some of the tracks."""
        columns = (self.rows_N, self.category_N, self.score_N, self.crowd_N)
        rows, category, score, crowd = (column[places] for column in columns)
        return replace(self, rows_N=rows, category_N=category, score_N=score, crowd_N=crowd)

    def masks_T(self, track: int) -> Sequence[RLE | None]:
        """Return a track's mask in each frame of the video, None behind its own end."""
        tube = self.tubes.tube(int(self.rows_N[track]))
        return [*tube, *[None] * (self.num_frames - len(tube))][: self.num_frames]


def tracks_of(results: Results, video: Video, min_score: float) -> TrackSet:
    """Return the tracks of a video with at least a score, best first, if all fit its frames."""
    own = [i for i, track in enumerate(results.tracks) if track.video_id == video.id]
    kept = sorted(
        (i for i in own if results.tracks[i].score >= min_score),
        key=lambda i: -results.tracks[i].score,
    )
    if video.length != 1:
        results.refuse_images()
    _check_fit(results.name, results.tubes, np.array(own, int), video)
    return TrackSet(
        results.tubes,
        np.array(kept, int),
        np.array([results.tracks[i].category_id for i in kept], int),
        np.array([results.tracks[i].score for i in kept], float),
        np.zeros(len(kept), bool),
        video.length,
    )


def objects_of(truth: GroundTruth, video: Video) -> TrackSet:
    """Return the annotated objects of a video, in file order, if all fit its frames."""
    rows = [i for i, annotated in enumerate(truth.objects) if annotated.video_id == video.id]
    _check_fit(truth.name, truth.tubes, np.array(rows, int), video)
    return TrackSet(
        truth.tubes,
        np.array(rows, int),
        np.array([truth.objects[i].category_id for i in rows], int),
        np.ones(len(rows)),
        np.array([truth.objects[i].is_crowd for i in rows], bool),
        video.length,
    )


def check_fit(sources: Sources) -> None:
    """Refuse results or annotations whose masks do not fit a video in size."""
    for video in sources.videos:
        objects_of(sources.truth, video)
        for side in sources.sides:
            tracks_of(side.results, video, 0.0)


def _check_fit(name: str, tubes: MaskTubes, rows: np.ndarray, video: Video) -> None:
    where = f"{name}, video {video.name} (id {video.id})"
    for row in rows:
        for height, width in tubes.sizes_of(row):
            if (height, width) != (video.height, video.width):
                raise InputError(
                    f"{where} has a mask of {height}x{width} pixels (height x width); its frames "
                    f"are {video.height}x{video.width}"
                )


def identities(sets: Sequence[TrackSet], found: Sequence[np.ndarray] = ()) -> list[np.ndarray]:
    """Number the tracks of each set from 0; tracks of one object share a number across sets.

    The first set, the ground truth where there is one, is numbered in its own order. Each later set
    is matched to it one to one with the largest sum of space-time IoU, from an IoU of 0.1 on.
    Unmatched tracks are matched to the unmatched ones of earlier sets, and then get new numbers.
    Categories are ignored.

    Args:
        found: for each set but the first, the known match of each track in the first set, or -1.
    """
    groups: list[tuple[TrackSet, np.ndarray]] = []
    numbered, count = [], 0
    for s, tracks in enumerate(sets):
        identity_N = found[s - 1].copy() if s and found else np.full(len(tracks), -1)
        for group, known_M in groups:
            free = np.flatnonzero(identity_N < 0)
            open_M = np.flatnonzero(~np.isin(known_M, identity_N))
            pairs = _assign(tracks.chosen(free), group.chosen(open_M))
            identity_N[free[pairs[:, 0]]] = known_M[open_M[pairs[:, 1]]]
        new = np.flatnonzero(identity_N < 0)
        identity_N[new] = count + np.arange(len(new))
        count += len(new)
        groups.append((tracks.chosen(new), identity_N[new]))
        numbered.append(identity_N)
    return numbered


def _assign(a: TrackSet, b: TrackSet) -> np.ndarray:
    """Pairs of the same object, (P, 2)."""
    if not len(a) or not len(b):
        return np.zeros((0, 2), int)
    iou_NM = space_time_iou(a.tubes, a.rows_N, b.tubes, b.rows_N)
    rows, columns = linear_sum_assignment(iou_NM, maximize=True)
    related = iou_NM[rows, columns] >= BACKGROUND
    return np.stack([rows[related], columns[related]], 1)


@dataclass(frozen=True)
class Outcomes:
    """N tracks and M objects of one video, matched over all frames as in AP.

    Best score first, a track finds the free object of its category that it overlaps most, from a
    space-time IoU of 0.5 on.

    Attributes:
        found_N: the object that each track finds; -1 for none.
        faults: of each track; empty where it finds an object.
        unmatched: object -> the words for why no track finds it; without crowds.
    """

    found_N: np.ndarray
    faults: list[str]
    unmatched: dict[int, str]


def outcomes(tracks: TrackSet, objects: TrackSet) -> Outcomes:
    """Match the tracks of a video to its objects."""
    iou_NM = np.zeros((len(tracks), len(objects)))
    if iou_NM.size:
        iou_NM = space_time_iou(tracks.tubes, tracks.rows_N, objects.tubes, objects.rows_N)
    video = VideoTracks(
        tracks.rows_N,
        tracks.score_N,
        tracks.category_N,
        objects.category_N,
        objects.crowd_N,
        iou_NM,
        np.eye(len(objects)),
    )
    found_N = video.claims()
    faults = [
        "" if found_N[track] >= 0 else _fault(iou_NM[track], own_M)
        for track, own_M in enumerate(tracks.category_N[:, None] == objects.category_N)
    ]
    own_NM = tracks.category_N[:, None] == objects.category_N
    unmatched = {
        m: _unmatched(iou_NM[:, m], own_NM[:, m])
        for m in np.flatnonzero(~np.isin(np.arange(len(objects)), found_N)).tolist()
        if not objects.crowd_N[m]
    }
    return Outcomes(found_N, faults, unmatched)


def _unmatched(iou_N: np.ndarray, own_N: np.ndarray) -> str:
    best_own = np.where(own_N, iou_N, 0.0).max(initial=0.0)
    if best_own < FOUND <= iou_N.max(initial=0.0):
        return "not matched, wrong class"
    return f"not matched, IoU {best_own:.2f}"


def _fault(iou_M: np.ndarray, own_M: np.ndarray) -> str:
    best_own = np.where(own_M, iou_M, 0.0).max(initial=0.0)
    if best_own >= FOUND:
        return "duplicate"
    if iou_M.max(initial=0.0) >= FOUND:
        return "wrong class"
    return f"IoU {best_own:.2f}" if best_own >= BACKGROUND else "no object"
