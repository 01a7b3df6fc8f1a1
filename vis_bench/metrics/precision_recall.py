"""Precision, recall, AP and AR from matches, over all videos or any selection of them.

The rules are those of youtubevos/cocoapi (`YTVOSeval.accumulate`). Shape letters: T=10 IoU
thresholds, R=101 recall levels, K categories, A=4 area ranges (and the levels after them, where
asked for), M=3 limits on the detections per video and category of AR, V videos, n detections.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.metrics.matching import (
    AREA_NAMES,
    AREA_RANGES,
    AT_50,
    AT_75,
    IOU_THRESHOLDS,
    CategoryMatches,
    Matches,
)

RECALL_LEVELS = np.linspace(0.0, 1.0, 101)
MAX_DETECTIONS = (1, 10, 100)


@dataclass(frozen=True)
class Curves:
    """Precision, recall and scores; -1 where a category has no object or was not asked for.

    `precision_TRKAM` at each recall level, `scores_TRKAM` the confidence that reaches it (both 0
    beyond the highest recall), `recall_TKAM` the highest recall.
    """

    precision_TRKAM: np.ndarray
    recall_TKAM: np.ndarray
    scores_TRKAM: np.ndarray


def accumulate(
    matches: Matches,
    weights_V: np.ndarray | None = None,
    *,
    areas: Sequence[int] = range(len(AREA_RANGES)),
    limits: Sequence[int] = range(len(MAX_DETECTIONS)),
) -> Curves:
    """Accumulate matches over videos.

    Args:
        weights_V: how many times each video counts, whole numbers from 0; default: once each. A
            video that counts twice gives what two copies of it would (copies of a detection are
            taken together, which matters only where detections of one video tie in score).
        areas: indices of the area ranges to fill in, or of levels, which come after them.
        limits: indices into `MAX_DETECTIONS` to fill in. With the last one all kept detections
            make precision and scores, which are more than 100 where the annotations say so.
    """
    num_areas = max([len(AREA_RANGES), *(area + 1 for area in areas)])
    shape = len(matches.categories), num_areas, len(MAX_DETECTIONS)
    num_thresholds, num_levels = len(IOU_THRESHOLDS), len(RECALL_LEVELS)
    curves = Curves(
        np.full((num_thresholds, num_levels, *shape), -1.0),
        np.full((num_thresholds, *shape), -1.0),
        np.full((num_thresholds, num_levels, *shape), -1.0),
    )
    for k, category in enumerate(matches.categories):
        objects_A = {a: _num_objects(category, a, weights_V) for a in areas}
        for m in limits:
            chosen_n, weight_n = _selection(category, m, weights_V)
            for a in areas:
                if objects_A[a] > 0:
                    cell = _cell(category, a, chosen_n, weight_n, objects_A[a])
                    curves.precision_TRKAM[:, :, k, a, m] = cell[0]
                    curves.recall_TKAM[:, k, a, m] = cell[1]
                    curves.scores_TRKAM[:, :, k, a, m] = cell[2]
    return curves


@dataclass(frozen=True)
class PrecisionRecall:
    """Precision and recall of one area range or level, with one limit on the detections.

    -1 where a category has no object.
    """

    precision_TRK: np.ndarray
    recall_TK: np.ndarray

    def headline(self) -> dict[str, float]:
        """`ap`, `ap50`, `ap75` and `ar100`, if the limit is 100 detections."""
        return {
            "ap": mean_known(self.precision_TRK),
            "ap50": mean_known(self.precision_TRK[AT_50]),
            "ap75": mean_known(self.precision_TRK[AT_75]),
            "ar100": mean_known(self.recall_TK),
        }


ALL_AREAS = AREA_NAMES.index("all")
MOST = len(MAX_DETECTIONS) - 1


def column(
    matches: Matches, area: int = ALL_AREAS, limit: int = MOST, weights_V: np.ndarray | None = None
) -> PrecisionRecall:
    """Accumulate one area range or level with one limit; equal to that part of `accumulate`."""
    num_thresholds, num_categories = len(IOU_THRESHOLDS), len(matches.categories)
    precision_TRK = np.full((num_thresholds, len(RECALL_LEVELS), num_categories), -1.0)
    recall_TK = np.full((num_thresholds, num_categories), -1.0)
    for k, category in enumerate(matches.categories):
        num_objects = _num_objects(category, area, weights_V)
        if num_objects > 0:
            chosen_n, weight_n = _selection(category, limit, weights_V)
            cell = _cell(category, area, chosen_n, weight_n, num_objects)
            precision_TRK[:, :, k], recall_TK[:, k] = cell[:2]
    return PrecisionRecall(precision_TRK, recall_TK)


def _num_objects(category: CategoryMatches, area: int, weights_V: np.ndarray | None) -> int:
    objects_V = category.num_objects_VA[:, area]
    return int(objects_V.sum() if weights_V is None else weights_V @ objects_V)


def _selection(
    category: CategoryMatches, limit: int, weights_V: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """The detections that take part and their weights; `limit` as in `column`."""
    within_n = category.rank_n < (math.inf if limit == MOST else MAX_DETECTIONS[limit])
    if weights_V is None:
        return np.flatnonzero(within_n), None
    chosen_n = np.flatnonzero(within_n & (weights_V[category.video_n] > 0))
    return chosen_n, weights_V[category.video_n[chosen_n]]


def _cell(
    category: CategoryMatches,
    area: int,
    chosen_n: np.ndarray,
    weight_n: np.ndarray | None,
    num_objects: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision (T, R), recall (T,) and scores (T, R) of one category, area range and limit."""
    num_thresholds, num_levels = len(IOU_THRESHOLDS), len(RECALL_LEVELS)
    precision_TR, scores_TR = (np.zeros((num_thresholds, num_levels)) for _ in "ps")
    if not chosen_n.size:
        return precision_TR, np.zeros(num_thresholds), scores_TR
    hits_Tn, misses_Tn = (
        _running(flags_ATn[area][:, chosen_n], weight_n)
        for flags_ATn in (category.hits_ATn, category.misses_ATn)
    )
    recall_Tn = hits_Tn / num_objects
    precision_Tn = hits_Tn / (misses_Tn + hits_Tn + np.spacing(1))
    envelope_Tn = np.maximum.accumulate(precision_Tn[:, ::-1], axis=1)[:, ::-1]
    score_n = category.score_n[chosen_n]
    (in_recall_n,) = np.nonzero(category.rank_n[chosen_n] < MAX_DETECTIONS[-1])
    found_T = np.diff(hits_Tn, prepend=0)[:, in_recall_n].sum(1)
    for t in range(num_thresholds):
        first_R = np.searchsorted(recall_Tn[t], RECALL_LEVELS, side="left")
        first_R = first_R[first_R < len(chosen_n)]
        precision_TR[t, : len(first_R)] = envelope_Tn[t, first_R]
        scores_TR[t, : len(first_R)] = score_n[first_R]
    return precision_TR, found_T / num_objects, scores_TR


