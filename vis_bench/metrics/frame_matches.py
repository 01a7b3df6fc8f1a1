"""Tracks and objects of one video: what each track finds, and what it follows frame by frame.

Over the whole video, a track *finds* an object of its category from a space-time IoU of 0.5 on. In
a frame, it *follows* the object that it overlaps most there, from an IoU of 0.5 on; crowds are not
followed. It is *of* an object if it follows it in at least half of the frames in which it has a
mask.

The error breakdown repairs overlaps, not masks: a track whose mask is replaced by an object's has
that object's overlaps.

Shape letters: D tracks, G objects, P masks, E entries (a frame of a track each).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.sparse import csr_array

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.metrics.exclusions import excused_shares, judged
from vis_bench.metrics.overlaps import Overlaps, video_overlaps

# A track and an object belong together from this space-time IoU on, and have nothing to do with
# each other below the second one (Bolya et al., TIDE, ECCV 2020).
FOUND, BACKGROUND = 0.5, 0.1
NOTHING = -1


@dataclass(frozen=True)
class VideoTracks:
    """The tracks of one video, in file order, and how they overlap its objects.

    `row_D`: of the tracks in their file; -1 for one that a repair adds. `iou_DG`: space-time IoU of
    every track with every object of any category. `iou_GG`: of the objects with each other.
    `excused`: by row, the highest IoU threshold at which a track costs nothing if it finds no
    object, where that is above 0 (see `metrics.exclusions`).
    """

    row_D: np.ndarray
    score_D: np.ndarray
    category_D: np.ndarray
    category_G: np.ndarray
    crowd_G: np.ndarray
    iou_DG: np.ndarray
    iou_GG: np.ndarray
    excused: Mapping[int, float] = field(default_factory=dict)

    def by_score(self) -> Iterator[int]:
        """The tracks, best score first; ties in file order."""
        return iter(np.argsort(-self.score_D, kind="stable").tolist())

    def claims(self) -> np.ndarray:
        """The object that each track finds, (D,); -1 for none.

        Best score first, each takes the free object of its category that it overlaps most, from
        an IoU of 0.5 on; a crowd stays free.
        """
        claimed_D = np.full(len(self.score_D), NOTHING)
        free_G = np.ones(len(self.category_G), bool)
        for track in self.by_score():
            fit_G = free_G & (self.category_G == self.category_D[track])
            iou_G = np.where(fit_G, self.iou_DG[track], 0.0)
            if iou_G.size and iou_G.max() >= FOUND:
                claimed_D[track] = iou_G.argmax()
                free_G[claimed_D[track]] = self.crowd_G[claimed_D[track]]
        return claimed_D

    def kept(self, kept_D: np.ndarray) -> VideoTracks:
        """Copy without the other tracks."""
        return replace(
            self,
            row_D=self.row_D[kept_D],
            score_D=self.score_D[kept_D],
            category_D=self.category_D[kept_D],
            iou_DG=self.iou_DG[kept_D],
        )


@dataclass(frozen=True)
class VideoMasks:
    """P masks of one video: those of the tracks, by track and frame, then those of the objects.

    At place -1, as at P, there is none.

    Attributes:
        num_frames: of the video.
        area_P1: pixels.
        shared_P1G, iou_P1G: pixels shared with each object in the mask's frame, and the mask IoU.
        key_R: of each object's mask, object * num_frames + frame, rising.
        area_G: pixels of each object over all frames.
    """

    num_frames: int
    area_P1: np.ndarray
    shared_P1G: csr_array
    iou_P1G: csr_array
    key_R: np.ndarray
    area_G: np.ndarray

    @classmethod
    def of(cls, tracks: Overlaps, among: Overlaps, num_frames: int) -> VideoMasks:
        """Masks from the overlaps of the tracks with the objects, and of the objects `among` each
        other.
        """
        areas, places, columns, shared, ious = [], [], [], [], []
        first = 0
        for overlaps in (tracks, among):
            order = np.argsort(overlaps.tracks.row_Q, kind="stable")
            place_Q = np.empty_like(order)
            place_Q[order] = first + np.arange(len(order))
            first += len(order)
            areas.append(overlaps.tracks.area_Q[order])
            places.append(place_Q[overlaps.mask_L])
            columns.append(overlaps.column_L)
            shared.append(overlaps.shared_L)
            ious.append(overlaps.iou_L)
        pairs = np.concatenate(places), np.concatenate(columns)
        shape = first + 1, len(among.objects.rows_N)
        return cls(
            num_frames,
            np.concatenate([*areas, [0]]),
            csr_array((np.concatenate(shared), pairs), shape),
            csr_array((np.concatenate(ious), pairs), shape),
            np.sort(among.tracks.row_Q * num_frames + among.tracks.frame_Q),
            among.tracks.areas_before(num_frames),
        )

    def masks_of_objects(self, object_E: np.ndarray, frame_E: np.ndarray) -> np.ndarray:
        """Places of the masks that objects have in frames, (E,); -1 where they have none."""
        key_E = object_E * self.num_frames + frame_E
        place_E = np.searchsorted(self.key_R, key_E)
        exists_E = (object_E >= 0) & (np.append(self.key_R, -1)[place_E] == key_E)
        first = len(self.area_P1) - 1 - len(self.key_R)
        return np.where(exists_E, first + place_E, NOTHING)

    def space_time_iou(self, row_E: np.ndarray, mask_E: np.ndarray, num_rows: int) -> np.ndarray:
        """IoU of tubes with the objects, (N, G): shared pixels over the pixels of either.

        Args:
            row_E, mask_E: the tubes' masks: of which tube, and its place.
            num_rows: N.
        """
        entries = np.ones(len(row_E), np.int64), (row_E, np.arange(len(row_E)))
        shared_NG = (csr_array(entries, (num_rows, len(row_E))) @ self.shared_P1G[mask_E]).toarray()
        area_N = np.bincount(row_E, weights=self.area_P1[mask_E], minlength=num_rows)
        union_NG = area_N[:, None] + self.area_G - shared_NG
        return np.divide(shared_NG, union_NG, out=np.zeros(union_NG.shape), where=union_NG > 0)


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
    masks: VideoMasks
    track_E: np.ndarray
    frame_E: np.ndarray
    mask_E: np.ndarray
    following_E: np.ndarray

    @classmethod
    def of(
        cls,
        video: VideoTracks,
        masks: VideoMasks,
        track_E: np.ndarray,
        frame_E: np.ndarray,
        mask_E: np.ndarray,
    ) -> FollowedVideo:
        """Find the object that is followed in each entry; the first of equal ones."""
        pairs = masks.iou_P1G[mask_E].tocoo()
        near = (pairs.data >= FOUND) & ~video.crowd_G[pairs.col]
        entry_L, object_L, iou_L = (column[near] for column in (pairs.row, pairs.col, pairs.data))
        order = np.lexsort((-object_L, iou_L))  # the best is written last
        following_E = np.full(len(mask_E), NOTHING)
        following_E[entry_L[order]] = object_L[order]
        return cls(video, masks, track_E, frame_E, mask_E, following_E)

    @property
    def num_tracks(self) -> int:
        """D."""
        return len(self.video.score_D)

    @property
    def has_pixels_E(self) -> np.ndarray:
        """The entries in which the track has a mask, bool."""
        return self.masks.area_P1[self.mask_E] > 0

    def entries_of(self, track: int) -> np.ndarray:
        """The places of a track's entries."""
        return np.arange(*np.searchsorted(self.track_E, (track, track + 1)))

    def frame_iou_E(self) -> np.ndarray:
        """The largest IoU with any object, crowds included, in each entry's frame."""
        return self.masks.iou_P1G[self.mask_E].max(axis=1).toarray()

    def objects_of_tracks(self) -> np.ndarray:
        """Object followed by each track in at least half of its frames, (D,); -1 for none.

        No track may follow two.
        """
        followed_D, present_D = (
            np.bincount(self.track_E[chosen_E], minlength=self.num_tracks)
            for chosen_E in (self.following_E != NOTHING, self.has_pixels_E)
        )
        object_D = np.full(self.num_tracks, NOTHING)
        np.maximum.at(object_D, self.track_E, self.following_E)
        return np.where(2 * followed_D >= present_D, object_D, NOTHING)

    def with_entries(
        self,
        track_E: np.ndarray,
        frame_E: np.ndarray,
        mask_E: np.ndarray,
        following_E: np.ndarray,
    ) -> FollowedVideo:
        """Copy with other entries of the same tracks, in any order."""
        order_E = np.lexsort((frame_E, track_E))
        track_E, mask_E = track_E[order_E], mask_E[order_E]
        iou_DG = self.masks.space_time_iou(track_E, mask_E, self.num_tracks)
        video = replace(self.video, iou_DG=iou_DG)
        return FollowedVideo(
            video, self.masks, track_E, frame_E[order_E], mask_E, following_E[order_E]
        )

    def with_masks_of(self, object_D: np.ndarray, replaced_E: np.ndarray) -> FollowedVideo:
        """Copy with the mask of an object instead of the track's own in some entries.

        Where the object is absent, the track is too.

        Args:
            object_D: the object, for tracks with entries to replace.
        """
        if not replaced_E.any():
            return self
        object_E = object_D[self.track_E]
        masks_E = self.masks.masks_of_objects(object_E, self.frame_E)
        return self.with_entries(
            self.track_E,
            self.frame_E,
            np.where(replaced_E, masks_E, self.mask_E),
            np.where(replaced_E, object_E, self.following_E),
        )

    def kept(self, kept_D: np.ndarray) -> FollowedVideo:
        """Copy without the other tracks, which have no entries."""
        track_E = (np.cumsum(kept_D) - 1)[self.track_E]
        return replace(self, video=self.video.kept(kept_D), track_E=track_E)


