"""Intervals of trained models hold against a simulation with known truth."""

import numpy as np
import pytest
from scipy import stats

from vis_bench.metrics.half_samples import draw_half_samples, trained_difference

SEEDS, VIDEOS, RUNS, TRUTH = 5, 60, 400, 0.02
HALVES_BV = draw_half_samples(VIDEOS, 200, seed=0)
SAMPLES_SV = np.concatenate([np.ones((1, VIDEOS), int), HALVES_BV])


def samples_of(draw, seeds_sd, videos_sd, both_sd):
    """Differences that are means over videos of a seed's, a video's and a joint effect."""
    by_video_KV = (
        TRUTH
        + draw.normal(0, seeds_sd, (SEEDS, 1))
        + draw.normal(0, videos_sd, (1, VIDEOS))
        + draw.normal(0, both_sd, (SEEDS, VIDEOS))
    )
    return by_video_KV @ SAMPLES_SV.T / SAMPLES_SV.sum(1)


@pytest.mark.parametrize(
    ("seeds_sd", "videos_sd", "both_sd"),
    [(0.02, 0.08, 0.0), (0.005, 0.2, 0.0), (0.03, 0.03, 0.0), (0.02, 0.08, 0.2)],
)
def test_the_interval_covers_the_truth_as_often_as_it_claims(seeds_sd, videos_sd, both_sd):
    draw = np.random.default_rng(0)
    covered, without_seeds, without_videos, rejected = 0, 0, 0, 0
    for _ in range(RUNS):
        found = trained_difference(samples_of(draw, seeds_sd, videos_sd, both_sd), VIDEOS)
        assert (found.p_value < 0.05) == (not found.low <= 0 <= found.high)
        covered += found.low <= TRUTH <= found.high
        off = abs(found.mean - TRUTH)
        without_seeds += off <= stats.t.ppf(0.975, VIDEOS - 1) * found.videos_error
        without_videos += off <= stats.t.ppf(0.975, SEEDS - 1) * found.seeds_error
        rejected += found.p_value < 0.05
    assert 0.93 <= covered / RUNS <= 0.995
    if (seeds_sd, both_sd) == (0.02, 0.0):
        assert max(without_seeds, without_videos) / RUNS < 0.93, "one source alone is not enough"


def test_errors_are_those_of_a_hand_calculation():
    samples_KS = np.array([[0.01, 0.00, 0.02], [0.05, 0.03, 0.07]])
    found = trained_difference(samples_KS, 4)
    halves = [0.015, 0.045]
    seeds, videos = 0.02, np.std(halves, ddof=1)  # halves of 4: sqrt(2 / 2)
    assert found.mean == pytest.approx(0.03)
    assert found.seeds_error == pytest.approx(seeds)
    assert found.videos_error == pytest.approx(videos)
    freedom = (seeds**2 + videos**2) ** 2 / (seeds**4 / 1 + videos**4 / 3)
    assert found.degrees_of_freedom == pytest.approx(freedom)
    half_width = stats.t.ppf(0.975, freedom) * np.hypot(seeds, videos)
    assert (found.low, found.high) == pytest.approx((0.03 - half_width, 0.03 + half_width))


def test_one_seed_and_equal_models_have_no_interval():
    assert trained_difference(np.array([[0.01, 0.0, 0.02]]), 4) is None
    assert trained_difference(np.zeros((3, 10)), 40) is None
