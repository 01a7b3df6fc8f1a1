"""Compares two methods on the same videos: differences, intervals, p-values, changed videos.

Shape letters: V videos, K categories that hold an object.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.categories import distinct_names
from vis_bench.data.results_file import Results
from vis_bench.data.video import named_apart
from vis_bench.errors import InputError
from vis_bench.metrics.ap import Evaluation, evaluate
from vis_bench.metrics.errors import ErrorBreakdown, break_down
from vis_bench.metrics.half_samples import ROUNDING
from vis_bench.metrics.matching import CategoryMatches
from vis_bench.metrics.scores import (
    DEFAULTS,
    Asked,
    Difference,
    Score,
    Scores,
    by_part,
    differences,
    drawn_scores,
    over_all,
)
from vis_bench.metrics.swaps import swap_tests

# Quantiles whose sum is a difference in standard errors: a test at 5 %, found in 80 % of cases.
_POWER_SHARES = (0.975, 0.8)
# Videos that a difference needs, by the number that a plan names (docs/statistics.md).
_PLANNED = (0.5, 3)


@dataclass(frozen=True)
class Analysis:
    """The numbers of one results file, as fractions.

    Attributes:
        evaluation: over all videos.
        scores: see `drawn_scores`.
        by_video: `ap`, and `hota` where asked for, of each video by itself, (V,) each.
    """

    truth: GroundTruth
    results: Results
    evaluation: Evaluation
    scores: Scores
    by_video: Mapping[str, np.ndarray]

    @property
    def num_videos(self) -> int:
        """V."""
        return len(self.truth.videos)

    @cached_property
    def categories(self) -> Sequence[CategoryMatches]:
        """The categories that hold an object, K."""
        return self.evaluation.matches.with_objects().categories

    @property
    def overall(self) -> dict[str, Score]:
        """AP, AR and tracking metrics over all videos."""
        return over_all(self.scores)

    @cached_property
    def errors(self) -> ErrorBreakdown:
        """The AP lost to each kind of error, on the same half-samples."""
        asked = self.evaluation.asked
        return break_down(self.truth, self.results, asked.num_resamples, asked.seed)

    @property
    def lost(self) -> dict[str, Score]:
        """The AP lost to each kind of error."""
        samples = self.errors.samples
        return {
            kind: Score("error", "", kind, self.num_videos, lambda: samples)
            for kind in self.errors.by_kind()
        }


def analyse(
    truth: GroundTruth,
    results: Results,
    asked: Asked = DEFAULTS,
    advance: Callable[[], object] = lambda: None,
) -> Analysis:
    """Evaluate a results file on all videos, on half-samples of them and on each video alone.

    Args:
        advance: called after each category.

    Raises:
        InputError: for annotations without videos or categories, and as `evaluate`.
    """
    if asked.num_resamples < 1:
        raise InputError(f"number of resamples is {asked.num_resamples}; expected 1 or more")
    for what, listed in (("videos", truth.videos), ("categories", truth.categories)):
        if not listed:
            raise InputError(f"{truth.name} lists no {what}; expected one or more")
    truth = truth.counting(asked.max_tracks)
    evaluation = evaluate(truth, results, asked)
    return Analysis(truth, results, evaluation, *drawn_scores(evaluation, advance))


def warnings_of(sides: Iterable[Analysis]) -> list[str]:
    """The warnings about all sides, each once."""
    return list(dict.fromkeys(text for own in sides for text in own.evaluation.warnings))


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
    """Compare two results files of the same annotations, half-sampled with the same seed.

    Raises:
        InputError: for different annotations, resamples or score thresholds.
    """
    _check_same(first, second)
    asked = first.evaluation.asked
    matches = first.evaluation.matches, second.evaluation.matches
    swapped = swap_tests(*matches, asked.num_resamples, asked.seed)
    moved = differences(first.scores, second.scores, swapped)
    names = distinct_names({category.id: category.name for category in first.categories})
    by_category = by_part(moved, "category")
    return Comparison(
        over_all(moved, "overall"),
        asked.tracking_threshold,
        over_all(moved, "tracking"),
        by_part(moved, "area"),
        by_part(moved, "level"),
        {name: by_category[str(key)] for key, name in names.items()},
        _changed_videos(first, second),
        first.num_videos,
        asked.num_resamples,
        by_part(moved, "group"),
    )


def error_differences(first: Analysis, second: Analysis) -> dict[str, Difference]:
    """Differences of the AP that is lost to each kind of error."""
    return {kind: score.minus(first.lost[kind]) for kind, score in second.lost.items()}


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
        ("numbers of resamples", lambda side: side.evaluation.asked.num_resamples),
        ("tracking score thresholds", lambda side: side.evaluation.asked.tracking_threshold),
        ("groups", lambda side: side.evaluation.asked.groups),
        ("limits of tracks", lambda side: side.evaluation.asked.max_tracks),
        ("boundaries", lambda side: side.evaluation.boundary is None),
    ):
        if of(first) != of(second):
            raise InputError(
                f"{first.results.name} and {second.results.name} were analysed with different "
                f"{what}; expected the same"
            )


def _annotated(side: Analysis) -> object:
    objects = [(own.id, own.num_objects_VA.tolist()) for own in side.categories]
    return [video.id for video in side.truth.videos], objects
