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
from vis_bench.metrics.sparse_overlap import SparseOverlaps, sparse_overlaps
from vis_bench.metrics.tracking.duplicates import distinct_tracks

SCORE_THRESHOLD = 0.5


@dataclass(frozen=True)
class FrameIoUs:
    """The mask IoU of G objects and D tracks in each of T frames, both in file order.

    Stored where it is above 0, so that memory grows with the tracks' masks.

    Attributes:
        objects_TG: which objects are there.
        num_tracks: D.
        frame_Q, track_Q: the masks of the tracks, in order of frames, then tracks.
        mask_L, object_L, iou_L: the pairs that overlap, in order of frames, then objects, then
            tracks: the place among the Q masks, the object and the IoU.
    """

    objects_TG: np.ndarray
    num_tracks: int
    frame_Q: np.ndarray
    track_Q: np.ndarray
    mask_L: np.ndarray
    object_L: np.ndarray
    iou_L: np.ndarray

    @property
    def frame_L(self) -> np.ndarray:
        """The frame of each pair."""
        return self.frame_Q[self.mask_L]

    @property
    def track_L(self) -> np.ndarray:
        """The track of each pair."""
        return self.track_Q[self.mask_L]

    def num_masks_D(self) -> np.ndarray:
        """In how many frames each track is there."""
        return np.bincount(self.track_Q, minlength=self.num_tracks)

    def of(self, chosen_G: np.ndarray, chosen_D: np.ndarray) -> FrameIoUs:
        """The same of some objects and some tracks; both are bool."""
        kept_Q = chosen_D[self.track_Q]
        objects_TG, frame_Q = self.objects_TG[:, chosen_G], self.frame_Q[kept_Q]
        track_Q = (chosen_D.cumsum() - 1)[self.track_Q[kept_Q]]
        if not (objects_TG.size and frame_Q.size):
            nothing, no_iou = np.zeros(0, np.int64), np.zeros(0)
            return FrameIoUs(
                objects_TG, int(chosen_D.sum()), frame_Q, track_Q, nothing, nothing, no_iou
            )
        (kept,) = (kept_Q[self.mask_L] & chosen_G[self.object_L]).nonzero()
        mask_L = (kept_Q.cumsum() - 1)[self.mask_L[kept]]
        object_L = (chosen_G.cumsum() - 1)[self.object_L[kept]]
        return FrameIoUs(
            objects_TG, int(chosen_D.sum()), frame_Q, track_Q, mask_L, object_L, self.iou_L[kept]
        )

    def in_frames(self, chosen_T: np.ndarray) -> FrameIoUs:
        """The same in some frames, as bool."""
        if chosen_T.all():
            return self
        kept_Q = chosen_T[self.frame_Q]
        kept_L = kept_Q[self.mask_L]
        return FrameIoUs(
            self.objects_TG[chosen_T], self.num_tracks,
            (np.cumsum(chosen_T) - 1)[self.frame_Q[kept_Q]], self.track_Q[kept_Q],
            (np.cumsum(kept_Q) - 1)[self.mask_L[kept_L]], self.object_L[kept_L], self.iou_L[kept_L],
        )  # fmt: skip


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
) -> list[SparseOverlaps]:
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
        found.append(
            sparse_overlaps(results.tubes, rows_D, ground_truth.tubes, rows_G, video.length)
        )
    return found


def tracked_videos(
    ground_truth: GroundTruth, results: Results, found: Sequence[SparseOverlaps]
) -> Iterator[TrackedVideo]:
    """The videos of the annotations in order of id; `found` as `track_overlaps`."""
    place = {key: index for index, key in enumerate(ground_truth.category_order)}
    for video, own in zip(ground_truth.videos, found, strict=True):
        rows_D, rows_G = own.rows_N, own.columns_M
        ious = FrameIoUs(
            own.others_present_TM(), len(rows_D), own.frame_Q, own.row_Q, own.mask_L,
            own.column_L, own.frame_iou_L(),
        )  # fmt: skip
        yield TrackedVideo(
            video.id,
            np.array([place[ground_truth.objects[row].category_id] for row in rows_G], np.int64),
            np.array([place[results.tracks[row].category_id] for row in rows_D], np.int64),
            distinct_tracks(results, own),
            ious,
        )


_NOTHING = np.zeros(0, np.int64)


def _by_video(video_ids: list[int]) -> dict[int, np.ndarray]:
    """The places of each video id."""
    places: dict[int, list[int]] = {}
    for place, key in enumerate(video_ids):
        places.setdefault(key, []).append(place)
    return {key: np.array(own) for key, own in places.items()}
