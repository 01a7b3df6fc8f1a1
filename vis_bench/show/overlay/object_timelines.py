"""What happens to each annotated object over a video: found, at what IoU, switched, missed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vis_bench.show.overlay.identity_switches import follow
from vis_bench.show.overlay.track_set import TrackSet


@dataclass(frozen=True)
class ObjectTimeline:
    """One object in each of T frames.

    Attributes:
        present_T: it has a mask.
        found_T: a track follows it, see `identity_switches.follow`.
        wrong_class_T: the track is of another category.
        switched_T: its track changes, or comes from another object.
        iou_T: with the track that follows it; where none does, the highest with any track.
    """

    present_T: np.ndarray
    found_T: np.ndarray
    wrong_class_T: np.ndarray
    switched_T: np.ndarray
    iou_T: np.ndarray

    @property
    def missed_T(self) -> np.ndarray:
        """It is there, and no track follows it."""
        return self.present_T & ~self.found_T


def object_timelines(tracks: TrackSet, objects: TrackSet, num_frames: int) -> list[ObjectTimeline]:
    """A timeline for each object, in order."""
    following = follow(tracks, objects, num_frames)
    shape = len(objects), num_frames
    track_MT = np.full(shape, -1)
    switched_MT = np.zeros(shape, bool)
    for t, pairs in enumerate(following.pairs_T):
        for track, thing in pairs.items():
            track_MT[thing, t] = track
            switched_MT[thing, t] = track in following.switches_T[t]
    found_MT = track_MT >= 0
    iou_MT = np.zeros(shape)
    for t, (ious, pairs) in enumerate(zip(following.ious_T, following.pairs_T, strict=True)):
        for (_, thing), iou in ious.items():
            iou_MT[thing, t] = max(iou_MT[thing, t], iou)
        for track, thing in pairs.items():
            iou_MT[thing, t] = ious[track, thing]
    things, frames = np.nonzero(found_MT)
    followers = track_MT[things, frames]
    wrong_MT = np.zeros(shape, bool)
    wrong_MT[things, frames] = tracks.category_N[followers] != objects.category_N[things]
    present_MT = _present(objects, num_frames)
    return [
        ObjectTimeline(present_MT[m], found_MT[m], wrong_MT[m], switched_MT[m], iou_MT[m])
        for m in range(len(objects))
    ]


def _present(objects: TrackSet, num_frames: int) -> np.ndarray:
    """Which frames hold a pixel of each object, (M, T)."""
    tubes = objects.tubes
    rows = [tubes.has_pixels(int(row), num_frames) for row in objects.rows_N]
    return np.array(rows, bool).reshape(len(objects), num_frames)
