"""Compares two methods on the same videos: differences, intervals, p-values, changed videos.

A paired bootstrap over videos: both methods are evaluated on the same resamples, so that what is
hard about a video cancels. Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13
(percentile intervals) and 15.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.errors import InputError
from vis_bench.metrics.bootstrap import (
    NUM_RESAMPLES,
    ResampledScores,
    draw_videos,
    percentile_interval,
    resample,
)
from vis_bench.metrics.matching import AREA_NAMES, Matches
from vis_bench.metrics.tracking.evaluate import TrackingEvaluation
from vis_bench.metrics.tracking.resample import resample_tracking

# Equal up to summation order counts as equal.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Difference:
    """One number of both methods, as fractions; `difference` is second minus first.

    `low`, `high`: the 95 % interval of the difference. `p_value`: two-sided, of no difference. All
    are None where the videos hold no object that counts.
    """

    first: float | None
    second: float | None
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None

    @property
    def is_noise(self) -> bool | None:
        """Whether the interval holds 0; None where there is no interval."""
        if self.low is None or self.high is None:
            return None
        return self.low <= _ROUNDING and self.high >= -_ROUNDING


@dataclass(frozen=True)
class ChangedVideo:
    """The AP of both methods on one video alone, as fractions."""

    id: int
    name: str
    first: float
    second: float

    @property
    def difference(self) -> float:
        """Second minus first."""
        return self.second - self.first


@dataclass(frozen=True)
class Comparison:
    """Differences of `ap`, `ap50`, `ap75`, `ar1`, `ar10`, `ar100` over all, and of `ap`, `ap50`,
    `ap75`, `ar100` by category and area; videos by falling size of their change.

    `tracking` holds those of `hota`, `deta`, `assa`, `loca`, `idf1`, `teta`, of tracks with a score
    above `tracking_score_threshold`; empty where the tracking metrics were not given.
    """

    overall: Mapping[str, Difference]
    tracking_score_threshold: float | None
    tracking: Mapping[str, Difference]
    by_area: Mapping[str, Mapping[str, Difference]]
    by_category: Mapping[str, Mapping[str, Difference]]
    videos: Sequence[ChangedVideo]
    num_resamples: int


def compare(
    first: Matches,
    second: Matches,
    *,
    tracking: tuple[TrackingEvaluation, TrackingEvaluation] | None = None,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
    advance: Callable[[], object] = lambda: None,
) -> Comparison:
    """Compares two results files by their matches with the same annotations.

    Args:
        tracking: the tracking metrics of both; drawn in the same resamples as AP.
        num_resamples: of the videos, at least 1.
        seed: of the resamples; the same seed gives the same intervals.
        advance: called once per category and file.

    Raises:
        InputError: for matches or tracking metrics with different annotations, tracking metrics at
            different score thresholds, no video or category, or no resample.
    """
    if num_resamples < 1:
        raise InputError(
            f"number of resamples is {num_resamples}; expected a whole number from 1 up"
        )
    _check_same(first, second)
    for what, those in (("videos", first.videos), ("categories", first.categories)):
        if not those:
            raise InputError(f"the annotations list no {what}; expected some to compare on")
    if tracking is not None:
        _check_same_tracking(first, tracking)
    num_videos = len(first.videos)
    drawn_BV = draw_videos(num_videos, num_resamples, seed)
    # The observed numbers, then the resamples, then every video alone.
    every_V, alone_VV = np.ones((1, num_videos), int), np.eye(num_videos, dtype=int)
    counts_BV = np.concatenate([every_V, drawn_BV, alone_VV])
    one, two = (resample(matches, counts_BV, advance) for matches in (first, second))
    used = slice(0, 1 + num_resamples)
    return Comparison(
        _differences(one.numbers(), two.numbers(), used),
        None if tracking is None else tracking[0].score_threshold,
        {} if tracking is None else _tracking_differences(tracking, counts_BV[used]),
        {
            name: _differences(one.numbers(area), two.numbers(area), used)
            for area, name in enumerate(AREA_NAMES)
            if name != "all"
        },
        {
            category.name: _differences(_of_category(one, k), _of_category(two, k), used)
            for k, category in enumerate(first.categories)
        },
        _changed_videos(first, one, two, 1 + num_resamples),
        num_resamples,
    )


def difference_of(first_B: np.ndarray, second_B: np.ndarray) -> Difference:
    """What resamples say about a difference; entry 0 holds the observed values.

    The p-value is twice the smaller share of resampled differences on either side of 0, counting
    the observed sample as one more.
    """
    if np.isnan(first_B[0]) or np.isnan(second_B[0]):
        return Difference(None, None, None, None, None, None)
    moved_B = second_B - first_B
    drawn_B = moved_B[1:][~np.isnan(moved_B[1:])]
    observed = float(first_B[0]), float(second_B[0]), float(moved_B[0])
    interval = percentile_interval(drawn_B)
    if interval is None:
        return Difference(*observed, None, None, None)
    beyond = min((drawn_B <= _ROUNDING).sum(), (drawn_B >= -_ROUNDING).sum())
    p_value = min(1.0, 2 * (beyond + 1) / (drawn_B.size + 1))
    return Difference(*observed, *interval, float(p_value))


def _differences(
    first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray], used: slice
) -> dict[str, Difference]:
    return {name: difference_of(first[name][used], second[name][used]) for name in first}


def _tracking_differences(
    tracking: tuple[TrackingEvaluation, TrackingEvaluation], counts_BV: np.ndarray
) -> dict[str, Difference]:
    one, two = (resample_tracking(side, counts_BV) for side in tracking)
    return _differences(one, two, slice(None))


def _of_category(scores: ResampledScores, category: int) -> dict[str, np.ndarray]:
    return {name: values_BK[:, category] for name, values_BK in scores.by_category().items()}


def _changed_videos(
    matches: Matches, first: ResampledScores, second: ResampledScores, start: int
) -> list[ChangedVideo]:
    first_V, second_V = (scores.numbers()["ap"][start:] for scores in (first, second))
    videos = [
        ChangedVideo(video.id, video.name, float(one), float(two))
        for video, one, two in zip(matches.videos, first_V, second_V, strict=True)
        if not np.isnan(one) and abs(two - one) > _ROUNDING
    ]
    return sorted(videos, key=lambda video: (-abs(video.difference), video.id))


def _check_same(first: Matches, second: Matches) -> None:
    if _annotated(first) != _annotated(second):
        raise InputError(
            "the two results were matched with different annotations; expected the same"
        )


def _check_same_tracking(
    matches: Matches, tracking: tuple[TrackingEvaluation, TrackingEvaluation]
) -> None:
    """The videos and annotated categories of both, and those of the matches, are the same."""
    one, two = tracking
    if one.score_threshold != two.score_threshold:
        raise InputError(
            f"the tracking metrics have the score thresholds {one.score_threshold} and "
            f"{two.score_threshold}; expected the same"
        )
    videos = [video.id for video in matches.videos]
    if one.annotated != two.annotated or any(
        [video.id for video in side.videos] != videos for side in tracking
    ):
        raise InputError(
            "the tracking metrics were computed with different annotations; expected the same"
        )


def _annotated(matches: Matches) -> tuple[list[int], list[tuple[int, list]]]:
    objects = [(c.id, c.num_objects_VA.tolist()) for c in matches.categories]
    return [video.id for video in matches.videos], objects
