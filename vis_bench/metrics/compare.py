"""Compares two methods on the same videos: differences, intervals, p-values, changed videos.

Both methods are evaluated on the same half-samples of the videos (`half_samples`), so that what is
hard about a video cancels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vis_bench.data.categories import distinct_names
from vis_bench.data.video import named_apart
from vis_bench.errors import InputError
from vis_bench.metrics.analyse import Analysis
from vis_bench.metrics.errors import ErrorBreakdown
from vis_bench.metrics.groups import WITH_INTERVAL, GroupNumbers
from vis_bench.metrics.half_samples import ROUNDING, interval_of, p_value_of, standard_error
from vis_bench.metrics.holm import adjusted
from vis_bench.metrics.matching import AREA_NAMES
from vis_bench.metrics.swaps import SwapTests, swap_tests
from vis_bench.metrics.tracking.evaluate import TRACKING_NUMBERS

# Quantiles whose sum is a difference in standard errors: a test at 5 %, found in 80 % of cases.
_POWER_SHARES = (0.975, 0.8)
# Videos that a difference needs, by the number that a plan names (docs/statistics.md).
_PLANNED = (0.5, 3)


@dataclass(frozen=True)
class Difference:
    """One number of both methods, as fractions; `difference` is second minus first.

    `low`, `high`: the 95 % interval of the difference, from its `standard_error`. `p_value`:
    two-sided, of no difference; `adjusted_p_value`: by Holm's correction over the rows of its
    table. They are None where the difference does not vary or too few videos hold an object, and
    all are where none does.
    """

    first: float | None
    second: float | None
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    standard_error: float | None = None
    adjusted_p_value: float | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends; None where there are none."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def is_noise(self) -> bool | None:
        """True if the interval holds 0; None where there is no interval."""
        if self.low is None or self.high is None:
            return None
        return self.low <= ROUNDING and self.high >= -ROUNDING


@dataclass(frozen=True)
class Power:
    """Power of the paired test of a difference in AP at 5 %, as fractions.

    Attributes:
        standard_deviation: of the difference, over sets of as many videos.
        smallest_difference: that this many videos show with 80 % power.
        num_videos_for_one_point: that show a difference of 1 AP with 80 % power, if the standard
            deviation falls with the square root of their number.
        fewest_videos_for_one_point, most_videos_for_one_point: the range of that number, since
            the deviation is measured on few videos and falls more or less slowly.
    """

    num_videos: int
    standard_deviation: float
    smallest_difference: float
    num_videos_for_one_point: int
    fewest_videos_for_one_point: int
    most_videos_for_one_point: int


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
    """Differences of `ap`, `ap50`, `ap75`, `ar1`, `ar10`, `ar100`, and of `boundary_ap`,
    `boundary_ap50`, `boundary_ap75` where they were evaluated, over all, by t test, and of `ap`,
    `ap50`, `ap75`, `ar100` by category that holds an object (with its id where names repeat), area
    and level, by swap test; videos by falling size of their change. P-values by area and level are
    adjusted together. `by_group`: of `ap`, `ap50`, `ap75`, `ar1`, `ar10`, `ar100` by group, by t
    test with Holm's correction over the groups; empty where none were asked for.

    `tracking` holds those of `hota`, `deta`, `assa`, `loca`, `idf1`, `teta`, of tracks with a score
    above `tracking_score_threshold`; empty where the tracking metrics were not given.
    """

    overall: Mapping[str, Difference]
    tracking_score_threshold: float | None
    tracking: Mapping[str, Difference]
    by_area: Mapping[str, Mapping[str, Difference]]
    by_level: Mapping[str, Mapping[str, Difference]]
    by_category: Mapping[str, Mapping[str, Difference]]
    videos: Sequence[ChangedVideo]
    num_videos: int
    num_resamples: int
    by_group: Mapping[str, Mapping[str, Difference]] = field(default_factory=dict)

    def power(self) -> Power | None:
        """The power of the test of AP; None where the difference has no standard error."""
        from scipy.special import ndtri, stdtrit

        error = self.overall["ap"].standard_error
        if error is None:
            return None
        in_errors = sum(float(stdtrit(self.num_videos - 1, share)) for share in _POWER_SHARES)
        many = self.num_videos * (sum(map(float, ndtri(_POWER_SHARES))) * error / 0.01) ** 2
        fewest, some, most = (math.ceil(share * many) for share in (_PLANNED[0], 1, _PLANNED[1]))
        return Power(self.num_videos, error, in_errors * error, some, fewest, most)


def compare(first: Analysis, second: Analysis) -> Comparison:
    """Compares two results files of the same annotations, half-sampled with the same seed.

    Raises:
        InputError: for different annotations, resamples or score thresholds.
    """
    _check_same(first, second)

    def differences(
        one: Mapping[str, np.ndarray], two: Mapping[str, np.ndarray], names: Iterable[str]
    ) -> dict[str, Difference]:
        return {name: difference_of(one[name], two[name], first.num_videos) for name in names}

    tracking = [name for name in first.overall if name in TRACKING_NUMBERS]
    overall = [name for name in first.overall if name not in TRACKING_NUMBERS]
    names = distinct_names({category.id: category.name for category in first.categories})
    swaps = swap_tests(
        first.evaluation.matches, second.evaluation.matches, first.num_resamples, first.seed
    )
    by_range = _parts(first.by_range, second.by_range, first.num_videos, swaps.by_range)
    return Comparison(
        differences(first.overall, second.overall, overall),
        _threshold(first),
        differences(first.overall, second.overall, tracking),
        {name: rows for name, rows in by_range.items() if name in AREA_NAMES},
        {name: rows for name, rows in by_range.items() if name not in AREA_NAMES},
        _parts(
            {names[key]: numbers for key, numbers in _categories(first).items()},
            {names[key]: numbers for key, numbers in _categories(second).items()},
            first.num_videos,
            {names[key]: tests for key, tests in swaps.by_category.items()},
        ),
        _changed_videos(first, second),
        first.num_videos,
        first.num_resamples,
        _by_group(first.groups, second.groups),
    )


def difference_of(
    first_S: np.ndarray, second_S: np.ndarray, num_videos: int, num_holding: int | None = None
) -> Difference:
    """Difference of a number with its interval and p-value, from values on the same samples.

    Args:
        num_holding: as for `interval_of`.
    """
    if np.isnan(first_S[0]) or np.isnan(second_S[0]):
        return Difference(None, None, None, None, None, None)
    moved_S = second_S - first_S
    moved = float(moved_S[0])
    observed = float(first_S[0]), float(second_S[0]), moved
    ends = interval_of(moved_S, num_videos, -1.0, num_holding)
    error = standard_error(moved_S[1:], num_videos)
    if ends is None or error is None:
        return Difference(*observed, None, None, None)
    return Difference(*observed, *ends, p_value_of(moved, error, num_holding or num_videos), error)


def error_differences(
    first: ErrorBreakdown, second: ErrorBreakdown, num_videos: int
) -> dict[str, Difference]:
    """Differences of the AP that is lost to each kind of error."""
    return {
        kind: difference_of(first.samples[kind], second.samples[kind], num_videos)
        for kind in first.by_kind()
    }


def _parts(
    first: Mapping[str, Mapping[str, np.ndarray]],
    second: Mapping[str, Mapping[str, np.ndarray]],
    num_videos: int,
    tests: Mapping[str, SwapTests],
) -> dict[str, dict[str, Difference]]:
    """Differences of each part's numbers, with p-values adjusted over the parts."""
    found: dict[str, dict[str, Difference]] = {part: {} for part in first}
    for name in next(iter(first.values()), {}):
        rows = {
            part: difference_of(
                first[part][name], second[part][name], num_videos, tests[part].num_holding
            )
            for part in first
        }
        p_values = {p: tests[p].p_values[name] for p, row in rows.items() if row.low is not None}
        over_parts = adjusted(p_values)
        for part, row in rows.items():
            found[part][name] = replace(
                row, p_value=p_values.get(part), adjusted_p_value=over_parts.get(part)
            )
    return found


