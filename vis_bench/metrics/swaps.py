"""Swap test of two methods: the results of each video are exchanged at random.

If the methods are equally good, exchanging their results in some videos changes nothing about the
distribution of the difference, so that the observed one has a random place among all of them
(permutation test; Pitman, Supplement to the Journal of the Royal Statistical Society 4, 1937). It
is exact for any number of videos, which the t test of half-samples is not for a category that few
videos hold.

An exchange is a resample of twice the videos: the first method's, then the second's. Shape letters:
B swaps, of which the first exchanges nothing; V videos, K categories that hold an object.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vis_bench.metrics.half_samples import FEWEST_VIDEOS, ROUNDING
from vis_bench.metrics.matching import CategoryMatches, Matches, num_holding
from vis_bench.metrics.resample import resample
from vis_bench.metrics.scores import Key, range_kind


def swap_tests(
    first: Matches, second: Matches, num_swaps: int, seed: int
) -> dict[Key, float | None]:
    """Two-sided p-values of no difference in `ap`, `ap50`, `ap75` and `ar100`, by the keys of the
    scores of area ranges, levels and categories; None where fewer than `FEWEST_VIDEOS` hold one of
    the part's objects.

    Args:
        first, second: of the same annotations.
        num_swaps: random exchanges; p-values are multiples of 1 / (num_swaps + 1).
        seed: of the exchanges.
    """
    swaps_BV = np.random.default_rng(seed).integers(0, 2, (1 + num_swaps, len(first.videos)))
    swaps_BV[0] = 0
    counts_BV = np.concatenate([1 - swaps_BV, swaps_BV], 1)
    first, second = first.with_objects(), second.with_objects()
    both = _both(first, second)
    one, two = resample(both, counts_BV), resample(both, 1 - counts_BV)
    found: dict[Key, float | None] = {}
    for area, name in enumerate(first.ranges):
        if area:
            held = num_holding(first.categories, area)
            second_numbers = two.numbers(area)
            for metric, values_B in one.numbers(area).items():
                moved_B = second_numbers[metric] - values_B
                found[range_kind(name), name, metric] = _p_value(moved_B, held)
    second_numbers = two.by_category()
    for metric, values_BK in one.by_category().items():
        for k, category in enumerate(first.categories):
            moved_B = second_numbers[metric][:, k] - values_BK[:, k]
            found["category", str(category.id), metric] = _p_value(moved_B, num_holding([category]))
    return found


def _p_value(moved_B: np.ndarray, num_holding: int) -> float | None:
    if num_holding < FEWEST_VIDEOS:
        return None
    return float((abs(moved_B) >= abs(moved_B[0]) - ROUNDING).mean())


def _both(first: Matches, second: Matches) -> Matches:
    """The detections of both methods, the second's in videos of their own."""
    return replace(
        first,
        videos=[*first.videos, *second.videos],
        categories=[
            _category(one, two, len(first.videos))
            for one, two in zip(first.categories, second.categories, strict=True)
        ],
        parts={name: np.tile(inside_V, 2) for name, inside_V in first.parts.items()},
    )


def _category(first: CategoryMatches, second: CategoryMatches, num_videos: int) -> CategoryMatches:
    """One category of both, in the order of accumulation that either side has by itself."""
    scores_n = np.concatenate([first.score_n, second.score_n])
    videos_n = np.concatenate([first.video_n, second.video_n])
    ranks_n = np.concatenate([first.rank_n, second.rank_n])
    order = np.lexsort((ranks_n, videos_n, -scores_n))
    videos_n[len(first.video_n) :] += num_videos
    return CategoryMatches(
        first.id,
        first.name,
        videos_n[order],
        ranks_n[order],
        scores_n[order],
        np.concatenate([first.hits_ATn, second.hits_ATn], -1)[..., order],
        np.concatenate([first.misses_ATn, second.misses_ATn], -1)[..., order],
        np.tile(first.num_objects_VA, (2, 1)),
    )
