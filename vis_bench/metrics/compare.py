"""Compares two methods on the same videos: differences, intervals, p-values, changed videos.

A paired bootstrap over videos: both methods are evaluated on the same resamples, so that what is
hard about a video cancels. Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13
(percentile intervals) and 15.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.data.categories import distinct_names
from vis_bench.errors import InputError
from vis_bench.metrics.analyse import Analysis
from vis_bench.metrics.bootstrap import percentile_interval
from vis_bench.metrics.tracking.evaluate import TRACKING_NUMBERS

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
        """True if the interval holds 0; None where there is no interval."""
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
    `ap75`, `ar100` by category (with its id where names repeat) and area; videos by falling size of
    their change.

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


def compare(first: Analysis, second: Analysis) -> Comparison:
    """Compares two results files of the same annotations, resampled with the same seed.

    Raises:
        InputError: for different annotations, resamples or score thresholds.
    """
    _check_same(first, second)
    tracking = [name for name in first.overall if name in TRACKING_NUMBERS]
    overall = [name for name in first.overall if name not in TRACKING_NUMBERS]
    categories = first.evaluation.matches.categories
    names = distinct_names({category.id: category.name for category in categories})
    return Comparison(
        _differences(first.overall, second.overall, overall),
        _threshold(first),
        _differences(first.overall, second.overall, tracking),
        {
            name: _differences(numbers, second.by_area[name], numbers)
            for name, numbers in first.by_area.items()
        },
        {
            names[category.id]: _differences(
                _of_category(first, k), _of_category(second, k), first.by_category
            )
            for k, category in enumerate(categories)
        },
        _changed_videos(first, second),
        first.num_resamples,
    )


def difference_of(first_B: np.ndarray, second_B: np.ndarray) -> Difference:
    """Difference of a number with its interval and p-value; entry 0 holds the observed values.

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
    first: Mapping[str, np.ndarray],
    second: Mapping[str, np.ndarray],
    names: Iterable[str] | None = None,
) -> dict[str, Difference]:
    """Differences of the named (default: all) numbers."""
    return {
        name: difference_of(first[name], second[name])
        for name in (first if names is None else names)
    }


def _of_category(side: Analysis, category: int) -> dict[str, np.ndarray]:
    return {name: values_SK[:, category] for name, values_SK in side.by_category.items()}


def _changed_videos(first: Analysis, second: Analysis) -> list[ChangedVideo]:
    sides = (side.by_video["ap"].tolist() for side in (first, second))
    videos = [
        ChangedVideo(video.id, video.name, one, two)
        for video, one, two in zip(first.truth.videos, *sides, strict=True)
        if not np.isnan(one) and abs(two - one) > _ROUNDING
    ]
    return sorted(videos, key=lambda video: (-abs(video.difference), video.id))


def _check_same(first: Analysis, second: Analysis) -> None:
    for what, of in (
        ("annotations", _annotated),
        ("numbers of resamples", lambda side: side.num_resamples),
        ("tracking score thresholds", _threshold),
    ):
        if of(first) != of(second):
            raise InputError(
                f"{first.results.name} and {second.results.name} were analysed with different "
                f"{what}; expected the same"
            )


def _threshold(side: Analysis) -> float | None:
    tracking = side.evaluation.tracking
    return None if tracking is None else tracking.score_threshold


def _annotated(side: Analysis) -> object:
    matches = side.evaluation.matches
    objects = [(c.id, c.num_objects_VA.tolist()) for c in matches.categories]
    return [video.id for video in matches.videos], objects
