"""What each kind of identity error turns into once it is repaired.

What it means that a track follows an object, or is of it, stands with `FollowedVideo`.
"""

from __future__ import annotations

import numpy as np

from vis_bench.metrics.followed_videos import NOTHING, FollowedVideo
from vis_bench.metrics.repairs import BACKGROUND


def repair_switches(followed: FollowedVideo) -> FollowedVideo:
    """*Switch to another object*: lets every track stay with one object.

    A track that follows several objects over time keeps one of them: the one of the largest
    space-time IoU, but before it any that no better-scored track of its category keeps. Where it
    follows another, the kept object's mask takes the place of its own.
    """
    video, following_E = followed.video, followed.following_E
    main_D = np.full(len(video.score_D), NOTHING)
    kept: set[tuple[int, int]] = set()
    for track in np.argsort(-video.score_D, kind="stable"):
        objects = np.unique(following_E[followed.entries_of(track)])
        objects = objects[objects != NOTHING]
        if not objects.size:
            continue
        category = int(video.category_D[track])
        free = [g for g in objects if (category, int(g)) not in kept] or list(objects)
        main_D[track] = max(free, key=lambda g: (video.iou_DG[track, g], -g))
        kept.add((category, int(main_D[track])))
    astray_E = (following_E != NOTHING) & (following_E != main_D[followed.track_E])
    return followed.with_masks_of(main_D, astray_E)


def join_fragments(followed: FollowedVideo) -> FollowedVideo:
    """*Fragment of the same object*: joins tracks that are pieces of one.

    Pieces are tracks of one category and of the same object that never follow it in the same frame.
    The best-scored piece takes the masks of the others in the frames in which they follow the
    object, and the others are dropped. A track that follows the object in a frame in which a
    better-scored piece does is no piece.
    """
    object_D = followed.objects_of_tracks()
    track_E, kept_D = followed.track_E.copy(), np.ones(len(object_D), bool)
    kept_E = np.ones(len(track_E), bool)
    first_of: dict[tuple[int, int], int] = {}
    frames_of_first: dict[int, set[int]] = {}
    for track in np.argsort(-followed.video.score_D, kind="stable").tolist():
        if object_D[track] == NOTHING:
            continue
        key = int(followed.video.category_D[track]), int(object_D[track])
        first = first_of.setdefault(key, track)
        own = followed.entries_of(track)
        pieces = own[followed.following_E[own] != NOTHING]
        frames = set(followed.frame_E[pieces].tolist())
        taken = frames_of_first.setdefault(first, frames)
        if first == track or not taken.isdisjoint(frames):
            continue
        replaced = followed.entries_of(first)
        kept_E[replaced[np.isin(followed.frame_E[replaced], followed.frame_E[pieces])]] = False
        kept_E[own], kept_E[pieces] = False, True
        track_E[pieces] = first
        taken |= frames
        kept_D[track] = False
    following_E = np.where(track_E != followed.track_E, object_D[followed.track_E],
                           followed.following_E)  # fmt: skip
    columns = (track_E, followed.frame_E, followed.mask_E, following_E)
    return followed.with_entries(*(column[kept_E] for column in columns)).kept(kept_D)


def return_from_background(followed: FollowedVideo) -> FollowedVideo:
    """*Drift to background*: brings a track back that leaves its object for nothing.

    In frames in which the mask of a track that is of an object overlaps no object (its IoU with
    each, crowds included, is below 0.1), the object's mask takes its place; where the object is not
    there, the track is not either.
    """
    if not len(followed.video.category_G):
        return followed
    object_D = followed.objects_of_tracks()
    on_nothing_E = followed.has_pixels_E & (followed.frame_iou_E() < BACKGROUND)
    return followed.with_masks_of(object_D, on_nothing_E & (object_D[followed.track_E] != NOTHING))
