"""The swap test: equal to exchanging results files, exact, and silent about equal methods."""

import copy
import itertools

import numpy as np
import pytest

from compare_workload import generate
from match_model import two_methods
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results, Track
from vis_bench.metrics import swaps
from vis_bench.metrics.ap import evaluate
from vis_bench.metrics.compare import analyse, compare
from vis_bench.metrics.half_samples import count_samples
from vis_bench.metrics.matching import match, num_holding
from vis_bench.metrics.resample import resample
from vis_bench.metrics.scores import SIZE, Asked, Difference, adjusted, difference_of, with_holm
from vis_bench.metrics.swaps import swap_tests


def read(annotations, tracks):
    return GroundTruth.of(annotations), Results.of([Track(**track) for track in tracks])


@pytest.fixture(scope="module")
def workload():
    """8 videos of 3 classes with many equal scores, some hidden objects, and two results files."""
    annotations, *files = generate(3, 8, 3, 15)
    for place, thing in enumerate(annotations["annotations"]):
        label = "severe_occlusion" if place % 2 else "no_occlusion"
        thing["occlusion"] = [label] * len(thing["segmentations"])
    for tracks in files:
        for track in tracks:
            track["score"] = round(track["score"], 1)
    return annotations, files


# 64 of the 256 exchanges of 8 videos, the first of which exchanges nothing.
SOME_SWAPS_BV = np.array(list(itertools.product([0, 1], repeat=8)))[np.arange(64) * 5 % 256]


class SomeSwaps:
    """In place of a random generator."""

    def integers(self, low, high, shape):
        assert shape == SOME_SWAPS_BV.shape
        return SOME_SWAPS_BV


def test_a_p_value_is_the_share_of_exchanged_files_that_differ_as_much(workload, monkeypatch):
    """Against results files whose tracks are exchanged and evaluated again, for each of 64."""
    annotations, (first, second) = workload
    sides = [read(annotations, tracks) for tracks in (first, second)]
    monkeypatch.setattr(swaps.np.random, "default_rng", lambda seed: SomeSwaps())
    found = swap_tests(*(match(*side) for side in sides), 63, 0)
    truth = sides[0][0]
    moved = []
    for swap in SOME_SWAPS_BV:
        exchanged = {v for v, now in zip((v.id for v in truth.videos), swap, strict=True) if now}
        files = [
            [t for t in a if t["video_id"] not in exchanged]
            + [t for t in b if t["video_id"] in exchanged]
            for a, b in ((first, second), (second, first))
        ]
        one, two = (evaluate(truth, read(annotations, tracks)[1]) for tracks in files)
        aps = [{row["id"]: row["ap"] for row in side.per_category()} for side in (one, two)]
        ranges = [(side.summary()["ap_s"], side.level_aps()["ap_ho"]) for side in (one, two)]
        moved.append([aps[1][k] - aps[0][k] for k in aps[0]] + list(np.subtract(*ranges)))
    moved_BK = abs(np.array(moved))
    expected_K = (moved_BK >= moved_BK[0] - 1e-12).mean(0)
    parts = [*(("category", str(k)) for k in aps[0]), ("area", "small"), ("level", "ho")]
    assert [found[(*part, "ap")] for part in parts] == pytest.approx(list(expected_K))
    assert 0.015 < min(expected_K) < max(expected_K)


def test_exchanging_nothing_gives_either_side(workload):
    annotations, files = workload
    sides = [match(*read(annotations, tracks)) for tracks in files]
    both = swaps._both(*sides)
    for place, side in enumerate(sides):
        counts_BV = np.repeat(np.eye(2, dtype=int)[place], 8)[None]
        alone = resample(side, np.ones((1, 8), int)).numbers()
        assert {k: v[0] for k, v in resample(both, counts_BV).numbers().items()} == pytest.approx(
            {k: v[0] for k, v in alone.items()}, abs=1e-15
        )


def test_there_is_no_p_value_of_a_category_in_two_videos():
    annotations, *files = generate(4, 20, 6, 15)
    for thing in annotations["annotations"]:
        if thing["video_id"] <= 2 or thing["category_id"] == 1:
            thing["category_id"] = 1 if thing["video_id"] <= 2 else 2
    sides = [analyse(*read(annotations, tracks), Asked(num_resamples=50)) for tracks in files]
    result = compare(*sides)
    rare, common = (result.by_category[f"kind {k}"]["ap"] for k in (1, 2))
    assert rare.difference is not None
    assert (rare.p_value, rare.adjusted_p_value, rare.low) == (None, None, None)
    assert common.p_value <= common.adjusted_p_value <= 1
    assert common.low < common.difference < common.high


