"""Which tracks take part in the tracking metrics, and how they overlap the objects.

Tracks of a listed category whose score is above a threshold take part; from there on scores play no
role. Crowds are ordinary objects, a mask without pixels is absent, and masks of different size
overlap nothing but are there. What a track holds beyond its video's last frame is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.evaluation.frame_overlap import Overlaps, overlaps
from vis_bench.evaluation.tracking.duplicates import distinct_tracks

SCORE_THRESHOLD = 0.5


@dataclass(frozen=True)
class FrameIoUs:
    """The mask IoU of G objects and D tracks in each of T frames, both in file order.

    `iou_TGD` is 0 where either is absent; `objects_TG` and `tracks_TD` say who is there.
    """

    iou_TGD: np.ndarray
    objects_TG: np.ndarray
    tracks_TD: np.ndarray

    def of(self, rows_G: np.ndarray, columns_D: np.ndarray) -> FrameIoUs:
        """The same of some objects and some tracks; both are indices or masks."""
        return FrameIoUs(
            self.iou_TGD[:, rows_G][:, :, columns_D],
            self.objects_TG[:, rows_G],
            self.tracks_TD[:, columns_D],
        )

    def in_frames(self, frames_T: np.ndarray) -> FrameIoUs:
        """The same in some frames."""
        return FrameIoUs(
            self.iou_TGD[frames_T], self.objects_TG[frames_T], self.tracks_TD[frames_T]
        )


@dataclass(frozen=True)
class TrackedVideo:
    """What takes part of one video.

    Attributes:
        id: the video's.
        category_G, category_D: categories of its objects and tracks, as places in
            `GroundTruth.category_order`.
        distinct_D: False for a track that repeats a better one, see `distinct_tracks`.
        frame_ious: their overlaps.
    """

    id: int
    category_G: np.ndarray
    category_D: np.ndarray
    distinct_D: np.ndarray
    frame_ious: FrameIoUs


def track_overlaps(
    ground_truth: GroundTruth, results: Results, score_threshold: float
) -> list[Overlaps]:
    """What the tracks above `score_threshold` share with the objects of each video.

    In order of the videos' ids; tracks and objects of one video are in file order.
    """
    objects = _by_video([thing.video_id for thing in ground_truth.objects])
    kept_N = np.array(
        [
            track.score > score_threshold and track.category_id in ground_truth.categories
            for track in results.tracks
        ],
        bool,
    )
    tracks = _by_video([track.video_id for track in results.tracks])
    found = []
    for video in ground_truth.videos:
        rows_G, rows_D = (places.get(video.id, _NOTHING) for places in (objects, tracks))
        rows_D = rows_D[kept_N[rows_D]]
        found.append(overlaps(results.tubes, rows_D, ground_truth.tubes, rows_G, video.length))
    return found


def tracked_videos(
    ground_truth: GroundTruth, results: Results, found: Sequence[Overlaps]
) -> Iterator[TrackedVideo]:
    """The videos of the annotations in order of id; `found` as `track_overlaps`."""
    place = {key: index for index, key in enumerate(ground_truth.category_order)}
    for video, own in zip(ground_truth.videos, found, strict=True):
        rows_D, rows_G = own.rows_N, own.columns_M
        yield TrackedVideo(
            video.id,
            np.array([place[ground_truth.objects[row].category_id] for row in rows_G], np.int64),
            np.array([place[results.tracks[row].category_id] for row in rows_D], np.int64),
            distinct_tracks(results, own),
            FrameIoUs(
                np.ascontiguousarray(own.frame_iou().transpose(2, 1, 0)),
                own.area_MT.T > 0,
                own.area_NT.T > 0,
            ),
        )


_NOTHING = np.zeros(0, np.int64)


def _by_video(video_ids: list[int]) -> dict[int, np.ndarray]:
    """The places of each video id."""
    places: dict[int, list[int]] = {}
    for place, key in enumerate(video_ids):
        places.setdefault(key, []).append(place)
    return {key: np.array(own) for key, own in places.items()}
