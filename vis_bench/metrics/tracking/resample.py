"""The tracking metrics of many resamples of the videos at once.

Everything that HOTA, IDF1 and TETA need is a sum over videos, so that a resample, in which each
video counts some number of times, only weighs these sums: one matrix product for all resamples.

Shape letters: B resamples, V videos, F fields of counts, A thresholds of IoU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TypeVar

import numpy as np

from vis_bench.metrics.bootstrap import mean_over_categories
from vis_bench.metrics.tracking.evaluate import Counts, TrackingEvaluation
from vis_bench.metrics.tracking.hota import HotaCounts
from vis_bench.metrics.tracking.identity import IdentityCounts
from vis_bench.metrics.tracking.teta import TetaCounts

CountsT = TypeVar("CountsT", HotaCounts, TetaCounts)

HOTA_NUMBERS = ("hota", "deta", "assa", "loca")
TRACKING_NUMBERS = (*HOTA_NUMBERS, "idf1", "teta")


def resample_tracking(
    evaluation: TrackingEvaluation, counts_BV: np.ndarray
) -> dict[str, np.ndarray]:
    """The headline numbers of each resample, as `TrackingEvaluation.headline` has them.

    They are those of a data set that holds every video as often as it was drawn; a category whose
    objects are all in videos that were not drawn does not take part in TETA's mean.

    Args:
        evaluation: of one results file, on at least one video.
        counts_BV: how many times each of its videos counts; see `bootstrap.draw_videos`. A row of
            ones gives the numbers of the evaluation itself, up to the order of summation.

    Returns:
        `hota`, `deta`, `assa`, `loca`, `idf1` over all detections and `teta` averaged over the
        categories, as fractions, (B,) each; NaN where the drawn videos hold no annotated mask.
    """
    weights_BV = counts_BV.astype(np.float64)
    per_video = [Counts.total(video.sequences.values()) for video in evaluation.videos]
    hota = _drawn([counts.hota for counts in per_video], weights_BV)
    curves = hota.curves()
    numbers = {name: curves[name].mean(1) for name in HOTA_NUMBERS}
    numbers["idf1"] = _idf1_B([counts.identity for counts in per_video], counts_BV)
    numbers["teta"] = _teta_B(evaluation, weights_BV)
    nothing_B = np.isnan(numbers["teta"])
    return {name: np.where(nothing_B, np.nan, values_B) for name, values_B in numbers.items()}


def _drawn(videos: Sequence[CountsT], weights_BV: np.ndarray) -> CountsT:
    """The counts of each resample, (B, A) in each field."""
    kind = type(videos[0])
    names = [field.name for field in fields(kind)]
    return kind(*(weights_BV @ np.stack([getattr(v, name) for v in videos]) for name in names))


def _idf1_B(videos: Sequence[IdentityCounts], counts_BV: np.ndarray) -> np.ndarray:
    counts_VF = np.array([[v.idtp, v.idfn, v.idfp] for v in videos])
    drawn_BF = (counts_BV @ counts_VF).tolist()
    return np.array([IdentityCounts(*drawn_F).ratios()["idf1"] for drawn_F in drawn_BF])


def _teta_B(evaluation: TrackingEvaluation, weights_BV: np.ndarray) -> np.ndarray:
    """TETA averaged over the categories that have an annotated mask among the drawn videos."""
    columns = [
        _teta_of_category_B([video.teta[key] for video in evaluation.videos], weights_BV)
        for key in sorted(evaluation.annotated)
    ]
    if not columns:
        return np.full(len(weights_BV), np.nan)
    return mean_over_categories(np.stack(columns, 1))


def _teta_of_category_B(videos: Sequence[TetaCounts], weights_BV: np.ndarray) -> np.ndarray:
    """TETA of one category, (B,); NaN where no drawn video has a mask of it."""
    drawn = _drawn(videos, weights_BV)
    # Every mask is either paired or missed.
    annotated_B = (drawn.loc_tp_A + drawn.loc_fn_A)[:, 0] > 0
    return np.where(annotated_B, drawn.curves()["teta"].mean(1), np.nan)
