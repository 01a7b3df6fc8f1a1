"""Differences between trained models: errors over trainings and over videos together.

Shape letters: K seeds, S samples: all videos once, then the half-samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vis_bench.metrics.half_samples import CONFIDENCE, standard_error


@dataclass(frozen=True)
class TrainedDifference:
    """A difference of trained models, for the mean of new trainings and of sets of as many videos.

    Attributes:
        mean: over the seeds.
        seeds_error: standard error of the mean over seeds, on these videos.
        videos_error: standard error over videos, of these trainings.
        degrees_of_freedom: of Student's t, by Welch and Satterthwaite.
        low, high: ends of the 95 % interval.
        p_value: two-sided, of no difference.
    """

    mean: float
    seeds_error: float
    videos_error: float
    degrees_of_freedom: float
    low: float
    high: float
    p_value: float


def trained_difference(samples_KS: np.ndarray, num_videos: int) -> TrainedDifference | None:
    """Mean over seeds, with an interval that covers seeds and videos; None without spread.

    SE^2 = SE_seeds^2 + SE_videos^2: the variance over seeds, divided by their number, and the
    half-samples' variance of the mean over seeds (`half_samples.standard_error`). The interval is
    Student's with Satterthwaite's degrees of freedom (Biometrics Bulletin 2, 1946). What a seed
    changes on single videos counts in both, so that the interval is at least wide enough.

    Args:
        samples_KS: the difference of each seed's models on all videos, then on each half-sample.
    """
    from scipy.special import stdtr, stdtrit

    num_seeds = len(samples_KS)
    videos_error = standard_error(samples_KS[:, 1:].mean(0), num_videos)
    if num_seeds < 2 or videos_error is None:
        return None
    mean = float(samples_KS[:, 0].mean())
    seeds_error = float(samples_KS[:, 0].std(ddof=1)) / math.sqrt(num_seeds)
    error = math.hypot(seeds_error, videos_error)
    freedom = error**4 / (seeds_error**4 / (num_seeds - 1) + videos_error**4 / (num_videos - 1))
    half_width = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * error
    p_value = float(2 * stdtr(freedom, -abs(mean) / error))
    return TrainedDifference(
        mean, seeds_error, videos_error, freedom, mean - half_width, mean + half_width, p_value
    )
