"""`tests/simulations/gate_errors.py [NUM_SETS]` prints the tables of docs/gate.md about AP: how
often the tolerance and the paired interval alarm, and how often they find a loss.

Simulated: new videos in every set, of 6 categories (`clumped_model`), and two methods that share a
part of each random number; the second is as good as the first, or has lost about 1 AP. Shipped:
scores of shipped predictions with noise, as from another arithmetic, and pairs of shipped
trainings that differ by their seed alone.
"""

import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np

import clumped_model
from markdown_rows import percent, write_row
from vis_bench.measures.comparison import POINTS
from vis_bench.metrics.half_samples import count_samples
from vis_bench.metrics.matches_file import read_matches
from vis_bench.metrics.resample import resampled_ap
from vis_bench.metrics.scores import difference_of

NUM_HALVES = 200
HANDICAP = 0.039  # costs about 1 AP, see the printed loss
ALIKE = (0.7, 0.95, 0.99, 0.999)
SIZES = (24, 240)
RESULTS = Path(__file__).resolve().parents[2] / "results"
SCORE_NOISE = (1e-4, 1e-3, 3e-3)  # relative; the last is about that of bfloat16
NUM_DRAWS = 200


def difference(num_videos, seed, shared, handicap):
    """The paired difference of two methods on one set of videos."""
    rng = np.random.default_rng([num_videos, seed])
    sides = clumped_model.methods(
        rng, num_videos, clumped_model.FEW_CATEGORIES, shared=shared, handicap=handicap
    )
    return paired(*sides)


def paired(first, second, num_halves=NUM_HALVES):
    """AP of the second minus AP of the first, as `check` computes it."""
    counts_SV = count_samples(len(first.videos), num_halves, 0)
    aps = (resampled_ap(matches, counts_SV) for matches in (first, second))
    return difference_of(*aps, len(first.videos))


def is_beyond_tolerance(found):
    """True if `check` fails without `--significant`."""
    return found.difference < -POINTS / 100


def is_lost(found):
    """True if `check --significant` fails."""
    return found.high is not None and found.high < 0


def simulated(num_videos, shared, num_sets):
    """The mean loss, and shares of sets: in which the tolerance misses it, in which it alarms at an
    equal method, in which the paired interval finds the loss and in which that alarms.
    """
    lost, equal = (
        [difference(num_videos, seed, shared, handicap) for seed in range(num_sets)]
        for handicap in (HANDICAP, 0.0)
    )
    return (
        float(np.mean([found.difference for found in lost])),
        float(np.mean([not is_beyond_tolerance(found) for found in lost])),
        float(np.mean([is_beyond_tolerance(found) for found in equal])),
        float(np.mean([is_lost(found) for found in lost])),
        float(np.mean([is_lost(found) for found in equal])),
    )


def with_noise(matches, size, rng):
    """The matches with scores times exp(size z), in their new order; pairs of masks are kept."""
    return replace(matches, categories=[_noisy(c, size, rng) for c in matches.categories])


def _noisy(category, size, rng):
    score_n = category.score_n * np.exp(size * rng.normal(size=len(category.score_n)))
    order = np.lexsort((category.video_n, -score_n))
    return replace(
        category,
        video_n=category.video_n[order],
        rank_n=category.rank_n[order],
        score_n=score_n[order],
        hits_ATn=category.hits_ATn[..., order],
        misses_ATn=category.misses_ATn[..., order],
    )


def moved_by_noise(matches, num_videos, size, num_draws):
    """Share of draws in which noise of scores moves AP by more than the tolerance."""
    inside_1V = (np.arange(len(matches.videos)) < num_videos).astype(int)[None]
    [ap] = resampled_ap(matches, inside_1V)
    moved = [
        abs(resampled_ap(with_noise(matches, size, np.random.default_rng(draw)), inside_1V)[0] - ap)
        for draw in range(num_draws)
    ]
    return float(np.mean([m > POINTS / 100 for m in moved]))


def trainings(method):
    """Paired differences of all pairs of shipped trainings of a method, each both ways."""
    folder = RESULTS / "ms-sts-seqformer" / "records"
    sides = [read_matches(path) for path in sorted(folder.glob(f"{method}_mini*.matches.npz"))]
    found = [paired(*pair) for pair in combinations(sides, 2)]
    return found + [replace(f, difference=-f.difference, low=-f.high, high=-f.low) for f in found]


def main(num_sets):
    """Write the three tables as they come."""
    write_row(
        "Shared",
        "Videos",
        "True loss",
        "Tolerance misses it",
        "Tolerance alarms, equally good",
        "Paired finds it",
        "Paired alarms, equally good",
    )
    write_row(*7 * ["--:"])
    for shared in ALIKE:
        for num_videos in SIZES:
            loss, *shares = simulated(num_videos, shared, num_sets)
            write_row(f"{shared:g}", str(num_videos), f"{-100 * loss:.1f}", *map(percent, shares))
    sys.stdout.write("\n")
    write_row("Shipped predictions", "Videos", *(f"noise {size:g}" for size in SCORE_NOISE))
    write_row(":--", *4 * ["--:"])
    for method in ("ifc", "seqformer", "ms_sts"):
        [path] = (RESULTS / "clip_lengths" / "records").glob(f"{method}_mini*Twhole*.matches.npz")
        matches = read_matches(path)
        for num_videos in SIZES:
            shares = (moved_by_noise(matches, num_videos, s, NUM_DRAWS) for s in SCORE_NOISE)
            write_row(method, str(num_videos), *map(percent, shares))
    sys.stdout.write("\n")
    write_row("Trainings", "Ordered pairs", "Tolerance alarms", "Paired alarms")
    write_row(":--", *3 * ["--:"])
    for method in ("seqformer", "ms_sts"):
        found = trainings(method)
        alarms = ([is_beyond_tolerance(f) for f in found], [is_lost(f) for f in found])
        write_row(method, str(len(found)), *(percent(np.mean(of)) for of in alarms))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
