"""AP of tracks whose overlaps are known, though not their masks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from vis_bench.metrics.matching import IOU_THRESHOLDS, CategoryMatches, Matches, match_group
from vis_bench.metrics.precision_recall import MAX_DETECTIONS, accumulate
from vis_bench.metrics.repairs import VideoTracks

_ALL_AREAS, _MOST = 0, len(MAX_DETECTIONS) - 1


def repaired_ap(videos: Sequence[VideoTracks], categories: Iterable[int]) -> float | None:
    """AP over all areas, the mean over those of these categories that have an object to find.

    None where none of them has; a crowd is not one.
    """
    matches = Matches([], [_category(videos, key) for key in categories])
    curves = accumulate(matches, areas=[_ALL_AREAS], limits=[_MOST])
    precision = curves.precision_TRKAM
    known = precision[precision > -1]
    return float(known.mean()) if known.size else None


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
        key, "",
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