def _by_group(
    first: Mapping[str, GroupNumbers], second: Mapping[str, GroupNumbers]
) -> dict[str, dict[str, Difference]]:
    """Differences of each group's numbers, with p-values adjusted over the groups."""
    rows: dict[str, dict[str, Difference]] = {name: {} for name in first}
    for key in WITH_INTERVAL:
        moved = {
            name: difference_of(
                own.samples[key], second[name].samples[key], own.num_videos, own.num_holding
            )
            for name, own in first.items()
        }
        over_groups = adjusted({name: row.p_value for name, row in moved.items()})
        for name, row in moved.items():
            rows[name][key] = replace(row, adjusted_p_value=over_groups[name])
    return rows


def _categories(side: Analysis) -> dict[int, dict[str, np.ndarray]]:
    """The numbers of each category, (S,) each, by its id."""
    return {
        category.id: {name: values_SK[:, k] for name, values_SK in side.by_category.items()}
        for k, category in enumerate(side.categories)
    }


def _changed_videos(first: Analysis, second: Analysis) -> list[ChangedVideo]:
    sides = (side.by_video["ap"].tolist() for side in (first, second))
    videos = [
        ChangedVideo(video.id, video.name, one, two)
        for video, one, two in zip(named_apart(first.truth.videos), *sides, strict=True)
        if not np.isnan(one) and abs(two - one) > ROUNDING
    ]
    return sorted(videos, key=lambda video: (-abs(video.difference), video.id))


def _check_same(first: Analysis, second: Analysis) -> None:
    for what, of in (
        ("annotations", _annotated),
        ("numbers of resamples", lambda side: side.num_resamples),
        ("tracking score thresholds", _threshold),
        ("groups", lambda side: [own.group for own in side.groups.values()]),
        ("boundaries", lambda side: side.evaluation.boundary is None),
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
    objects = [(own.id, own.num_objects_VA.tolist()) for own in side.categories]
    return [video.id for video in side.truth.videos], objects
