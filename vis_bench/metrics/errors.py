"""AP lost to each kind of error: each is repaired in turn, and its share is what that gains.

After TIDE (Bolya, Foley, Hays and Hoffman, ECCV 2020), whose thresholds these are, carried over to
tracks and with errors of identity added. Every track that finds no object is one of:

- *identity*: it does not stay with one object, or not alone. In a frame it follows the object that
  it overlaps most, from an IoU of 0.5 on; it is of an object if it follows it in at least half of
  the frames in which it has a mask. One of three kinds:
  - *switch* to another object: over time it follows several objects. Repaired by staying with one
    of them.
  - *fragment* of the same object: with other tracks of its category it is of one object, which each
    of them follows in other frames. Repaired by joining them.
  - *drift* to background: it is of an object, but in some frames its mask overlaps no object (IoU
    below 0.1). Repaired by taking the object's mask there, or none where the object is gone.
- *class*: its space-time IoU with an object of another category is at least 0.5, and with none of
  its own. Repaired by changing the category.
- *mask quality*: its IoU with an object of its category is at least 0.1 but below 0.5; or it does
  find its object, but at an IoU below 1, which costs AP at the thresholds above. Repaired by taking
  the object's mask.
- *duplicate*: its IoU with an object of its category is at least 0.5, but a better-scored track has
  found that object. Repaired by dropping it.
- *background*: any other track that finds nothing. Repaired by dropping it.

and an object that no track finds is *missed*, repaired by adding it. Repairs build on each other in
this order, so that the shares add up to all of the AP that is lost. A class or mask repair of a
track whose object has been found already drops the track.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.data.video import Video
from vis_bench.metrics.exclusions import judged
from vis_bench.metrics.frame_matches import (
    BACKGROUND,
    FOUND,
    NOTHING,
    FollowedVideo,
    VideoTracks,
    followed_videos,
)
from vis_bench.metrics.half_samples import draw_half_samples
from vis_bench.metrics.matching import IOU_THRESHOLDS, CategoryMatches, Matches, match_group
from vis_bench.metrics.precision_recall import column
from vis_bench.metrics.resample import resampled_ap

ERRORS = ("identity", "class", "mask quality", "duplicate", "background", "missed")
IDENTITY_ERRORS = ("switch", "fragment", "drift")
# In the order of the repairs.
REPAIRED = (*IDENTITY_ERRORS, *ERRORS[1:])


@dataclass(frozen=True)
class ErrorBreakdown:
    """AP as it is, and what each repair adds, both as fractions; see the module's text.

    `gains` are in the order of `ERRORS` and sum to 1 - `ap`. A gain can be slightly negative: a
    track of the wrong class costs nothing where its category has no objects, and costs something
    once its class is repaired. `identity_gains` are in the order of `IDENTITY_ERRORS` and sum to
    the gain of `identity`. `samples` holds the gain of each key of `by_kind` on all videos and on
    half-samples of them, (S,) each.
    """

    ap: float
    gains: dict[str, float]
    identity_gains: dict[str, float]
    samples: dict[str, np.ndarray]

    def shares(self) -> dict[str, float]:
        """Each kind's share of the lost AP; all 0 where nothing is lost."""
        return self._shares(self.gains)

    def identity_shares(self) -> dict[str, float]:
        """The share of each kind of identity error; they sum to that of `identity`."""
        return self._shares(self.identity_gains)

    def by_kind(self) -> dict[str, tuple[float, float]]:
        """Gain and share of each kind, and of identity errors those of each part behind it."""
        shares, parts = self.shares(), self.identity_shares()
        whole = {kind: (gain, shares[kind]) for kind, gain in self.gains.items()}
        of_identity = {
            f"identity: {part}": (gain, parts[part]) for part, gain in self.identity_gains.items()
        }
        return {"identity": whole["identity"], **of_identity, **whole}

    def _shares(self, gains: dict[str, float]) -> dict[str, float]:
        lost = sum(self.gains.values())
        return {kind: gain / lost if lost > 1e-9 else 0.0 for kind, gain in gains.items()}


