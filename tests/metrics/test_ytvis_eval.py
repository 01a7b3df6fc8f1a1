"""The evaluator against the official arrays, and against a slow transcription of the rules."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eval_reference
from compare_workload import copied, generate
from eval_problems import parsed, problems
from paths import GOLDEN
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results, Track
from vis_bench.metrics.ap import evaluate, evaluate_files, summarize
from vis_bench.metrics.matching import AREA_RANGES, match, match_group
from vis_bench.metrics.precision_recall import accumulate
from vis_bench.metrics.scores import Asked


@pytest.fixture(scope="module", params=["quirks", "dense"])
def golden(request):
    stem = GOLDEN / f"eval_{request.param}"
    evaluation = evaluate_files(Path(f"{stem}.gt.json"), Path(f"{stem}.preds.json"))
    expected = json.loads(Path(f"{stem}.expected.json").read_text())
    return evaluation, expected, np.load(f"{stem}.arrays.npz")


def assert_same_arrays(curves, precision, recall, scores):
    np.testing.assert_array_equal(curves.precision_TRKAM, precision)
    np.testing.assert_array_equal(curves.recall_TKAM, recall)
    np.testing.assert_array_equal(curves.scores_TRKAM, scores)


def test_evaluation_imports_nothing_that_takes_longer_than_it():
    """SciPy, Pillow, urllib and PyTorch; tracking metrics take one compiled file of SciPy."""
    stem = GOLDEN / "eval_quirks"
    lines = [
        "import pathlib, sys",
        "from vis_bench.metrics.ap import evaluate_files",
        "from vis_bench.metrics.scores import Asked",
        f"files = [pathlib.Path({str(stem)!r} + end) for end in ('.gt.json', '.preds.json')]",
        "numbers = evaluate_files(*files, Asked(tracking_threshold=0.5)).record_numbers()",
        "assert numbers['ap_low'] is not None and numbers['hota'] is not None",
        "print({'scipy', 'scipy.optimize', 'PIL', 'urllib.request', 'torch'} & sys.modules.keys())",
        "import vis_bench.metrics.assignment as own",
        "for assign in (own.linear_sum_assignment, own._of_package()):",
        "    print(*map(str, assign([[3, 1, 2], [1, 1, 5]])))",
    ]
    ended = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], check=True, capture_output=True, text=True
    )
    assert ended.stdout.splitlines() == ["set()", *["[0 1] [1 0]"] * 2]


@pytest.mark.parametrize("threshold", [None, -1.0, 0.4])
@pytest.mark.parametrize("name", ["quirks", "dense"])
def test_arrays_are_bit_equal_with_and_without_tracking(name, threshold):
    stem = GOLDEN / f"eval_{name}"
    evaluation = evaluate_files(
        Path(f"{stem}.gt.json"), Path(f"{stem}.preds.json"), Asked(tracking_threshold=threshold)
    )
    arrays = np.load(f"{stem}.arrays.npz")
    assert_same_arrays(evaluation.curves, *(arrays[k] for k in ("precision", "recall", "scores")))


def test_summary_and_categories_are_the_official_numbers(golden):
    evaluation, expected, _ = golden
    assert list(evaluation.summary().values()) == list(expected["stats"].values())
    for row in evaluation.per_category():
        official = expected["per_category"][str(row["id"])]
        assert (row["ap"], row["ar100"]) == (official["AP"], official["AR100"])


def test_the_slow_reference_is_right_itself():
    stem = GOLDEN / "eval_quirks"
    content = [json.loads(Path(f"{stem}.{part}.json").read_text()) for part in ("gt", "preds")]
    expected = np.load(f"{stem}.arrays.npz")
    official = [expected[key] for key in ("precision", "recall", "scores")]
    for own, array in zip(eval_reference.arrays(*content), official, strict=True):
        np.testing.assert_array_equal(own, array)


@given(problems())
@settings(max_examples=300, deadline=None)
def test_arrays_equal_the_slow_reference(problem):
    curves = accumulate(match(*parsed(*problem)))
    precision, recall, scores = eval_reference.arrays(*problem)
    assert_same_arrays(curves, precision, recall, scores)
    assert summarize(curves) == eval_reference.summary(precision, recall)


@st.composite
def groups(draw):
    """IoU matrix, crowds and average areas of one video and category, with ties all over."""
    num_detections, num_objects = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    iou = st.sampled_from([0, 0.499, 0.5, 0.5, 0.62, 0.75, 0.75, 0.93, 0.95, 1])
    rows = st.lists(iou, min_size=num_objects, max_size=num_objects)
    ious = draw(st.lists(rows, min_size=num_detections, max_size=num_detections))
    areas = st.sampled_from([0, 5, 128**2, 128**2 + 1, 256**2, 256**2 + 1, 2e10])
    things = [
        {"crowd": draw(st.sampled_from([False, False, True])), "area": draw(areas)}
        for _ in range(num_objects)
    ]
    return ious, things


@given(groups())
@settings(max_examples=500, deadline=None)
def test_matching_one_group_equals_the_slow_reference(group):
    ious, things = group
    crowd_G = np.array([thing["crowd"] for thing in things])
    area_GA = np.array([[thing["area"]] for thing in things])
    ignored_GA = crowd_G[:, None] | (area_GA < AREA_RANGES[:, 0]) | (area_GA > AREA_RANGES[:, 1])
    matched_DAT, on_ignored_DAT = match_group(np.array(ious), crowd_G, ignored_GA)
    detections = [{"score": 0, "area": 0} for _ in ious]
    for a, area_range in enumerate(eval_reference.AREA_RANGES):
        rows, _ = eval_reference.match(detections, things, ious, area_range)
        for t, row in enumerate(rows):
            for d, (_, is_matched, is_ignored) in enumerate(row):
                assert matched_DAT[d, a, t] == is_matched
                assert on_ignored_DAT[d, a, t] == (is_matched and is_ignored)


def generated(seed, num_videos):
    """Annotations and results of two categories."""
    annotations, tracks, _ = generate(seed, num_videos, 2, 12)
    return annotations, tracks


def results_of(tracks):
    return Results.of([Track(**track) for track in tracks])


def test_a_video_that_counts_twice_is_two_copies_of_it():
    annotations, tracks = generated(3, 4)
    weights_V = np.array([2, 0, 1, 3])
    weighted = accumulate(match(GroundTruth.of(annotations), results_of(tracks)), weights_V)
    content, copies = copied(annotations, tracks, dict(zip(range(1, 5), weights_V, strict=True)))
    unweighted = accumulate(match(GroundTruth.of(content), results_of(copies)))
    assert 0 < summarize(weighted)["ap"] < 1
    assert_same_arrays(
        weighted, unweighted.precision_TRKAM, unweighted.recall_TKAM, unweighted.scores_TRKAM
    )


def test_numbers_per_length_are_those_of_the_videos_of_that_length():
    content, tracks = generated(5, 6)
    lengths = dict(zip(range(1, 7), (24, 25, 36, 37, 3, 300), strict=True))
    content["videos"] = [v | {"length": lengths[v["id"]]} for v in content["videos"]]
    per_length = evaluate(GroundTruth.of(content), results_of(tracks)).per_length()
    for name, ids in {"short": {1, 5}, "medium": {2, 3}, "long": {4, 6}}.items():
        some = {
            "videos": [video for video in content["videos"] if video["id"] in ids],
            "categories": content["categories"],
            "annotations": [a for a in content["annotations"] if a["video_id"] in ids],
        }
        own_tracks = [track for track in tracks if track["video_id"] in ids]
        expected = evaluate(GroundTruth.of(some), results_of(own_tracks)).summary()
        wanted = {key: expected[key] for key in ("ap", "ap50", "ap75", "ar100")}
        assert per_length[name] == {"num_videos": 2, **wanted}


def test_without_predictions_every_number_is_zero():
    content, _ = generated(0, 1)
    evaluation = evaluate(GroundTruth.of(content), Results.of([]))
    numbers = evaluation.summary()
    assert numbers.pop("ap_m") == numbers.pop("ap_l") == -1
    assert numbers.pop("ar_m") == numbers.pop("ar_l") == -1
    assert set(numbers.values()) == {0.0}
    assert any("no predictions" in warning for warning in evaluation.warnings)


def test_without_ground_truth_every_number_is_minus_one():
    content, tracks = generated(0, 1)
    evaluation = evaluate(GroundTruth.of(content | {"annotations": []}), results_of(tracks))
    assert set(evaluation.summary().values()) == {-1.0}
    assert any("no object" in warning for warning in evaluation.warnings)
