"""What each kind of identity error turns into once it is repaired.

What it means that a track follows an object, or is of it, stands with `FollowedVideo`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vis_bench.evaluation.followed_videos import NOTHING, FollowedVideo
from vis_bench.evaluation.repairs import BACKGROUND


def repair_switches(followed: FollowedVideo) -> FollowedVideo:
    """*Switch to another object*: lets every track stay with one object.

    A track that follows several objects over time keeps one of them: the one of the largest
    space-time IoU, but before it any that no better-scored track of its category keeps. Where it
    follows another, the kept object's mask takes the place of its own.
    """
    video, following_DT = followed.video, followed.following_DT
    main_D = np.full(len(video.score_D), NOTHING)
    kept: set[tuple[int, int]] = set()
    for track in np.argsort(-video.score_D, kind="stable"):
        objects = np.unique(following_DT[track][following_DT[track] != NOTHING])
        if not objects.size:
            continue
        category = int(video.category_D[track])
        free = [g for g in objects if (category, int(g)) not in kept] or list(objects)
        main_D[track] = max(free, key=lambda g: (video.iou_DG[track, g], -g))
        kept.add((category, int(main_D[track])))
    astray_DT = (following_DT != NOTHING) & (following_DT != main_D[:, None])
    return followed.with_masks_of(main_D, astray_DT)


def join_fragments(followed: FollowedVideo) -> FollowedVideo:
    """*Fragment of the same object*: joins tracks that are pieces of one.

    Pieces are tracks of one category and of the same object that never follow it in the same frame.
    The best-scored piece takes the masks of the others in the frames in which they follow the
    object, and the others are dropped. A track that follows the object in a frame in which a
    better-scored piece does is no piece.
    """
    video, following_DT = followed.video, followed.following_DT
    object_D = followed.objects_of_tracks()
    shared_DGT, area_DT = followed.tracks.shared_NMT.copy(), followed.tracks.area_NT.copy()
    joined_DT, kept_D = following_DT.copy(), np.ones(len(object_D), bool)
    first_of: dict[tuple[int, int], int] = {}
    for track in np.argsort(-video.score_D, kind="stable"):
        if object_D[track] == NOTHING:
            continue
        key = int(video.category_D[track]), int(object_D[track])
        first = first_of.setdefault(key, int(track))
        own_T = following_DT[track] != NOTHING
        if first == track or (own_T & (joined_DT[first] != NOTHING)).any():
            continue
        shared_DGT[first][:, own_T] = shared_DGT[track][:, own_T]
        area_DT[first, own_T] = area_DT[track, own_T]
        joined_DT[first, own_T] = object_D[track]
        kept_D[track] = False
    joined = followed.changed(shared_DGT, area_DT, joined_DT)
    tracks = replace(joined.tracks, shared_NMT=shared_DGT[kept_D], area_NT=area_DT[kept_D])
    return FollowedVideo(joined.video.kept(kept_D), tracks, joined.objects, joined_DT[kept_D])


def return_from_background(followed: FollowedVideo) -> FollowedVideo:
    """*Drift to background*: brings a track back that leaves its object for nothing.

    In frames in which the mask of a track that is of an object overlaps no object (its IoU with
    each, crowds included, is below 0.1), the object's mask takes its place; where the object is not
    there, the track is not either.
    """
    if not len(followed.video.category_G):
        return followed
    object_D = followed.objects_of_tracks()
    on_nothing_DT = followed.tracks.frame_iou().max(1) < BACKGROUND
    drifted_DT = on_nothing_DT & (followed.tracks.area_NT > 0) & (object_D != NOTHING)[:, None]
    return followed.with_masks_of(object_D, drifted_DT)
