"""What is drawn of one results file, or of the annotations, in one video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.masks.rle import PIXEL_LIMIT, RLE
from vis_bench.masks.tubes import MaskTubes
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
