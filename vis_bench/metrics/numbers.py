"""The official 12 numbers from precision and recall, of videos and of images alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from vis_bench.metrics.matching import AREA_NAMES, IOU_THRESHOLDS
from vis_bench.metrics.precision_recall import MAX_DETECTIONS, Curves

ALL_AREAS = AREA_NAMES.index("all")
_MOST = len(MAX_DETECTIONS) - 1


def mean_of_parts(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each number; -1 where it is -1 in any part."""
    columns = {key: [numbers[key] for numbers in parts] for key in parts[0]}
    return {
        key: -1.0 if min(values) == -1 else sum(values) / len(values)
        for key, values in columns.items()
    }


def summarize(curves: Curves, categories: slice = slice(None)) -> dict[str, float]:
    """The official 12 numbers over some categories; see `Evaluation.summary`."""
    precision = curves.precision_TRKAM[:, :, categories]
    recall = curves.recall_TKAM[:, categories]
    numbers = {
        "ap": _mean(precision[..., ALL_AREAS, _MOST]),
        "ap50": _mean(precision[_at(0.5), ..., ALL_AREAS, _MOST]),
        "ap75": _mean(precision[_at(0.75), ..., ALL_AREAS, _MOST]),
    }
    for a, name in enumerate(AREA_NAMES[1:], 1):
        numbers[f"ap_{name[0]}"] = _mean(precision[..., a, _MOST])
    for m, limit in enumerate(MAX_DETECTIONS):
        numbers[f"ar{limit}"] = _mean(recall[..., ALL_AREAS, m])
    for a, name in enumerate(AREA_NAMES[1:], 1):
        numbers[f"ar_{name[0]}"] = _mean(recall[..., a, _MOST])
    return numbers


def headline(curves: Curves, area: int) -> dict[str, float]:
    """`ap`, `ap50`, `ap75` and `ar100` of one area range or level."""
    precision_TRK = curves.precision_TRKAM[..., area, _MOST]
    return {
        "ap": _mean(precision_TRK),
        "ap50": _mean(precision_TRK[_at(0.5)]),
        "ap75": _mean(precision_TRK[_at(0.75)]),
        "ar100": _mean(curves.recall_TKAM[..., area, _MOST]),
    }


def _at(threshold: float) -> int:
    return int(np.flatnonzero(threshold == IOU_THRESHOLDS)[0])


def _mean(values: np.ndarray) -> float:
    """The mean of the cells with ground truth; -1 where there are none."""
    counted = values[values > -1]
    return float(np.mean(counted)) if counted.size else -1.0