def test_sizes_and_levels_are_one_family_of_tests(workload):
    """Of p-values 256ths apart, the smallest is adjusted by the number of all rows."""
    annotations, files = workload
    sides = [analyse(*read(annotations, tracks), Asked(num_resamples=200)) for tracks in files]
    result = compare(*sides)
    assert list(result.by_area) == ["small", "medium", "large"]
    assert list(result.by_level) == ["so", "ho"]
    rows = {name: row["ap"] for name, row in {**result.by_area, **result.by_level}.items()}
    known = {name: row.p_value for name, row in rows.items() if row.low is not None}
    assert set(known) == {"small", "so", "ho"}
    assert {name: rows[name].adjusted_p_value for name in known} == adjusted(known)


def test_a_level_in_two_videos_has_neither_p_value_nor_interval(workload):
    annotations, files = workload
    content = copy.deepcopy(annotations)
    for thing in content["annotations"]:
        label = "severe_occlusion" if thing["video_id"] <= 2 else "no_occlusion"
        thing["occlusion"] = [label] * len(thing["segmentations"])
    sides = [analyse(*read(content, tracks), Asked(num_resamples=50)) for tracks in files]
    hidden, seen = (compare(*sides).by_level[name]["ap"] for name in ("ho", "so"))
    assert hidden.difference is not None
    assert (hidden.p_value, hidden.adjusted_p_value, hidden.low) == (None, None, None)
    assert seen.low < seen.difference < seen.high
    assert seen.p_value is not None


def test_holm_by_hand():
    p_values = {"a": 0.01, "b": 0.04, "c": 0.03, "d": None}
    assert adjusted(p_values) == {"a": pytest.approx(0.04), "c": 0.09, "b": 0.09, "d": None}
    rows = with_holm({test: Difference(p_value=p) for test, p in p_values.items()})
    assert {test: row.adjusted_p_value for test, row in rows.items()} == adjusted(p_values)
    assert [test for test, row in rows.items() if row.is_significant] == ["a"]


def false_findings(num_videos, num_sets, num_swaps=199):
    """Of equal methods: shares of p-values up to 0.05 by the number of videos that hold the
    category, and of comparisons with some significant category; of the swap and the t test.
    """
    found = {"swap": [], "t": []}
    some = {"swap": 0, "t": 0}
    for seed in range(num_sets):
        rng = np.random.default_rng([7, num_videos, seed])
        sides = two_methods(rng, num_videos, 40, one_threshold=True)
        tests = swap_tests(*sides, num_swaps, seed)
        p_values = {"swap": {}, "t": {}}
        counts_BV = count_samples(num_videos, num_swaps, seed)
        one, two = (resample(side, counts_BV).by_category()["ap"] for side in sides)
        for key, category in enumerate(sides[0].with_objects().categories):
            p_values["swap"][key] = tests["category", str(category.id), "ap"]
            p_values["t"][key] = old_p_value(one[:, key], two[:, key], num_videos)
            for kind, p in p_values.items():
                if p[key] is not None:
                    found[kind].append((num_holding([category]), p[key] <= 0.05))
        for kind, p in p_values.items():
            known = adjusted({k: v for k, v in p.items() if v is not None})
            some[kind] += min(known.values(), default=1) <= SIZE
    return {kind: np.array(pairs) for kind, pairs in found.items()}, {
        kind: number / num_sets for kind, number in some.items()
    }


def old_p_value(one_S, two_S, num_videos):
    """By t test with the degrees of freedom of all videos."""
    return difference_of(one_S, two_S, num_videos).p_value


def share(pairs, low, high):
    inside = (pairs[:, 0] >= low) & (pairs[:, 0] <= high)
    return pairs[inside, 1].mean() if inside.any() else 0.0


def test_equal_methods_have_few_significant_categories():
    """The t test's share shows that the simulation can find the fault."""
    pairs, some = false_findings(60, 40)
    assert share(pairs["swap"], 0, 2) == 0
    assert share(pairs["swap"], 3, 60) <= 0.06
    assert some["swap"] <= 0.1
    assert share(pairs["t"], 1, 2) > 0.1
    assert some["t"] > 0.2


@pytest.mark.slow
@pytest.mark.parametrize("num_videos", [60, 302])
def test_false_findings_on_sets_like_youtube_vis(num_videos, record_property):
    """400 comparisons of equal methods; `--junitxml` writes the shares down."""
    pairs, some = false_findings(num_videos, 400)
    ranges = [(1, 2), (3, 4), (5, 9), (10, num_videos)]
    shares = {
        kind: [round(float(share(own, *ends)), 4) for ends in ranges] for kind, own in pairs.items()
    }
    record_property("found", repr((shares, some)))
    assert shares["swap"][0] == 0
    assert max(shares["swap"]) <= 0.07
    assert some["swap"] <= 0.07