def break_down(
    ground_truth: GroundTruth, results: Results, num_resamples: int = 0, seed: int = 0
) -> ErrorBreakdown:
    """Split the AP that a results file loses among the kinds of error.

    Args:
        ground_truth: annotations with at least one object that is not a crowd.
        results: tracks of the annotated videos.
        num_resamples, seed: of the half-samples of the videos.
    """
    stages = repair_stages(ground_truth, results)
    halves_BV = draw_half_samples(len(ground_truth.videos), num_resamples, seed)
    matches = list(map(_matches, stages))
    aps_S = [np.append(_ap(each) or 0.0, resampled_ap(each, halves_BV)) for each in matches]
    gains_S, num_parts = list(np.diff(aps_S, axis=0)), len(IDENTITY_ERRORS)
    parts = dict(zip(IDENTITY_ERRORS, gains_S, strict=False))
    merged = [aps_S[num_parts] - aps_S[0], *gains_S[num_parts:]]
    kinds = dict(zip(ERRORS, merged, strict=True))
    return ErrorBreakdown(
        float(aps_S[0][0]),
        {kind: float(gain_S[0]) for kind, gain_S in kinds.items()},
        {part: float(gain_S[0]) for part, gain_S in parts.items()},
        {f"identity: {part}": gain_S for part, gain_S in parts.items()} | kinds,
    )


def repair_stages(ground_truth: GroundTruth, results: Results) -> list[list[VideoTracks]]:
    """The tracks of every video as they are, and after each repair of `REPAIRED`, in turn."""
    followed = followed_videos(ground_truth, results)
    stages = [[each.video for each in followed]]
    for mend in (repair_switches, join_fragments, return_from_background):
        followed = [mend(each) for each in followed]
        stages.append([each.video for each in followed])
    for repair in (repair_classes, repair_masks, drop_duplicates, drop_background, add_missed):
        stages.append([repair(video) for video in stages[-1]])
    return stages


@dataclass(frozen=True)
class VideoErrors:
    """A video as a data set of its own: its AP, and what repairing each kind of error adds.

    Both are fractions. Only the categories that the video has count.
    """

    video: Video
    ap: float
    gains: Mapping[str, float]
    identity_gains: Mapping[str, float]

    def repaired(self, kind: str) -> str:
        """The kind of `REPAIRED` that stands behind one of `ERRORS`: of identity the costliest."""
        if kind != "identity":
            return kind
        return max(self.identity_gains, key=lambda part: self.identity_gains[part])


def break_down_videos(
    ground_truth: GroundTruth, results: Results, advance: Callable[[], object] = lambda: None
) -> list[VideoErrors]:
    """Every video by itself, without those that have no object, or only crowds.

    Args:
        advance: called after each video.
    """
    found = []
    for video in ground_truth.videos:
        own, tracks = of_video(ground_truth, results, video)
        if not all(thing.is_crowd for thing in own.objects):
            errors = break_down(own, tracks)
            found.append(VideoErrors(video, errors.ap, errors.gains, errors.identity_gains))
        advance()
    return found


def worst_videos(
    videos: Sequence[VideoErrors], kinds: Sequence[str], count: int
) -> dict[str, list[VideoErrors]]:
    """The videos that lose most AP to each kind of error, most first; none that lose nothing.

    Each video stands under one kind, the one to which it loses most among those with room.
    """
    pairs = [
        (-video.gains[kind], video.video.id, n) for video in videos for n, kind in enumerate(kinds)
    ]
    by_id = {video.video.id: video for video in videos}
    worst: dict[str, list[VideoErrors]] = {kind: [] for kind in kinds}
    for negative, video_id, n in sorted(pairs):
        if -negative > ROUNDING and video_id in by_id and len(worst[kinds[n]]) < count:
            worst[kinds[n]].append(by_id.pop(video_id))
    return worst


