"""The tracks of each video, frame by frame: which object each of them follows.

In a frame, a track *follows* the object that it overlaps most there, from an IoU of 0.5 on; crowds
are not followed. A track is *of* an object if it follows it in at least half of the frames in which
it has a mask.

A video's tracks are E *entries*, a frame of a track each, so that memory grows with their masks and
not with the number of frames. Shape letters: D tracks, G objects, E entries.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.metrics.mask_overlaps import MaskOverlaps
from vis_bench.metrics.matching import MOST_DETECTIONS
from vis_bench.metrics.repairs import FOUND, VideoTracks
from vis_bench.metrics.sparse_overlap import sparse_overlaps

NOTHING = -1


@dataclass(frozen=True)
class FollowedVideo:
    """One video's tracks frame by frame.

    Attributes:
        video: the tracks over all frames.
        masks: the masks of the tracks as they were predicted, and those of the objects.
        track_E, frame_E: the entries, in order of tracks, then frames.
        mask_E: the mask that the track has there, a place in `masks`; -1 for none.
        following_E: the object that the track follows there; -1 for none.
    """

    video: VideoTracks
    masks: MaskOverlaps
    track_E: np.ndarray
    frame_E: np.ndarray
    mask_E: np.ndarray
    following_E: np.ndarray

    @classmethod
    def of(
        cls,
        video: VideoTracks,
        masks: MaskOverlaps,
        track_E: np.ndarray,
        frame_E: np.ndarray,
        mask_E: np.ndarray,
    ) -> FollowedVideo:
        """Finds out what is followed."""
        pairs = masks.pairs(mask_E)
        iou_L = np.where(video.crowd_G[pairs.object_L], 0.0, pairs.iou_L)
        best_E = _largest(iou_L, pairs.entry_L, len(mask_E))
        (best,) = ((iou_L >= FOUND) & (iou_L == best_E[pairs.entry_L])).nonzero()
        following_E = np.full(len(mask_E), NOTHING)
        # The first object is written last.
        following_E[pairs.entry_L[best[::-1]]] = pairs.object_L[best[::-1]]
        return cls(video, masks, track_E, frame_E, mask_E, following_E)

    @property
    def num_tracks(self) -> int:
        """D."""
        return len(self.video.score_D)

    @property
    def has_pixels_E(self) -> np.ndarray:
        """Whether the track has a mask in the entry's frame."""
        return self.masks.area_P1[self.mask_E] > 0

    def entries_of(self, track: int) -> np.ndarray:
        """The places of a track's entries."""
        return np.arange(*np.searchsorted(self.track_E, (track, track + 1)))

    def frame_iou_E(self) -> np.ndarray:
        """The largest IoU with any object, crowds included, in each entry's frame."""
        pairs = self.masks.pairs(self.mask_E)
        return _largest(pairs.iou_L, pairs.entry_L, len(self.mask_E))

    def objects_of_tracks(self) -> np.ndarray:
        """The object that each track is of, (D,); -1 for none. No track follows two by now."""
        followed_D, there_D = (
            np.bincount(self.track_E[chosen_E], minlength=self.num_tracks)
            for chosen_E in (self.following_E != NOTHING, self.has_pixels_E)
        )
        object_D = np.full(self.num_tracks, NOTHING)
        np.maximum.at(object_D, self.track_E, self.following_E)
        return np.where(2 * followed_D >= there_D, object_D, NOTHING)

    def with_entries(
        self,
        track_E: np.ndarray,
        frame_E: np.ndarray,
        mask_E: np.ndarray,
        following_E: np.ndarray,
    ) -> FollowedVideo:
        """With other entries of the same tracks, in any order."""
        order_E = np.lexsort((frame_E, track_E))
        track_E, mask_E = track_E[order_E], mask_E[order_E]
        iou_DG = self.masks.space_time_iou(track_E, mask_E, self.num_tracks)
        video = replace(self.video, iou_DG=iou_DG)
        return FollowedVideo(
            video, self.masks, track_E, frame_E[order_E], mask_E, following_E[order_E]
        )

    def with_masks_of(self, object_D: np.ndarray, replaced_E: np.ndarray) -> FollowedVideo:
        """With the mask of an object in place of the track's own in some entries.

        Where the object is absent, the track is too.

        Args:
            object_D: the object, for tracks with entries to replace.
        """
        if not replaced_E.any():
            return self
        object_E = object_D[self.track_E]
        masks_E = self.masks.masks_of_objects(object_E, self.frame_E)
        return self.with_entries(
            self.track_E, self.frame_E,
            np.where(replaced_E, masks_E, self.mask_E),
            np.where(replaced_E, object_E, self.following_E),
        )  # fmt: skip

    def kept(self, kept_D: np.ndarray) -> FollowedVideo:
        """Without the other tracks, which have no entries."""
        track_E = (np.cumsum(kept_D) - 1)[self.track_E]
        return replace(self, video=self.video.kept(kept_D), track_E=track_E)


def _largest(value_L: np.ndarray, entry_L: np.ndarray, num_entries: int) -> np.ndarray:
    """The largest value of each entry, 0 without any."""
    largest_E = np.zeros(num_entries)
    np.maximum.at(largest_E, entry_L, value_L)
    return largest_E


def followed_videos(ground_truth: GroundTruth, results: Results) -> list[FollowedVideo]:
    """Each video's tracks, at most the best 100 of each category."""
    track_video_D = np.array([track.video_id for track in results.tracks], int)
    object_video_G = np.array([thing.video_id for thing in ground_truth.objects], int)
    videos = []
    for video in ground_truth.videos:
        rows_D = _best(results, np.flatnonzero(track_video_D == video.id), ground_truth)
        rows_G = np.flatnonzero(object_video_G == video.id)
        with_objects, among = (
            sparse_overlaps(tubes, rows, ground_truth.tubes, rows_G, video.length)
            for tubes, rows in ((results.tubes, rows_D), (ground_truth.tubes, rows_G))
        )
        rated = [results.tracks[int(row)] for row in rows_D]
        things = [ground_truth.objects[int(row)] for row in rows_G]
        state = VideoTracks(
            np.array([float(track.score) for track in rated]),
            np.array([track.category_id for track in rated], int),
            np.array([thing.category_id for thing in things], int),
            np.array([thing.is_crowd for thing in things], bool),
            with_objects.space_time_iou(),
            among.space_time_iou(),
        )
        by_track, _ = with_objects.masks_by_row
        track_E, frame_E = with_objects.row_Q[by_track], with_objects.frame_Q[by_track]
        masks = MaskOverlaps.of(with_objects, among)
        videos.append(FollowedVideo.of(state, masks, track_E, frame_E, np.arange(len(track_E))))
    return videos


def _best(results: Results, rows_D: np.ndarray, ground_truth: GroundTruth) -> np.ndarray:
    """The rows of known categories, at most the best 100 of each, in file order."""
    chosen: list[int] = []
    for category in ground_truth.categories:
        own = [d for d in rows_D if results.tracks[d].category_id == category]
        chosen += sorted(own, key=lambda d: -results.tracks[d].score)[:MOST_DETECTIONS]
    return np.array(sorted(chosen), int)
