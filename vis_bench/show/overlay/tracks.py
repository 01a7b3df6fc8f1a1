"""Tracks and objects of one video: read, matched to each other and judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.masks.rle import PIXEL_LIMIT, RLE
from vis_bench.masks.tubes import MaskTubes
from vis_bench.metrics.repairs import BACKGROUND, FOUND, VideoTracks
from vis_bench.metrics.space_time_iou import space_time_iou
from vis_bench.runs.sources import Sources


@dataclass(frozen=True)
class TrackSet:
    """N tracks of one video: their rows in `tubes`, best score first.

    `score_N` of objects of the ground truth is 1; `crowd_N` says which of those are crowds.
    """

    tubes: MaskTubes
    rows_N: np.ndarray
    category_N: np.ndarray
    score_N: np.ndarray
    crowd_N: np.ndarray

    def __len__(self) -> int:
        return len(self.rows_N)

    def chosen(self, places: np.ndarray) -> TrackSet:
        """Only some of the tracks."""
        columns = (self.rows_N, self.category_N, self.score_N, self.crowd_N)
        rows, category, score, crowd = (column[places] for column in columns)
        return replace(self, rows_N=rows, category_N=category, score_N=score, crowd_N=crowd)

    def masks_T(self, track: int) -> Sequence[RLE | None]:
        """A track's mask in each frame."""
        return self.tubes.tube(int(self.rows_N[track]))


def tracks_of(results: Results, video: Video, min_score: float) -> TrackSet:
    """The tracks of a video with at least a score, best first.

    Raises:
        InputError: naming the video, where tracks do not fit its frames in number or size.
    """
    own = [i for i, track in enumerate(results.tracks) if track.video_id == video.id]
    kept = sorted(
        (i for i in own if results.tracks[i].score >= min_score),
        key=lambda i: -results.tracks[i].score,
    )
    _check_fit(results.name, results.tubes, np.array(own, int), video)
    return TrackSet(
        results.tubes,
        np.array(kept, int),
        np.array([results.tracks[i].category_id for i in kept], int),
        np.array([results.tracks[i].score for i in kept], float),
        np.zeros(len(kept), bool),
    )


def objects_of(truth: GroundTruth, video: Video) -> TrackSet:
    """The annotated objects of a video, in file order.

    Raises:
        InputError: naming the video, where they do not fit its frames in number or size.
    """
    rows = [i for i, thing in enumerate(truth.objects) if thing.video_id == video.id]
    _check_fit(truth.name, truth.tubes, np.array(rows, int), video)
    return TrackSet(
        truth.tubes,
        np.array(rows, int),
        np.array([truth.objects[i].category_id for i in rows], int),
        np.ones(len(rows)),
        np.array([truth.objects[i].is_crowd for i in rows], bool),
    )


def check_fit(sources: Sources) -> None:
    """Refuses results or annotations that do not fit a video in number or size of their masks."""
    for video in sources.videos:
        objects_of(sources.truth, video)
        for side in sources.sides:
            tracks_of(side.results, video, 0.0)


def _check_fit(name: str, tubes: MaskTubes, rows: np.ndarray, video: Video) -> None:
    where = f"{name}, video {video.name} (id {video.id})"
    for length in np.unique(tubes.lengths_N[rows]).tolist():
        if length != video.length:
            raise InputError(
                f"{where} has a track of {length} masks; expected {video.length}, one per frame"
            )
    for row in rows:
        for size in np.unique(tubes.sizes_of(row)).tolist():
            if size != video.height * PIXEL_LIMIT + video.width:
                height, width = divmod(size, PIXEL_LIMIT)
                raise InputError(
                    f"{where} has a mask of {height}x{width} pixels (height x width); its frames "
                    f"are {video.height}x{video.width}"
                )


def identities(sets: Sequence[TrackSet], found: Sequence[np.ndarray] = ()) -> list[np.ndarray]:
    """A number per track of each set, from 0; tracks of one object share it across sets.

    The first set, the ground truth where there is one, counts up in its own order. Every later set
    is assigned to it, one to one, so that the space-time IoU in sum is largest; pairs below an IoU
    of 0.1 have nothing to do with each other. What is left is assigned in the same way to what
    earlier sets had left, and gets new numbers after that. Categories play no part.

    Args:
        found: for each set but the first, which track of the first each of its tracks is known to
            be, -1 where that is not known.
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


def _assign(some: TrackSet, others: TrackSet) -> np.ndarray:
    """The pairs that belong together, (P, 2)."""
    if not len(some) or not len(others):
        return np.zeros((0, 2), int)
    iou_NM = space_time_iou(some.tubes, some.rows_N, others.tubes, others.rows_N)
    rows, columns = linear_sum_assignment(iou_NM, maximize=True)
    related = iou_NM[rows, columns] >= BACKGROUND
    return np.stack([rows[related], columns[related]], 1)


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