ROUNDING = 1e-9  # of a gain in AP


def of_video(truth: GroundTruth, results: Results, video: Video) -> tuple[GroundTruth, Results]:
    """The annotations and the judged results of one video."""
    tracks = [track for track in results.tracks if track.video_id == video.id]
    own = truth.of_videos([video])
    return own, judged(own, Results.of(tracks, results.name))


def repair_switches(followed: FollowedVideo) -> FollowedVideo:
    """*Switch to another object*: lets every track stay with one object.

    A track that follows several objects over time keeps one of them: the one of the largest
    space-time IoU, but before it any that no better-scored track of its category keeps. Where it
    follows another, the kept object's mask takes the place of its own.
    """
    video, following_E = followed.video, followed.following_E
    main_D = np.full(len(video.score_D), NOTHING)
    kept: set[tuple[int, int]] = set()
    for track in video.by_score():
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
    for track in followed.video.by_score():
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
    following_E = np.where(
        track_E != followed.track_E, object_D[followed.track_E], followed.following_E
    )
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


def repair_classes(video: VideoTracks) -> VideoTracks:
    """Give a track that finds an object of another category, and none of its own, that category.

    It is dropped where the object has been found already.
    """
    claimed_D = video.claims()
    taken = {int(g) for g in claimed_D if g >= 0}
    own_DG = video.category_D[:, None] == video.category_G
    wrong_D = (claimed_D < 0) & ~_reaches(video, own_DG, FOUND)
    category_D, kept_D = video.category_D.copy(), np.ones(len(claimed_D), bool)
    for track in video.by_score():
        iou_G = np.where(video.crowd_G, 0.0, video.iou_DG[track])
        if not wrong_D[track] or not iou_G.size or iou_G.max() < FOUND:
            continue
        found = int(iou_G.argmax())
        category_D[track] = video.category_G[found]
        kept_D[track] = found not in taken
        taken.add(found)
    return replace(video, category_D=category_D).kept(kept_D)


def repair_masks(video: VideoTracks) -> VideoTracks:
    """Give a track the mask of the object that it finds, or of the one of its category that it
    overlaps most where the IoU is below 0.5 but at least 0.1.

    In the second case it is dropped where the object has been found already. A track with the mask
    of an object overlaps the others as that object does.
    """
    found_D = video.claims()
    taken = {int(g) for g in found_D if g >= 0}
    own_DG = (video.category_D[:, None] == video.category_G) & ~video.crowd_G
    is_poor_D = (found_D < 0) & ~_reaches(video, own_DG, FOUND)
    is_poor_D &= _reaches(video, own_DG, BACKGROUND)
    iou_DG, kept_D = video.iou_DG.copy(), np.ones(len(found_D), bool)
    for track in video.by_score():
        g = int(found_D[track])
        if is_poor_D[track]:
            g = int(np.where(own_DG[track], video.iou_DG[track], 0.0).argmax())
            kept_D[track] = g not in taken
            taken.add(g)
        if g >= 0 and not video.crowd_G[g]:
            iou_DG[track] = video.iou_GG[g]
    return replace(video, iou_DG=iou_DG).kept(kept_D)


def drop_duplicates(video: VideoTracks) -> VideoTracks:
    """Drop tracks that overlap an object of their category which another track has found."""
    own_DG = (video.category_D[:, None] == video.category_G) & ~video.crowd_G
    return video.kept((video.claims() >= 0) | ~_reaches(video, own_DG, FOUND))


def drop_background(video: VideoTracks) -> VideoTracks:
    """Drop all other tracks that find nothing."""
    return video.kept(video.claims() >= 0)


def missed_objects(video: VideoTracks) -> list[int]:
    """The objects, without crowds, that no track finds."""
    claimed = set(video.claims().tolist())
    return [g for g, crowd in enumerate(video.crowd_G) if g not in claimed and not crowd]


