"""Intervals and tests by half-samples of the videos: the delete-half jackknife.

Half of the videos, drawn without replacement many times, vary as new sets of videos would (Shao and
Wu, Annals of Statistics 17, 1989; half-samples: McCarthy, 1969). Their standard deviation gives a
standard error; intervals and tests are Student's. A bootstrap counts drawn videos twice, which
raises AP, and keeps rare categories too often; docs/statistics.md has the coverage of both.

Shape letters: B half-samples, S samples: all videos once, then the half-samples; V videos, K seeds
of trained models.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from vis_bench.metrics.matching import Matches
from vis_bench.metrics.resample import resampled_ap

CONFIDENCE = 0.95
NUM_RESAMPLES = 1000

FEWEST_VIDEOS = 3  # halves of fewer tell nothing about other videos

# Numbers that differ by less are equal up to summation order.
ROUNDING = 1e-12


def draw_half_samples(num_videos: int, num_resamples: int, seed: int) -> np.ndarray:
    """Draw half of the videos, rounded down, without replacement: 1 for each of them, (B, V)."""
    half_V = (np.arange(num_videos) < num_videos // 2).astype(np.int8)
    generator = np.random.default_rng(seed)
    return generator.permuted(np.tile(half_V, (num_resamples, 1)), axis=1)


def count_samples(num_videos: int, num_resamples: int, seed: int) -> np.ndarray:
    """Weights of the videos in all videos and in each half-sample, (S, V)."""
    halves_BV = draw_half_samples(num_videos, num_resamples, seed)
    return np.concatenate([np.ones((1, num_videos), np.int8), halves_BV])


def standard_error(values_B: np.ndarray, num_videos: int) -> float | None:
    """Standard error of a number over all videos, from its values on half-samples.

    None without spread and of fewer than `FEWEST_VIDEOS`; halves that hold nothing are NaN.
    """
    known_B = values_B[~np.isnan(values_B)]
    if num_videos < FEWEST_VIDEOS or known_B.size < 2:
        return None
    half = num_videos // 2
    error = math.sqrt(half / (num_videos - half)) * float(known_B.std(ddof=1))
    return error if error > ROUNDING else None


def interval_of(
    values_S: np.ndarray,
    num_videos: int,
    least: float = 0.0,
    num_holding: int | None = None,
    most: float = 1.0,
) -> tuple[float, float] | None:
    """Low and high end of the 95 % interval, within `least` and `most`; None without one.

    Args:
        least, most: of a fraction 0 and 1, of differences -1 and 1.
        num_holding: videos that hold an object of the category or area, of which there must be
            `FEWEST_VIDEOS` too, and which give the degrees of freedom; all videos unless given.
    """
    error = standard_error(values_S[1:], num_videos)
    num_holding = num_videos if num_holding is None else num_holding
    if error is None or math.isnan(values_S[0]) or num_holding < FEWEST_VIDEOS:
        return None
    half_width = central_quantile(num_holding - 1) * error
    low, high = (float(values_S[0]) + sign * half_width for sign in (-1, 1))
    return max(least, low), min(most, high)


@cache
def central_quantile(freedom: int, share: float = CONFIDENCE) -> float:
    """The value between which and its negative Student's t lies with probability `share`.

    Newton's method on the closed form for a whole number of degrees of freedom (Abramowitz and
    Stegun, 26.7.3 and 26.7.4). `scipy.special` takes longer to import than `eval` to match.
    """
    peak = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2))
    peak /= math.sqrt(freedom * math.pi)
    before, t = 0.0, share / (2 * peak)
    while t > before * (1 + 1e-15):  # rises to the solution, since the form is concave
        density = peak * (1 + t * t / freedom) ** (-(freedom + 1) / 2)
        before, t = t, t + (share - _within(t, freedom)) / (2 * density)
    return t


def _within(t: float, freedom: int) -> float:
    """Probability that Student's t lies between -t and t."""
    is_odd, angle = freedom % 2, math.atan(t / math.sqrt(freedom))
    cosine = math.cos(angle)
    term = total = (0.0 if freedom == 1 else cosine) if is_odd else 1.0
    for i in range(2 + is_odd, freedom, 2):
        term *= (i - 1) / i * cosine**2
        total += term
    total *= math.sin(angle)
    return 2 / math.pi * (angle + total) if is_odd else total


def p_value_of(value: float, error: float, num_videos: int) -> float:
    """Two-sided p-value of the t test that a number is 0."""
    from scipy.special import stdtr

    return float(2 * stdtr(num_videos - 1, -abs(value) / error))


def ap_samples(
    matches: Matches,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
    *,
    level: str | None = None,
    inside_V: np.ndarray | None = None,
) -> np.ndarray:
    """AP of all videos and of each half-sample, (S,).

    Args:
        seed: of the half-samples; the same seed draws the same videos.
        level: counts its objects alone, one of `matches.levels`.
        inside_V: 1 for the videos that count, 0 for others; halves are drawn from all.
    """
    num_videos = len(matches.videos)
    counts_SV = count_samples(num_videos, num_resamples, seed)
    if inside_V is not None:
        counts_SV *= inside_V
    area = 0 if level is None else matches.ranges.index(level)
    return resampled_ap(matches, counts_SV, area)


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
    half-samples' variance of the mean over seeds (`standard_error`). The interval is
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
