"""Paired half-samples: equal to the evaluator, and right about what differs and what does not."""

import numpy as np
import pytest
from scipy import stats

from compare_workload import generate
from paths import GOLDEN
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results, Track
from vis_bench.errors import InputError
from vis_bench.metrics.ap import evaluate_files, summarize
from vis_bench.metrics.compare import analyse, compare
from vis_bench.metrics.half_samples import draw_half_samples
from vis_bench.metrics.matching import match
from vis_bench.metrics.precision_recall import accumulate
from vis_bench.metrics.resample import resample, resampled_ap
from vis_bench.metrics.scores import Asked, difference_of


def read(annotations, tracks):
    return GroundTruth.of(annotations), Results.of([Track(**track) for track in tracks])


def matches_of(annotations, tracks):
    return match(*read(annotations, tracks))


@pytest.fixture(scope="module")
def workload():
    """60 videos of 12 classes, and two results files, the second a little worse."""
    annotations, *files = generate(1, 60, 12, 20)
    return [read(annotations, tracks) for tracks in files]


def compared(first, second, **options):
    return compare(analyse(*first, Asked(**options)), analyse(*second, Asked(**options)))


def golden_matches(name):
    paths = (GOLDEN / f"{name}.{kind}.json" for kind in ("gt", "preds"))
    return evaluate_files(*paths).matches


@pytest.mark.parametrize("name", ["eval_dense", "eval_quirks"])
def test_a_resample_equals_accumulating_again(name):
    assert_equals_accumulate(golden_matches(name), 30)


def test_a_resample_of_many_videos_equals_accumulating_again(workload):
    assert_equals_accumulate(match(*workload[0]), 4)


def assert_equals_accumulate(matches, num_resamples):
    """All 12 numbers against `accumulate` with weights, of every video once and of drawn ones."""
    num_videos = len(matches.videos)
    generator = np.random.default_rng(3)
    share = np.full(num_videos, 1 / num_videos)
    drawn_BV = generator.multinomial(num_videos, share, size=num_resamples)
    counts_BV = np.concatenate([np.ones((1, num_videos), int), drawn_BV])
    scores = resample(matches, counts_BV)
    numbers = scores.numbers()
    for a, letter in enumerate("sml", 1):
        by_area = scores.numbers(a)
        numbers |= {f"ap_{letter}": by_area["ap"], f"ar_{letter}": by_area["ar100"]}
    for place, counts_V in enumerate(counts_BV):
        expected = summarize(accumulate(matches, counts_V))
        found = {key: -1 if np.isnan(v[place]) else v[place] for key, v in numbers.items()}
        assert found == pytest.approx(expected, abs=1e-12)


def test_a_method_does_not_differ_from_itself(workload):
    result = compared(workload[0], workload[0], num_resamples=50)
    assert result.videos == []
    for row in [result.overall, *result.by_area.values(), *result.by_category.values()]:
        for difference in row.values():
            if difference.first is not None:
                assert (difference.difference, difference.low, difference.high) == (0, None, None)
                assert difference.p_value is None


def test_a_clear_loss_is_found_and_is_the_other_way_round_from_the_other_side(workload):
    first, second = workload
    there, back = compared(first, second), compared(second, first)
    ap = there.overall["ap"]
    assert ap.difference < ap.high < 0
    assert ap.low < ap.difference
    assert ap.p_value < 0.01
    assert back.overall["ap"].difference == -ap.difference
    assert back.overall["ap"].low == pytest.approx(-ap.high)
    assert back.overall["ap"].p_value == ap.p_value


def test_intervals_cover_and_p_values_are_calibrated():
    """Without a difference the interval misses 0 about one time in twenty.

    At a true rate of 5 % fewer than 8 or more than 35 of 400 come once in a thousand tests.
    """
    generator = np.random.default_rng(5)
    missed = 0
    for trial in range(400):
        values_V = generator.normal(0, 1, 60)
        halves_B = draw_half_samples(60, 200, trial) @ values_V / 30
        means_S = np.array([values_V.mean(), *halves_B]) / 10
        difference = difference_of(np.zeros(201), means_S, 60)
        missed += difference.low > 0 or difference.high < 0
        assert (difference.p_value <= 0.05) == (difference.low > 0 or difference.high < 0)
    assert 8 <= missed <= 35


