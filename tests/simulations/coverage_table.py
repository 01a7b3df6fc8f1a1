"""`tests/simulations/coverage_table.py [NUM_SETS]` prints the tables of docs/statistics.md: what
intervals cover, how far the difference of two methods varies, and how many times too few videos a
plan names.

New videos in every set, from two unlike models of matches. The target of an interval is the mean AP
of sets of as many videos, from three times as many further sets.
"""

import sys
from dataclasses import dataclass

import numpy as np
from scipy import stats

import clumped_model
import match_model
from markdown_rows import write_row
from vis_bench.metrics.half_samples import count_samples, interval_of, standard_error
from vis_bench.metrics.resample import resample, resampled_ap
from vis_bench.metrics.scores import difference_of

NUM_HALVES = 200
POPULATIONS = {
    "normal effects, 40 categories": None,
    "clumped, 40 categories": clumped_model.LIKE_YOUTUBE_VIS,
    "clumped, 40 with very rare ones": clumped_model.RARE_CATEGORIES,
    "clumped, 25 in crowds": clumped_model.LIKE_OVIS,
    "clumped, 6 categories": clumped_model.FEW_CATEGORIES,
}
SIZES = (8, 24, 60, 120, 302)


@dataclass(frozen=True)
class Coverage:
    """Shares of intervals: that hold the mean AP, AP50 of such sets, and the AP of another set;
    share of tests of equal methods that find a difference; mean standard error / true one.
    """

    ap: float
    ap50: float
    another_set: float
    differs: float
    error_ratio: float


def coverage(population, num_videos, num_sets):
    """Coverage over sets of videos, a seed each."""
    halves = [
        _sampled(population, num_videos, seed, num_halves=NUM_HALVES) for seed in range(num_sets)
    ]
    single = [
        _sampled(population, num_videos, seed, num_halves=0)
        for seed in range(num_sets, 4 * num_sets)
    ]
    others = {
        name: np.array([side[name][0] for pair in single for side in pair])
        for name in ("ap", "ap50")
    }
    sides = [side for pair in halves for side in pair]
    ends = {
        name: np.array([e for side in sides if (e := interval_of(side[name], num_videos))])
        for name in ("ap", "ap50")
    }
    errors = [standard_error(side["ap"][1:], num_videos) or 0.0 for side in sides]
    low, high = ends["ap"].T
    another = np.resize(others["ap"], len(low))
    moved = [difference_of(one["ap"], two["ap"], num_videos) for one, two in halves]
    return Coverage(
        *(_inside(ends[name], others[name].mean()) for name in ("ap", "ap50")),
        float(((low <= another) & (another <= high)).mean()),
        float(np.mean([row.is_noise is False for row in moved])),
        float(np.mean(errors) / others["ap"].std(ddof=1)),
    )


def _inside(ends_R2, value):
    return float(((ends_R2[:, 0] <= value) & (value <= ends_R2[:, 1])).mean())


def planned_too_few(population, num_videos, num_sets, at=302):
    """Videos for 1 AP that the true deviation of `at` videos asks for, by the mean plan's number
    and by its 10th and 90th percentile.
    """
    plans = []
    for seed in range(num_sets):
        one_S, two_S = _aps(population, num_videos, seed, NUM_HALVES)
        plans.append(num_videos * (standard_error((two_S - one_S)[1:], num_videos) or 0.0) ** 2)
    needed = at * deviation(population, at, num_sets, 0.7) ** 2
    return [needed / x for x in (np.mean(plans), *np.percentile(plans, [10, 90]))]


def deviation(population, num_videos, num_sets, shared):
    """Standard deviation of the difference of two equally good methods, over sets of videos.

    Args:
        shared: what the methods have in common, as for the models.
    """
    moved = [
        np.diff(_aps(population, num_videos, seed, 0, shared), axis=0) for seed in range(num_sets)
    ]
    return float(np.std(moved, ddof=1))


def planned(deviation, num_videos):
    """Half-width of a difference's interval, the difference that 80 % of tests at 5 % find, and the
    videos that a difference of 1 needs, as text.
    """
    half_width, power = stats.t.ppf([0.975, 0.8], num_videos - 1)
    needed = num_videos * (stats.norm.ppf([0.975, 0.8]).sum() * deviation) ** 2
    smallest = (half_width + power) * deviation
    return f"±{half_width * deviation:.1f}", f"{smallest:.1f}", f"{float(f'{needed:.1e}'):,.0f}"


def _sampled(population, num_videos, seed, num_halves):
    """AP and AP50 of two methods on all videos of one set, and on its half-samples."""
    counts_SV = count_samples(num_videos, num_halves, seed)
    return [
        resample(matches, counts_SV).numbers() for matches in _pair(population, num_videos, seed)
    ]


def _aps(population, num_videos, seed, num_halves, shared=0.7):
    counts_SV = count_samples(num_videos, num_halves, seed)
    pair = _pair(population, num_videos, seed, shared)
    return [resampled_ap(matches, counts_SV) for matches in pair]


def _pair(population, num_videos, seed, shared=0.7):
    rng = np.random.default_rng([num_videos, seed])
    if population is None:
        return match_model.two_methods(rng, num_videos, 40, shared=shared)
    return clumped_model.methods(rng, num_videos, population, shared=shared)


def main(num_sets):
    """Write the tables as they come."""
    write_row(
        "Model",
        "Videos",
        "Mean AP of such sets",
        "Mean AP50",
        "AP of another set",
        "Equal methods differ",
        "SE / SD",
    )
    write_row(":--", *6 * ["--:"])
    for title, population in POPULATIONS.items():
        for num_videos in SIZES:
            row = coverage(population, num_videos, num_sets)
            shares = (row.ap, row.ap50, row.another_set, row.differs)
            cells = [f"{100 * x:.0f} %" for x in shares]
            write_row(title, str(num_videos), *cells, f"{row.error_ratio:.2f}")
    sys.stdout.write("\n")
    sizes = SIZES[2:]
    titles = (*(f"SD, {n} videos" for n in sizes), "95 %", "Smallest difference", "For 1 AP")
    write_row("Model", "Shared", *titles)
    write_row(":--", *7 * ["--:"])
    for title in ("normal effects, 40 categories", "clumped, 40 categories"):
        for shared in (0.95, 0.85, 0.7):
            population = POPULATIONS[title]
            deviations = [100 * deviation(population, n, num_sets, shared) for n in sizes]
            of_most = planned(deviations[-1], sizes[-1])
            write_row(title, f"{shared:g}", *(f"{x:.1f}" for x in deviations), *of_most)
    sys.stdout.write("\n")
    write_row("Model", "Videos", "Needed / planned", "10th percentile", "90th percentile")
    write_row(":--", *4 * ["--:"])
    for title, population in POPULATIONS.items():
        for num_videos in SIZES[:-1]:
            ratios = planned_too_few(population, num_videos, num_sets)
            write_row(title, str(num_videos), *(f"{ratio:.1f}" for ratio in ratios))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
