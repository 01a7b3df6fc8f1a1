"""The tracks of each video, frame by frame: which object each of them follows.

In a frame, a track *follows* the object that it overlaps most there, from an IoU of 0.5 on; crowds
are not followed. A track is *of* an object if it follows it in at least half of the frames in which
it has a mask. Shape letters: D tracks, G objects, T frames.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.evaluation.frame_overlap import Overlaps, overlaps
from vis_bench.evaluation.matching import MOST_DETECTIONS
from vis_bench.evaluation.repairs import FOUND, VideoTracks

NOTHING = -1


@dataclass(frozen=True)
class FollowedVideo:
    """One video's tracks frame by frame.

    `tracks`: overlaps of the tracks with the objects; `objects`: of the objects with each other.
    `following_DT`: the object that each track follows in each frame; -1 for none.
    """

    video: VideoTracks
    tracks: Overlaps
    objects: Overlaps
    following_DT: np.ndarray

    @classmethod
    def of(cls, video: VideoTracks, tracks: Overlaps, objects: Overlaps) -> FollowedVideo:
        """Finds out what is followed."""
        iou_DGT = np.where(video.crowd_G[:, None], 0.0, tracks.frame_iou())
        if not iou_DGT.shape[1]:
            following_DT = np.full((iou_DGT.shape[0], iou_DGT.shape[2]), NOTHING)
        else:
            following_DT = np.where(iou_DGT.max(1) >= FOUND, iou_DGT.argmax(1), NOTHING)
        return cls(video, tracks, objects, following_DT)

    def objects_of_tracks(self) -> np.ndarray:
        """The object that each track is of, (D,); -1 for none. No track follows two by now."""
        followed_DT = self.following_DT != NOTHING
        enough_D = 2 * followed_DT.sum(1) >= (self.tracks.area_NT > 0).sum(1)
        return np.where(enough_D, self.following_DT.max(1, initial=NOTHING), NOTHING)

    def changed(
        self, shared_DGT: np.ndarray, area_DT: np.ndarray, following_DT: np.ndarray
    ) -> FollowedVideo:
        """With other masks of the tracks."""
        tracks = replace(self.tracks, shared_NMT=shared_DGT, area_NT=area_DT)
        video = replace(self.video, iou_DG=tracks.space_time_iou())
        return FollowedVideo(video, tracks, self.objects, following_DT)

    def with_masks_of(self, object_D: np.ndarray, replaced_DT: np.ndarray) -> FollowedVideo:
        """With the mask of an object in place of the track's own in some frames.

        Where the object is absent, the track is too.

        Args:
            object_D: the object, for tracks with frames to replace.
        """
        if not replaced_DT.any():
            return self
        own_D = np.where(replaced_DT.any(1), object_D, 0)
        return self.changed(
            np.where(replaced_DT[:, None], self.objects.shared_NMT[own_D], self.tracks.shared_NMT),
            np.where(replaced_DT, self.objects.area_NT[own_D], self.tracks.area_NT),
            np.where(replaced_DT, own_D[:, None], self.following_DT),
        )


def followed_videos(ground_truth: GroundTruth, results: Results) -> list[FollowedVideo]:
    """Each video's tracks, at most the best 100 of each category."""
    track_video_D = np.array([track.video_id for track in results.tracks], int)
    object_video_G = np.array([thing.video_id for thing in ground_truth.objects], int)
    videos = []
    for video in ground_truth.videos:
        rows_D = _best(results, np.flatnonzero(track_video_D == video.id), ground_truth)
        rows_G = np.flatnonzero(object_video_G == video.id)
        with_objects = overlaps(results.tubes, rows_D, ground_truth.tubes, rows_G, video.length)
        among = overlaps(ground_truth.tubes, rows_G, ground_truth.tubes, rows_G, video.length)
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
        videos.append(FollowedVideo.of(state, with_objects, among))
    return videos


def _best(results: Results, rows_D: np.ndarray, ground_truth: GroundTruth) -> np.ndarray:
    """The rows of known categories, at most the best 100 of each, in file order."""
    chosen: list[int] = []
    for category in ground_truth.categories:
        own = [d for d in rows_D if results.tracks[d].category_id == category]
        chosen += sorted(own, key=lambda d: -results.tracks[d].score)[:MOST_DETECTIONS]
    return np.array(sorted(chosen), int)
