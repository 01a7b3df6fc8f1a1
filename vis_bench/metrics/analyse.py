"""A results file evaluated on all videos, on half-samples of them, and on each video alone.

Shape letters: S samples, of which the first is all videos once and the others are half-samples;
V videos, K categories that hold an object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.groups import Group
from vis_bench.data.results_file import Results
from vis_bench.errors import InputError
from vis_bench.metrics.ap import BOUNDARY_NUMBERS, Evaluation, evaluate
from vis_bench.metrics.errors import ErrorBreakdown, break_down
from vis_bench.metrics.groups import GroupNumbers, evaluate_groups
from vis_bench.metrics.half_samples import NUM_RESAMPLES, count_samples
from vis_bench.metrics.matching import CategoryMatches
from vis_bench.metrics.resample import resample
from vis_bench.metrics.tracking.evaluate import resample_tracking


@dataclass(frozen=True)
class Analysis:
    """The numbers of one results file, as fractions; NaN where a sample holds nothing to find.

    Attributes:
        evaluation: over all videos.
        overall: by field of a record, (S,) each; with tracking metrics and `boundary_ap`,
            `boundary_ap50`, `boundary_ap75` where asked for.
        by_range: `ap`, `ap50`, `ap75` and `ar100` of small, medium and large objects and of each
            level, (S,) each.
        by_category: the same of each category, (S, K) each.
        by_video: `ap`, and `hota` where asked for, of each video by itself, (V,) each.
        seed: of the half-samples.
        groups: numbers of the groups that were asked for, by name.
    """

    truth: GroundTruth
    results: Results
    evaluation: Evaluation
    overall: Mapping[str, np.ndarray]
    by_range: Mapping[str, Mapping[str, np.ndarray]]
    by_category: Mapping[str, np.ndarray]
    by_video: Mapping[str, np.ndarray]
    seed: int
    groups: Mapping[str, GroupNumbers]

    @property
    def num_videos(self) -> int:
        """V."""
        return len(self.truth.videos)

    @cached_property
    def categories(self) -> Sequence[CategoryMatches]:
        """The categories that hold an object, K."""
        return self.evaluation.matches.with_objects().categories

    @property
    def num_resamples(self) -> int:
        """S - 1."""
        return len(self.overall["ap"]) - 1

    @cached_property
    def errors(self) -> ErrorBreakdown:
        """The AP lost to each kind of error, on the same half-samples."""
        return break_down(self.truth, self.results, self.num_resamples, self.seed)


def analyse(
    truth: GroundTruth,
    results: Results,
    *,
    tracking_threshold: float | None = None,
    boundary: bool = False,
    groups: Sequence[Group] = (),
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
    advance: Callable[[], object] = lambda: None,
) -> Analysis:
    """Evaluates a results file and half-samples of its videos; the same seed draws the same.

    Args:
        tracking_threshold: computes the tracking metrics, of tracks with a higher score.
        boundary: computes AP by masks and boundaries, too.
        groups: of categories or videos, which are evaluated alone, too.
        advance: called after each category.

    Raises:
        InputError: for annotations without videos or categories, and as `evaluate`.
    """
    if num_resamples < 1:
        raise InputError(f"number of resamples is {num_resamples}; expected 1 or more")
    for what, listed in (("videos", truth.videos), ("categories", truth.categories)):
        if not listed:
            raise InputError(f"{truth.name} lists no {what}; expected one or more")
    evaluation = evaluate(truth, results, tracking_threshold=tracking_threshold, boundary=boundary)
    num_videos = len(truth.videos)
    counts_SV = count_samples(num_videos, num_resamples, seed)
    counts_BV = np.concatenate([counts_SV, np.eye(num_videos, dtype=int)])  # each alone, too
    scores = resample(evaluation.matches, counts_BV, advance)
    numbers = scores.numbers()
    if evaluation.tracking is not None:
        numbers |= resample_tracking(evaluation.tracking, counts_BV)
    if evaluation.boundary is not None:
        narrow = resample(evaluation.boundary.matches, counts_BV, num_ranges=1).numbers()
        numbers |= {f"boundary_{name}": narrow[name] for name in BOUNDARY_NUMBERS}
    used = 1 + num_resamples

    def samples_of(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: values_B[:used].copy() for name, values_B in values.items()}

    return Analysis(
        truth,
        results,
        evaluation,
        samples_of(numbers),
        {
            name: samples_of(scores.numbers(area))
            for area, name in enumerate(evaluation.matches.ranges)
            if area
        },
        samples_of(scores.by_category()),
        {name: numbers[name][used:] for name in ("ap", "hota") if name in numbers},
        seed,
        evaluate_groups(evaluation.matches, groups, num_resamples, seed),
    )
