"""One subject evaluated, and its numbers on resamples of the videos.

Shape letters: S samples, of which the first is all videos once and the others are resamples;
V videos, K categories.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.metrics.bootstrap import draw_videos, percentile_interval, resample
from vis_bench.metrics.error_breakdown import ErrorBreakdown, break_down
from vis_bench.metrics.tracking.resample import resample_tracking
from vis_bench.metrics.ytvis import Evaluation, evaluate


@dataclass(frozen=True)
class Interval:
    """A number as a fraction, and its 95 % interval; None where there is nothing to measure."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Samples:
    """One subject's numbers, as fractions; NaN where a sample holds no object that counts.

    Attributes:
        evaluation: over all videos.
        errors: where its AP is lost.
        overall: by field of a record, (S,) each.
        by_category: `ap`, `ap50`, `ap75` and `ar100`, (S, K) each.
        by_video: `ap` and `hota` of each video by itself, (V,) each.
    """

    evaluation: Evaluation
    errors: ErrorBreakdown
    overall: Mapping[str, np.ndarray]
    by_category: Mapping[str, np.ndarray]
    by_video: Mapping[str, np.ndarray]


def take_samples(
    truth: GroundTruth,
    results: Results,
    *,
    tracking_threshold: float,
    num_resamples: int,
    seed: int,
    advance: Callable[[], object] = lambda: None,
) -> Samples:
    """Evaluates a results file and resamples its videos; the same seed draws the same videos.

    Args:
        tracking_threshold: tracks with a higher score take part in the tracking metrics.
        advance: called after each category.

    Raises:
        InputError: as `evaluate`.
    """
    evaluation = evaluate(truth, results, tracking_threshold=tracking_threshold)
    num_videos = len(truth.videos)
    every_V, alone_VV = np.ones((1, num_videos), int), np.eye(num_videos, dtype=int)
    counts_BV = np.concatenate([every_V, draw_videos(num_videos, num_resamples, seed), alone_VV])
    scores = resample(evaluation.matches, counts_BV, advance)
    assert evaluation.tracking is not None, "asked for above"
    tracked = resample_tracking(evaluation.tracking, counts_BV)
    numbers = {**scores.numbers(), **tracked}
    used = 1 + num_resamples
    return Samples(
        evaluation,
        break_down(truth, results),
        {name: values_B[:used] for name, values_B in numbers.items()},
        {name: values_BK[:used] for name, values_BK in scores.by_category().items()},
        {name: numbers[name][used:] for name in ("ap", "hota")},
    )


def interval_of(values_S: np.ndarray) -> Interval:
    """The first sample's number, and the percentile interval of the others."""
    if np.isnan(values_S[0]):
        return Interval(None)
    low, high = percentile_interval(values_S[1:]) or (None, None)
    return Interval(float(values_S[0]), low, high)


def same_numbers(samples: Sequence[Samples]) -> list[str]:
    """The fields that every subject has, in order."""
    return [name for name in samples[0].overall if all(name in s.overall for s in samples)]
