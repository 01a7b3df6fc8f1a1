"""Weights of absent and present frames: against counts by hand, and against a plain bootstrap."""

import numpy as np
import pytest

from drawing_case import LEFT, NOWHERE, RIGHT, results, truth, tube
from vis_bench.metrics.time_weights import VideoWeights, compare_absent_frames, found_objects

HERE_AND_GONE = tube((20, 8), None, None, (20, 8))


def weights(*rows):
    """(L, T) of one number per frame and layer."""
    return np.array(rows, float)


def present(*frames):
    return np.array(frames, bool)


def test_by_hand():
    """Two tracks count: 4 frames with one absent, and 2 frames with one absent."""
    one = VideoWeights(
        [weights([0.4, 0.1, 0.3, 0.2], [0.25] * 4), weights([0.7, 0.1, 0.1, 0.1], [0.25] * 4)],
        [present(1, 0, 1, 1), present(1, 1, 1, 1)],
    )
    two = VideoWeights([weights([0.9, 0.1], [0.5, 0.5])], [present(1, 0)])
    found = compare_absent_frames([one, two, VideoWeights([], [])])
    first, second = found.layers
    assert first.absent == pytest.approx((4 * 0.1 + 2 * 0.1) / 2)
    assert first.present == pytest.approx((4 * 0.9 + 2 * 0.9) / 4)
    assert first.difference == pytest.approx(first.absent - first.present)
    assert (second.absent, second.present) == (pytest.approx(1), pytest.approx(1))
    assert (found.num_videos, found.num_found, found.num_counted) == (3, 3, 2)
    assert (found.num_counted_videos, found.num_absent, found.num_present) == (2, 2, 4)


def test_intervals_equal_a_plain_bootstrap():
    random = np.random.default_rng(3)
    videos = []
    for v in range(12):
        shares = random.dirichlet(np.ones(6), size=1)
        there = np.arange(6) != v % 6 if v % 3 else np.ones(6, bool)
        videos.append(VideoWeights([shares], [there]))
    found = compare_absent_frames(videos, num_resamples=3000, seed=1)
    draws = []
    for _ in range(3000):
        drawn = [videos[i] for i in random.integers(12, size=12)]
        absent = [6 * v.weights[0][0][~v.present[0]] for v in drawn if not v.present[0].all()]
        here = [6 * v.weights[0][0][v.present[0]] for v in drawn if not v.present[0].all()]
        if absent:
            draws.append(np.concatenate(absent).mean() - np.concatenate(here).mean())
    low, high = np.percentile(draws, [2.5, 97.5])
    assert found.layers[0].low == pytest.approx(low, abs=0.06)
    assert found.layers[0].high == pytest.approx(high, abs=0.06)
    assert low < found.layers[0].difference < high


def test_one_video_has_no_interval():
    video = VideoWeights([weights([0.9, 0.1])], [present(1, 0)])
    [layer] = compare_absent_frames([video, VideoWeights([], [])]).layers
    assert (layer.low, layer.high) == (None, None)


def test_without_absent_frames_there_are_no_means():
    video = VideoWeights([weights([0.5, 0.5])], [present(1, 1)])
    found = compare_absent_frames([video])
    assert (found.num_found, found.num_counted) == (1, 0)
    assert found.layers[0].absent is None
    assert compare_absent_frames([]).layers == []


def test_tracks_that_find_objects_as_evaluation_has_it():
    """A duplicate, a wrong class and a stray find nothing; absence is the annotations'."""
    tracks = results(
        (HERE_AND_GONE, 1, 0.8),
        (LEFT, 1, 0.5),
        (RIGHT, 1, 0.9),
        (NOWHERE, 1, 0.9),
    )
    found = found_objects(tracks, truth((HERE_AND_GONE, 1), (RIGHT, 2)), 1)
    assert [thing.track for thing in found] == [0]
    assert found[0].present_T.tolist() == [True, False, False, True]
    # A track that goes on where the object is gone finds it all the same, at half its tube.
    found = found_objects(results((LEFT, 1, 0.5)), truth((HERE_AND_GONE, 1)), 1)
    assert found[0].present_T.tolist() == [True, False, False, True]


def test_a_video_without_objects_or_tracks():
    assert found_objects(results(), truth((LEFT, 1)), 1) == []
    assert found_objects(results((LEFT, 1, 0.5)), truth(), 1) == []