def add_missed(video: VideoTracks) -> VideoTracks:
    """Add a perfect track for every object that none has found."""
    missed = missed_objects(video)
    return replace(
        video,
        row_D=np.append(video.row_D, np.full(len(missed), NOTHING)),
        score_D=np.append(video.score_D, np.zeros(len(missed))),
        category_D=np.append(video.category_D, video.category_G[missed]),
        iou_DG=np.concatenate([video.iou_DG, video.iou_GG[missed]]),
    )


def _reaches(video: VideoTracks, allowed_DG: np.ndarray, threshold: float) -> np.ndarray:
    """The tracks that have this IoU with an allowed object, bool (D,)."""
    return np.any(np.where(allowed_DG, video.iou_DG, 0.0) >= threshold, axis=1)


def repaired_ap(videos: Sequence[VideoTracks], category: int | None = None) -> float | None:
    """AP over all areas of one category, or the mean over those that have an object to find.

    None where none has; a crowd is not one.
    """
    return _ap(_matches(videos) if category is None else Matches([], [_category(videos, category)]))


def annotated_categories(videos: Iterable[VideoTracks]) -> list[int]:
    """The categories of the objects, crowds included, in order of id."""
    return sorted({int(key) for video in videos for key in video.category_G})


def _matches(videos: Sequence[VideoTracks]) -> Matches:
    return Matches([], [_category(videos, key) for key in annotated_categories(videos)])


def _ap(matches: Matches) -> float | None:
    ap = column(matches).headline()["ap"]
    return None if ap == -1 else ap


def _category(videos: Iterable[VideoTracks], key: int) -> CategoryMatches:
    """Matches of one category, for all areas together, by the evaluator's rules."""
    video_n, rank_n, score_n, hits_nT, misses_nT, objects_V = [], [], [], [], [], []
    for index, video in enumerate(videos):
        rows_D = np.flatnonzero(video.category_D == key)
        rows_D = rows_D[np.argsort(-video.score_D[rows_D], kind="stable")]
        hit_DT, miss_DT = _match(video, rows_D, np.flatnonzero(video.category_G == key))
        video_n.append(np.full(len(rows_D), index))
        rank_n.append(np.arange(len(rows_D)))
        score_n.append(video.score_D[rows_D])
        hits_nT.append(hit_DT)
        misses_nT.append(miss_DT)
        objects_V.append(int((~video.crowd_G[video.category_G == key]).sum()))
    order = np.argsort(-np.concatenate(score_n), kind="stable")
    return CategoryMatches(
        key,
        "",
        np.concatenate(video_n)[order],
        np.concatenate(rank_n)[order],
        np.concatenate(score_n)[order],
        np.concatenate(hits_nT)[order].T[None],
        np.concatenate(misses_nT)[order].T[None],
        np.array(objects_V)[:, None],
    )


def _match(
    video: VideoTracks, rows_D: np.ndarray, columns_G: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Hits and misses of one video and category, (D, T) each, best score first.

    Objects that are not crowds come first, as the evaluator has them.
    """
    columns_G = columns_G[np.argsort(video.crowd_G[columns_G], kind="stable")]
    crowd_G = video.crowd_G[columns_G]
    share_D = np.array([video.excused.get(row, 0.0) for row in video.row_D[rows_D].tolist()])
    misses_DT = share_D[:, None] < IOU_THRESHOLDS
    if not rows_D.size or not columns_G.size:
        return np.zeros_like(misses_DT), misses_DT
    iou_DG = video.iou_DG[rows_D[:, None], columns_G]
    matched_DAT, on_ignored_DAT = match_group(iou_DG, crowd_G, crowd_G[:, None])
    return (matched_DAT & ~on_ignored_DAT)[:, 0], misses_DT & ~matched_DAT[:, 0]