def _running(flags_Tn: np.ndarray, weight_n: np.ndarray | None) -> np.ndarray:
    counts_Tn = flags_Tn if weight_n is None else flags_Tn * weight_n
    return np.cumsum(counts_Tn, axis=1, dtype=np.float64)


def mean_of_parts(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each number; -1 where it is -1 in any part."""
    columns = {key: [numbers[key] for numbers in parts] for key in parts[0]}
    return {
        key: -1.0 if min(values) == -1 else sum(values) / len(values)
        for key, values in columns.items()
    }


def official_numbers(matches: Matches, weights_V: np.ndarray | None = None) -> dict[str, float]:
    """The official 12 numbers; see `Evaluation.summary`. One column is in memory at a time."""
    matches = matches.with_objects()
    return _twelve(lambda area, limit: column(matches, area, limit, weights_V))


def summarize(curves: Curves, categories: slice = slice(None)) -> dict[str, float]:
    """The official 12 numbers of curves over some categories."""
    return _twelve(
        lambda area, limit: PrecisionRecall(
            curves.precision_TRKAM[:, :, categories, area, limit],
            curves.recall_TKAM[:, categories, area, limit],
        )
    )


def _twelve(column_of: Callable[[int, int], PrecisionRecall]) -> dict[str, float]:
    """The 12 numbers of the columns by area range and limit, in the official order."""
    of_all, *of_areas = (column_of(area, MOST).headline() for area in range(len(AREA_NAMES)))
    by_limit = [mean_known(column_of(ALL_AREAS, limit).recall_TK) for limit in range(MOST)]
    letters = [name[0] for name in AREA_NAMES[1:]]
    return {
        "ap": of_all["ap"],
        "ap50": of_all["ap50"],
        "ap75": of_all["ap75"],
        **{f"ap_{x}": numbers["ap"] for x, numbers in zip(letters, of_areas, strict=True)},
        **{f"ar{n}": ar for n, ar in zip(MAX_DETECTIONS[:-1], by_limit, strict=True)},
        f"ar{MAX_DETECTIONS[-1]}": of_all["ar100"],
        **{f"ar_{x}": numbers["ar100"] for x, numbers in zip(letters, of_areas, strict=True)},
    }


def mean_known(values: np.ndarray) -> float:
    """The mean of the values with ground truth; -1 where there are none."""
    counted = values[values > -1]
    return float(np.mean(counted)) if counted.size else -1.0
