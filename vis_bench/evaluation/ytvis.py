"""AP and AR of a results file on YouTube-VIS annotations: bit-equal to the official evaluator.

`evaluate` takes what is in memory, `evaluate_files` reads it; matching and accumulation
(`precision_recall`) are separate, so that a resample of the videos only accumulates again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vis_bench.data.annotations import GroundTruth, read_annotations
from vis_bench.data.results_file import Results, read_results
from vis_bench.evaluation.check_results import check_results
from vis_bench.evaluation.matching import AREA_NAMES, IOU_THRESHOLDS, Matches, match
from vis_bench.evaluation.precision_recall import MAX_DETECTIONS, Curves, accumulate
from vis_bench.json_file import collection_paused

if TYPE_CHECKING:
    from vis_bench.evaluation.tracking.evaluate import TrackingEvaluation

# Name, and the longest video in frames. YouTube-VIS 2019 annotates 6 frames per second and no
# more than 36 frames, so that only later and longer data sets (2021, OVIS) have long videos.
VIDEO_LENGTHS: Mapping[str, float] = {"short": 24, "medium": 36, "long": np.inf}

_ALL = AREA_NAMES.index("all")
_MOST = len(MAX_DETECTIONS) - 1


@dataclass(frozen=True)
class Evaluation:
    """How well a results file does; `warnings` are sentences about what looks like a mistake.

    `tracking`: HOTA, IDF1 and TETA; None where they were not asked for.
    """

    matches: Matches
    curves: Curves
    warnings: Sequence[str]
    tracking: TrackingEvaluation | None = None

    def summary(self) -> dict[str, float]:
        """The official 12 numbers as fractions; -1 where there is no ground truth.

        `ap`, `ap50`, `ap75`; `ap_s`, `ap_m`, `ap_l` by object area (up to 128^2, up to 256^2 and
        above, in pixels); `ar1`, `ar10`, `ar100` with that many detections per video and category;
        `ar_s`, `ar_m`, `ar_l`. A record holds null in place of -1.
        """
        return summarize(self.curves)

    def per_category(self) -> list[dict[str, int | str | float]]:
        """Per category in order of id: `id`, `name` and the same 12 numbers."""
        return [
            {"id": c.id, "name": c.name, **summarize(self.curves, slice(k, k + 1))}
            for k, c in enumerate(self.matches.categories)
        ]

    @cached_property
    def _per_length(self) -> dict[str, dict[str, float]]:
        lengths_V = np.array([video.length for video in self.matches.videos])
        numbers: dict[str, dict[str, float]] = {}
        shortest = -1.0
        for name, longest in VIDEO_LENGTHS.items():
            inside_V = ((lengths_V > shortest) & (lengths_V <= longest)).astype(np.int64)
            curves = accumulate(self.matches, inside_V, areas=[_ALL], limits=[_MOST])
            numbers[name] = {"num_videos": int(inside_V.sum()), **_headline(curves, _ALL)}
            shortest = longest
        return numbers

    def per_length(self) -> dict[str, dict[str, float]]:
        """`num_videos`, `ap`, `ap50`, `ap75` and `ar100` over short, medium and long videos.

        Short is up to 24 frames, medium 25 to 36, long above.
        """
        return self._per_length


def evaluate(
    ground_truth: GroundTruth, results: Results, *, tracking_threshold: float | None = None
) -> Evaluation:
    """Evaluates tracks on annotations.

    Args:
        tracking_threshold: computes the tracking metrics, of tracks with a higher score.

    Raises:
        InputError: for tracks of a video that the annotations do not list, and for tracks that
            can only be a mistake (see `check_results`).
    """
    warnings = [*ground_truth.warnings, *check_results(ground_truth, results)]
    if tracking_threshold is None:
        matches, tracking = match(ground_truth, results), None
    else:
        from vis_bench.evaluation.tracking.evaluate import evaluate_tracking
        from vis_bench.evaluation.tracking.protocol import track_overlaps

        found = track_overlaps(ground_truth, results, tracking_threshold)
        matches = match(ground_truth, results, found)
        tracking = evaluate_tracking(ground_truth, results, tracking_threshold, found)
    return Evaluation(matches, accumulate(matches), warnings, tracking)


def evaluate_files(
    annotations: Path, predictions: Path, *, tracking_threshold: float | None = None
) -> Evaluation:
    """Reads, checks and evaluates a results file; `tracking_threshold` as `evaluate`.

    Raises:
        InputError: as `read_annotations`, `read_results` and `evaluate`.
    """
    with collection_paused():
        return evaluate(
            read_annotations(annotations),
            read_results(predictions),
            tracking_threshold=tracking_threshold,
        )


def summarize(curves: Curves, categories: slice = slice(None)) -> dict[str, float]:
    """The official 12 numbers over some categories; see `Evaluation.summary`."""
    precision = curves.precision_TRKAM[:, :, categories]
    recall = curves.recall_TKAM[:, categories]
    numbers = {
        "ap": _mean(precision[..., _ALL, _MOST]),
        "ap50": _mean(precision[_at(0.5), ..., _ALL, _MOST]),
        "ap75": _mean(precision[_at(0.75), ..., _ALL, _MOST]),
    }
    for a, name in enumerate(AREA_NAMES[1:], 1):
        numbers[f"ap_{name[0]}"] = _mean(precision[..., a, _MOST])
    for m, limit in enumerate(MAX_DETECTIONS):
        numbers[f"ar{limit}"] = _mean(recall[..., _ALL, m])
    for a, name in enumerate(AREA_NAMES[1:], 1):
        numbers[f"ar_{name[0]}"] = _mean(recall[..., a, _MOST])
    return numbers


def _headline(curves: Curves, area: int) -> dict[str, float]:
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