def followed_videos(ground_truth: GroundTruth, results: Results) -> list[FollowedVideo]:
    """Each video's tracks, at most the best of each category, as many as AP counts."""
    results = judged(ground_truth, results)
    excused = excused_shares(ground_truth, results)
    found = zip(
        ground_truth.videos,
        video_overlaps(ground_truth, results, _best(ground_truth, results)),
        strict=True,
    )
    videos = []
    for video, overlaps in found:
        tracks, rows_G = overlaps.before(video.length), overlaps.objects.rows_N
        among = Overlaps.of(ground_truth.tubes, rows_G, ground_truth.tubes, rows_G)
        masks = VideoMasks.of(tracks, among.before(video.length), video.length)
        rated = [results.tracks[row] for row in tracks.tracks.rows_N]
        things = [ground_truth.objects[row] for row in rows_G]
        order = np.argsort(tracks.tracks.row_Q, kind="stable")
        track_E, frame_E = tracks.tracks.row_Q[order], tracks.tracks.frame_Q[order]
        mask_E = np.arange(len(order))
        object_R, mask_R = (
            masks.key_R // max(1, video.length),
            len(order) + np.arange(len(masks.key_R)),
        )
        state = VideoTracks(
            tracks.tracks.rows_N,
            np.array([float(track.score) for track in rated]),
            np.array([track.category_id for track in rated], int),
            np.array([thing.category_id for thing in things], int),
            np.array([thing.is_crowd for thing in things], bool),
            masks.space_time_iou(track_E, mask_E, len(rated)),
            masks.space_time_iou(object_R, mask_R, len(things)),
            excused,
        )
        videos.append(FollowedVideo.of(state, masks, track_E, frame_E, mask_E))
    return videos


def _best(ground_truth: GroundTruth, results: Results) -> np.ndarray:
    """The tracks of known categories that AP counts, bool."""
    groups: dict[tuple[int, int], list[int]] = {}
    for row, track in enumerate(results.tracks):
        if track.category_id in ground_truth.categories:
            groups.setdefault((track.video_id, track.category_id), []).append(row)
    best_N = np.zeros(len(results.tracks), bool)
    for rows in groups.values():
        rows.sort(key=lambda row: -results.tracks[row].score)
        best_N[rows[: ground_truth.max_tracks]] = True
    return best_N
