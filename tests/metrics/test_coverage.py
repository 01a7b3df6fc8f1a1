"""Intervals cover, and tests of equal methods rarely find a difference: on simulated videos.

Of AP_n, the AP of a set of n videos, an interval covers the mean over such sets.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from coverage_table import POPULATIONS, coverage
from match_model import two_methods
from vis_bench.metrics.half_samples import draw_half_samples, interval_of
from vis_bench.metrics.resample import resampled_ap
from vis_bench.metrics.scores import difference_of


@dataclass(frozen=True)
class Shares:
    """Shares of intervals that end below the true AP or begin above it, and of tests that find a
    difference.
    """

    below: float
    above: float
    found: float

    @property
    def covered(self):
        return 1 - self.below - self.above


@dataclass(frozen=True)
class Simulation:
    """`ap`: of sets of this size; `sd` of one AP and `paired_sd` of a difference, over sets."""

    ap: float
    sd: float
    paired_sd: float
    halves: Shares
    percentiles: Shares


def percentiles_of(values_B):
    return tuple(np.percentile(values_B, [2.5, 97.5]))


def shares(intervals, differences, ap):
    ends = np.array(intervals)
    low, high = np.array(differences).T
    found = ((low > 0) | (high < 0)).mean()
    return Shares(*(float(x) for x in ((ends[:, 1] < ap).mean(), (ends[:, 0] > ap).mean(), found)))


def simulate(num_videos, num_categories, num_sets, num_resamples, **model):
    """Both intervals on sets of videos, a seed each."""
    every_V = np.ones((1, num_videos), int)
    aps, halves, drawn = [], ([], []), ([], [])
    for seed in range(num_sets):
        rng = np.random.default_rng([num_videos, seed])
        methods = two_methods(rng, num_videos, num_categories, **model)
        halves_BV = draw_half_samples(num_videos, num_resamples, seed)
        share_V = np.full(num_videos, 1 / num_videos)
        drawn_BV = rng.multinomial(num_videos, share_V, size=num_resamples)
        counts_BV = np.concatenate([every_V, halves_BV, drawn_BV])
        one_B, two_B = (resampled_ap(matches, counts_BV) for matches in methods)
        used = 1 + num_resamples
        difference = difference_of(one_B[:used], two_B[:used], num_videos)
        halves[0].extend(interval_of(ap_B[:used], num_videos) for ap_B in (one_B, two_B))
        halves[1].append((difference.low, difference.high))
        drawn[0].extend(percentiles_of(ap_B[used:]) for ap_B in (one_B, two_B))
        drawn[1].append(percentiles_of(two_B[used:] - one_B[used:]))
        aps.append((one_B[0], two_B[0]))
    aps_R2 = np.array(aps)
    ap = aps_R2.mean()
    return Simulation(
        ap,
        aps_R2.std(0, ddof=1).mean(),
        np.diff(aps_R2).std(ddof=1),
        shares(*halves, ap),
        shares(*drawn, ap),
    )


@pytest.mark.parametrize(("kind", "covers"), [("halves", True), ("percentiles", False)])
def test_half_samples_cover_and_percentiles_of_a_bootstrap_do_not(small, kind, covers):
    """Bounds for 95 % and 5 % of 600 intervals and 300 tests."""
    found = getattr(small, kind)
    assert (found.covered >= 0.92) is covers
    assert (found.above <= 0.06) is covers
    assert (found.found <= 0.08) is covers


@pytest.fixture(scope="module")
def small():
    return simulate(40, 30, 300, 150, one_threshold=True)


@pytest.mark.parametrize("title", ["clumped, 6 categories", "clumped, 40 with very rare ones"])
def test_half_samples_cover_in_another_model(title):
    """Bounds for 95 % and 5 % of 100 intervals and 50 tests; another set is no such target."""
    found = coverage(POPULATIONS[title], 24, 50)
    assert 0.89 <= found.ap <= 1
    assert found.differs <= 0.12
    assert found.another_set < found.ap


@pytest.mark.slow
@pytest.mark.parametrize("num_videos", [60, 120, 302])
def test_half_samples_cover_on_sets_like_youtube_vis(num_videos, record_property):
    """The table of docs/statistics.md, which `--junitxml` writes down."""
    found = simulate(num_videos, 40, 300, 200)
    record_property("found", repr(found))
    assert 0.92 <= found.halves.covered <= 0.99
    assert found.halves.found <= 0.08
    assert found.percentiles.covered < found.halves.covered
    if num_videos == 302:
        assert 0.015 <= found.paired_sd <= 0.021
