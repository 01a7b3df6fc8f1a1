"""Where a method loses AP: each kind of error is repaired in turn; what that gains is its share.

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

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.evaluation.frame_overlap import overlaps
from vis_bench.evaluation.identity_repairs import (
    FollowedVideo,
    join_fragments,
    repair_switches,
    return_from_background,
)
from vis_bench.evaluation.matching import (
    IOU_THRESHOLDS,
    MOST_DETECTIONS,
    CategoryMatches,
    Matches,
    match_group,
)
from vis_bench.evaluation.precision_recall import MAX_DETECTIONS, accumulate
from vis_bench.evaluation.repairs import (
    VideoTracks,
    add_missed,
    drop_background,
    drop_duplicates,
    repair_classes,
    repair_masks,
)

ERRORS = ("identity", "class", "mask quality", "duplicate", "background", "missed")
IDENTITY_ERRORS = ("switch", "fragment", "drift")
_ALL_AREAS, _MOST = 0, len(MAX_DETECTIONS) - 1


@dataclass(frozen=True)
class ErrorBreakdown:
    """AP as it is, and what each repair adds, both as fractions; see the module's text.

    `gains` are in the order of `ERRORS` and sum to 1 - `ap`. A gain can be slightly negative: a
    track of the wrong class costs nothing where its category has no objects, and costs something
    once its class is repaired. `identity_gains` are in the order of `IDENTITY_ERRORS` and sum to
    the gain of `identity`.
    """

    ap: float
    gains: dict[str, float]
    identity_gains: dict[str, float]

    def shares(self) -> dict[str, float]:
        """Each kind's share of the lost AP; all 0 where nothing is lost."""
        return self._shares(self.gains)

    def identity_shares(self) -> dict[str, float]:
        """The share of each kind of identity error; they sum to that of `identity`."""
        return self._shares(self.identity_gains)

    def _shares(self, gains: dict[str, float]) -> dict[str, float]:
        lost = sum(self.gains.values())
        return {kind: gain / lost if lost > 1e-9 else 0.0 for kind, gain in gains.items()}


def break_down(ground_truth: GroundTruth, results: Results) -> ErrorBreakdown:
    """Splits the AP that a results file loses among the kinds of error.

    Args:
        ground_truth: annotations with at least one object that is not a crowd.
        results: tracks of the annotated videos.
    """
    followed = _collect(ground_truth, results)
    stages = [[each.video for each in followed]]
    for mend in (repair_switches, join_fragments, return_from_background):
        followed = [mend(each) for each in followed]
        stages.append([each.video for each in followed])
    for repair in (repair_classes, repair_masks, drop_duplicates, drop_background, add_missed):
        stages.append([repair(video) for video in stages[-1]])
    aps = [_average_precision(stage, ground_truth) for stage in stages]
    gains = np.diff(aps).tolist()
    num_kinds = len(IDENTITY_ERRORS)
    merged = [aps[num_kinds] - aps[0], *gains[num_kinds:]]
    return ErrorBreakdown(
        aps[0],
        dict(zip(ERRORS, merged, strict=True)),
        dict(zip(IDENTITY_ERRORS, gains[:num_kinds], strict=True)),
    )


def _collect(ground_truth: GroundTruth, results: Results) -> list[FollowedVideo]:
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


def _average_precision(videos: Sequence[VideoTracks], ground_truth: GroundTruth) -> float:
    matches = Matches(
        ground_truth.videos,
        [_category(videos, key, name) for key, name in ground_truth.categories.items()],
    )
    curves = accumulate(matches, areas=[_ALL_AREAS], limits=[_MOST])
    precision = curves.precision_TRKAM
    return float(precision[precision > -1].mean())


def _category(videos: Iterable[VideoTracks], key: int, name: str) -> CategoryMatches:
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
        key, name,
        np.concatenate(video_n)[order], np.concatenate(rank_n)[order],
        np.concatenate(score_n)[order],
        np.concatenate(hits_nT)[order].T[None], np.concatenate(misses_nT)[order].T[None],
        np.array(objects_V)[:, None],
    )  # fmt: skip


def _match(
    video: VideoTracks, rows_D: np.ndarray, columns_G: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Hits and misses of one video and category, (D, T) each, best score first.

    Objects that are not crowds come first, as the evaluator has them.
    """
    columns_G = columns_G[np.argsort(video.crowd_G[columns_G], kind="stable")]
    crowd_G = video.crowd_G[columns_G]
    if not rows_D.size or not columns_G.size:
        misses = np.ones((len(rows_D), len(IOU_THRESHOLDS)), bool)
        return ~misses, misses
    iou_DG = video.iou_DG[rows_D[:, None], columns_G]
    matched_DAT, on_ignored_DAT = match_group(iou_DG, crowd_G, crowd_G[:, None])
    return (matched_DAT & ~on_ignored_DAT)[:, 0], ~matched_DAT[:, 0]
