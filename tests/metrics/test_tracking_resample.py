"""Resampled tracking metrics: those of a data set with each video as often as it was drawn."""

import json
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from compare_workload import copied, generate
from paths import GOLDEN
from vis_bench.data.annotations import GroundTruth, read_annotations
from vis_bench.data.results_file import Results, Track, read_results
from vis_bench.metrics.compare import analyse, compare
from vis_bench.metrics.half_samples import draw_half_samples
from vis_bench.metrics.scores import Asked
from vis_bench.metrics.tracking.evaluate import evaluate_tracking, resample_tracking

NAMES = ("hota", "deta", "assa", "loca", "idf1", "teta")
EXACT = {"rel": 0, "abs": 1e-12}


def results_of(tracks):
    return Results.of([Track(**track) for track in tracks])


def draw_videos(num_videos, num_resamples, seed):
    """Counts of as many videos as there are, drawn with replacement."""
    share = np.full(num_videos, 1 / num_videos)
    return np.random.default_rng(seed).multinomial(num_videos, share, size=num_resamples)


def assert_equals_copies(annotations, tracks, threshold, counts_BV):
    evaluation = evaluate_tracking(GroundTruth.of(annotations), results_of(tracks), threshold)
    found = resample_tracking(evaluation, counts_BV)
    assert tuple(found) == NAMES
    for place, counts_V in enumerate(counts_BV.tolist()):
        counts = {video.id: n for video, n in zip(evaluation.videos, counts_V, strict=True)}
        content, copies = copied(annotations, tracks, counts)
        expected = evaluate_tracking(GroundTruth.of(content), results_of(copies), threshold)
        for name in NAMES:
            value = expected.headline()[name]
            if value is None:
                assert np.isnan(found[name][place]), (name, place)
            else:
                assert found[name][place] == pytest.approx(value, **EXACT), (name, place)


@pytest.mark.parametrize("seed", range(3))
def test_a_resample_equals_evaluating_the_copies(seed):
    """Few videos of many classes, so that classes leave TETA's mean in some resamples."""
    annotations, tracks, _ = generate(seed, 5, 4, 8)
    assert_equals_copies(annotations, tracks, 0.3, draw_videos(5, 12, seed))


def test_a_resample_of_golden_videos_equals_evaluating_the_copies():
    content = [
        json.loads((GOLDEN / f"tracking_made.{part}.json").read_text()) for part in ("gt", "preds")
    ]
    num_videos = len(content[0]["videos"])
    for threshold in (0.1, 0.5):
        assert_equals_copies(*content, threshold, draw_videos(num_videos, 8, 1))


@pytest.mark.parametrize("name", ["eval_quirks", "eval_dense", "tracking_made"])
@pytest.mark.parametrize("threshold", [0.1, 0.5])
def test_every_video_once_is_the_plain_evaluation(name, threshold):
    truth = read_annotations(GOLDEN / f"{name}.gt.json")
    evaluation = evaluate_tracking(truth, read_results(GOLDEN / f"{name}.preds.json"), threshold)
    found = resample_tracking(evaluation, np.ones((1, len(truth.videos)), int))
    expected = evaluation.headline()
    for key in NAMES:
        assert found[key][0] == pytest.approx(expected[key], **EXACT), key


def test_without_a_drawn_object_there_is_no_number():
    """Video 1 holds no object, but a track."""
    annotations, tracks, _ = generate(0, 2, 2, 4)
    annotations["annotations"] = [a for a in annotations["annotations"] if a["video_id"] == 2]
    counts_BV = np.array([[2, 0], [0, 2], [1, 1]])
    assert_equals_copies(annotations, tracks, 0.1, counts_BV)
    empty = {**annotations, "annotations": []}
    assert_equals_copies(empty, tracks, 0.1, counts_BV)


@pytest.fixture(scope="module")
def sides():
    """Annotations of 12 videos and two results files."""
    annotations, *files = generate(1, 12, 3, 10)
    truth = GroundTruth.of(annotations)
    return [(truth, results_of(tracks)) for tracks in files]


def compared(first, second, **options):
    return compare(analyse(*first, Asked(**options)), analyse(*second, Asked(**options)))


def test_compare_holds_the_observed_numbers_and_their_intervals(sides):
    result = compared(*sides, tracking_threshold=0.3, num_resamples=200, seed=4)
    assert result.tracking_score_threshold == 0.3
    assert tuple(result.tracking) == NAMES
    # By the definition: both sides on the same halves, the spread of their differences.
    halves_BV = draw_half_samples(12, 200, 4)
    tracking = [evaluate_tracking(*side, 0.3) for side in sides]
    for name, difference in result.tracking.items():
        observed = [side.headline()[name] for side in tracking]
        assert [difference.first, difference.second] == pytest.approx(observed, **EXACT)
        one, two = (resample_tracking(side, halves_BV)[name] for side in tracking)
        spread = np.std(two - one, ddof=1)
        ends = stats.t.interval(0.95, 11, observed[1] - observed[0], spread)
        assert (difference.low, difference.high) == pytest.approx(ends, **EXACT)
        assert difference.low < difference.difference < difference.high


def test_the_interval_of_ap_does_not_depend_on_tracking(sides):
    plain = compared(*sides, num_resamples=40)
    assert plain.overall == compared(*sides, num_resamples=40, tracking_threshold=0.3).overall
    assert (plain.tracking, plain.tracking_score_threshold) == ({}, None)


def test_a_method_does_not_differ_from_itself(sides):
    result = compared(sides[0], sides[0], tracking_threshold=0.3, num_resamples=50)
    for difference in result.tracking.values():
        assert (difference.difference, difference.low, difference.high) == (0, None, None)


def test_an_identity_switch_is_found_in_association_and_not_in_detection():
    """The second file swaps the last frames of two tracks in every video."""
    annotations, _, _ = generate(3, 16, 1, 1)
    perfect = [
        {
            "video_id": a["video_id"],
            "category_id": 1,
            "score": 0.9,
            "segmentations": a["segmentations"],
        }
        for a in annotations["annotations"]
    ]
    swapped = [dict(track) for track in perfect]
    for one, two in pairwise(swapped):
        if one["video_id"] == two["video_id"]:
            first, second = one["segmentations"], two["segmentations"]
            one["segmentations"] = [*first[:14], *second[14:]]
            two["segmentations"] = [*second[:14], *first[14:]]
    truth = GroundTruth.of(annotations)
    sides = [(truth, results_of(tracks)) for tracks in (perfect, swapped)]
    result = compared(*sides, tracking_threshold=0.5, num_resamples=200)
    for name in ("hota", "assa", "idf1", "teta"):
        assert result.tracking[name].high < 0, name
        assert result.tracking[name].p_value < 0.02
    for name in ("deta", "loca"):
        assert result.tracking[name].difference == pytest.approx(0, abs=1e-12), name