def test_the_smallest_difference_is_found_in_80_of_100_sets(workload):
    """Differences that are that large on average, in t tests of 60 normal values each."""
    result = compared(*workload)
    power = result.power()
    assert power.num_videos == 60
    assert power.standard_deviation == result.overall["ap"].standard_error
    scale = power.standard_deviation * np.sqrt(60)
    values_RV = np.random.default_rng(2).normal(power.smallest_difference, scale, (4000, 60))
    found = stats.ttest_1samp(values_RV, 0, axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.02)
    many = power.num_videos_for_one_point
    values_R = np.random.default_rng(3).normal(0.01, scale / np.sqrt(many), 20_000)
    beyond = abs(values_R) > 1.96 * scale / np.sqrt(many)
    assert beyond.mean() == pytest.approx(0.8, abs=0.01)


def test_without_spread_there_is_no_power(workload):
    assert compared(workload[0], workload[0], num_resamples=20).power() is None


def test_the_changed_video_and_category_are_named():
    annotations, _, _ = generate(4, 20, 5, 15)
    perfect = [
        {
            "video_id": a["video_id"],
            "category_id": a["category_id"],
            "score": 0.9,
            "segmentations": a["segmentations"],
        }
        for a in annotations["annotations"]
    ]
    without = [t for t in perfect if t["video_id"] != 7]
    result = compared(read(annotations, perfect), read(annotations, without))
    (video,) = result.videos
    assert (video.id, video.name, video.second) == (7, "0007", 0)
    assert video.first == pytest.approx(1)
    lost = {a["category_id"] for a in annotations["annotations"] if a["video_id"] == 7}
    fell = {
        name
        for name, row in result.by_category.items()
        if row["ap"].first is not None and row["ap"].difference < -1e-9
    }
    assert fell == {f"kind {category}" for category in lost}


def test_the_same_seed_gives_the_same_intervals(workload):
    first, second = workload
    one, two, other = (compared(first, second, num_resamples=40, seed=s) for s in (1, 1, 2))
    assert one == two
    assert one.overall["ap"].low != other.overall["ap"].low


@pytest.mark.parametrize("wrong", [1 / 24, -1])
@pytest.mark.parametrize("compute", [resample, resampled_ap])
def test_counts_that_are_not_whole_are_refused(workload, compute, wrong):
    """Weights of 1/24 would move a recall of exactly 1 below its level, and AP with it."""
    matches = match(*workload[0])
    with pytest.raises(InputError, match=f"counts {wrong:g} times"):
        compute(matches, np.full((1, 60), wrong))


def test_what_cannot_be_compared_is_refused(workload):
    annotations, first, _ = generate(9, 60, 12, 20)
    few = {"num_resamples": 2}
    one = analyse(*workload[0], Asked(**few))
    for other in (
        analyse(*read(annotations, first), Asked(**few)),
        analyse(*workload[0], Asked(num_resamples=3)),
        analyse(*workload[0], Asked(**few, tracking_threshold=0.5)),
    ):
        with pytest.raises(InputError, match="expected the same"):
            compare(one, other)


@pytest.mark.parametrize("missing", ["videos", "categories"])
def test_what_cannot_be_resampled_is_refused(missing):
    annotations, tracks, _ = generate(0, 2, 2, 2)
    with pytest.raises(InputError, match="number of resamples is 0"):
        analyse(*read(annotations, tracks), Asked(num_resamples=0))
    with pytest.raises(InputError, match=f"no {missing}"):
        analyse(*read({**annotations, "annotations": [], missing: []}, []))
