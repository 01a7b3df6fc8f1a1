"""The area under the ROC curve: against every pair counted, and a closed form."""

import numpy as np
import pytest
from scipy.stats import norm

from vis_bench.metrics.area_under_roc import OrderedPairs
from vis_bench.metrics.bootstrap import draw_videos

NUM_VIDEOS = 4


def case(seed, levels=6, number=60):
    """Scores with many ties, of positives and negatives of several videos; one may lack either."""
    draw = np.random.default_rng(seed)
    scores_N = draw.integers(levels, size=number) / 4
    positive_N = draw.random(number) < 0.3
    return scores_N, positive_N, draw.integers(NUM_VIDEOS, size=number)


def counted_pair_by_pair(scores_N, positive_N):
    wins = pairs = 0
    for high in scores_N[positive_N]:
        for low in scores_N[~positive_N]:
            wins += 1 if high > low else 0.5 if high == low else 0
            pairs += 1
    return wins / pairs


@pytest.mark.parametrize("seed", range(8))
def test_it_is_the_share_of_ordered_pairs(seed):
    scores_N, positive_N, video_N = case(seed, levels=2 + 5 * seed)
    area = OrderedPairs.of(scores_N, positive_N, video_N, NUM_VIDEOS).area()
    assert area == pytest.approx(counted_pair_by_pair(scores_N, positive_N), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_a_resample_is_the_area_of_the_videos_repeated(seed):
    scores_N, positive_N, video_N = case(seed)
    counts_BV = draw_videos(NUM_VIDEOS, 20, seed)
    areas = OrderedPairs.of(scores_N, positive_N, video_N, NUM_VIDEOS).areas(counts_BV)
    for counts_V, area in zip(counts_BV, areas, strict=True):
        repeats_N = counts_V[video_N]
        wanted = counted_pair_by_pair(scores_N.repeat(repeats_N), positive_N.repeat(repeats_N))
        assert area == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("distance", [0.0, 0.5, 2.0, -1.0])
def test_two_gaussians_have_the_closed_form(distance):
    """A positive minus a negative is a Gaussian of spread sqrt(2) around the distance."""
    quantiles = norm.ppf((np.arange(2000) + 0.5) / 2000)
    scores_N = np.concatenate([quantiles + distance, quantiles])
    positive_N = np.arange(4000) < 2000
    area = OrderedPairs.of(scores_N, positive_N, np.zeros(4000, int), 1).area()
    assert area == pytest.approx(norm.cdf(distance / np.sqrt(2)), abs=1e-3)


def test_order_alone_matters_and_equal_scores_count_half():
    scores_N, positive_N, video_N = case(1)
    area = OrderedPairs.of(scores_N, positive_N, video_N, NUM_VIDEOS).area()
    for changed, wanted in ((np.exp(scores_N), area), (-scores_N, 1 - area), (0 * scores_N, 0.5)):
        found = OrderedPairs.of(changed, positive_N, video_N, NUM_VIDEOS).area()
        assert found == pytest.approx(wanted, abs=1e-12)
    assert OrderedPairs.of(1.0 * positive_N, positive_N, video_N, NUM_VIDEOS).area() == 1


def test_without_positives_or_negatives_there_is_no_area():
    scores_N, _, video_N = case(0)
    for positive_N in (np.zeros(len(scores_N), bool), np.ones(len(scores_N), bool)):
        assert np.isnan(OrderedPairs.of(scores_N, positive_N, video_N, NUM_VIDEOS).area())
    with pytest.raises(ValueError, match="not finite"):
        OrderedPairs.of(np.array([0.0, np.nan]), np.array([True, False]), np.zeros(2, int), 1)
