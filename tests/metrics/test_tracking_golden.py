"""HOTA, IDF1 and TETA against what the reference implementations compute."""

import json

import numpy as np
import pytest

from paths import GOLDEN
from vis_bench.data.annotations import GroundTruth, read_annotations
from vis_bench.data.results_file import read_results
from vis_bench.errors import InputError
from vis_bench.metrics.tracking.evaluate import evaluate_tracking

FIELDS = ("HOTA", "DetA", "AssA", "LocA", "DetRe", "DetPr", "AssRe", "AssPr", "OWTA",
          "HOTA_TP", "HOTA_FN", "HOTA_FP")  # fmt: skip
EXACT = {"rtol": 0, "atol": 1e-12}


@pytest.fixture(scope="module", params=["tiny", "made", "quirks", "dense"])
def files(request):
    stem = GOLDEN / f"tracking_{request.param}"
    expected = json.loads(stem.with_suffix(".expected.json").read_text())
    parts = (
        read_annotations(GOLDEN / expected["ground_truth"]),
        read_results(GOLDEN / expected["predictions"]),
    )
    return parts, expected["thresholds"], np.load(stem.with_suffix(".arrays.npz"))


@pytest.fixture(scope="module", params=["0.5", "0.1"])
def golden(request, files):
    parts, expected, arrays = files
    evaluation = evaluate_tracking(*parts, float(request.param))
    start = f"{request.param}/"
    own = {key[len(start) :]: arrays[key] for key in arrays.files if key.startswith(start)}
    return evaluation, expected[request.param], own


def assert_same(numbers, expected):
    for name, value in expected.items():
        np.testing.assert_allclose(numbers[name.lower()], value, **EXACT, err_msg=name)


def assert_same_curves(curves, expected):
    for name, expected_A in zip(FIELDS, expected, strict=True):
        own = curves[name.lower().removeprefix("hota_") if "_" in name else name.lower()]
        np.testing.assert_allclose(own, expected_A, **EXACT, err_msg=name)


def test_combined_numbers(golden):
    evaluation, expected, _ = golden
    assert_same(evaluation.detections().numbers(), expected["det_averaged"])
    assert_same(evaluation.class_averaged(), expected["class_averaged"])
    assert_same(evaluation.class_averaged(all_listed=True), expected["class_averaged_all_listed"])
    assert_same(evaluation.class_agnostic().numbers(), expected["class_agnostic"])


def test_numbers_per_category(golden):
    evaluation, expected, _ = golden
    assert set(evaluation.categories) == set(map(int, expected["per_category"]))
    for key, numbers in expected["per_category"].items():
        assert_same(evaluation.category(int(key)).numbers(), numbers)


def test_curves_over_thresholds(golden):
    evaluation, _, arrays = golden
    assert_same_curves(evaluation.detections().curves(), arrays["det_averaged"])
    assert_same_curves(evaluation.class_averaged_curves(), arrays["class_averaged"])
    assert_same_curves(
        evaluation.class_averaged_curves(all_listed=True), arrays["class_averaged_all_listed"]
    )
    assert_same_curves(evaluation.class_agnostic().curves(), arrays["class_agnostic"])
    for key in evaluation.categories:
        assert_same_curves(evaluation.category(key).curves(), arrays[f"category_{key}"])


def test_each_sequence(golden):
    evaluation, _, arrays = golden
    videos = {video.id: video for video in evaluation.videos}
    for place, (video, key) in enumerate(arrays["pairs/ids"].tolist()):
        curves = videos[video].sequences[key].curves()
        for name, own in (("HOTA", "hota"), ("HOTA_TP", "tp"), ("AssA", "assa")):
            np.testing.assert_allclose(curves[own], arrays[f"pairs/{name}"][place], **EXACT)


def test_which_tracks_take_part(golden):
    evaluation, expected, _ = golden
    assert sorted(evaluation.annotated) == expected["categories_with_objects"]
    assert sum(video.num_tracks for video in evaluation.videos) == expected["tracks_kept"]
    distinct = sum(video.num_distinct_tracks for video in evaluation.videos)
    assert distinct == expected["tracks_kept_class_agnostic"]


def test_teta(golden):
    evaluation, expected, _ = golden
    assert_same(evaluation.teta(), expected["teta"]["class_averaged"])
    per_category = evaluation.teta_per_category()
    assert set(per_category) == set(map(int, expected["teta"]["per_category"]))
    for key, numbers in expected["teta"]["per_category"].items():
        assert_same(per_category[int(key)], numbers)


def test_teta_counts(golden):
    evaluation, _, arrays = golden
    for key in evaluation.annotated:
        counts = evaluation.teta_category(key)
        curves = counts.curves()
        own = (
            counts.loc_tp_A,
            counts.loc_fn_A,
            counts.loc_fp_A,
            curves["assoca"],
            curves["assocre"],
            curves["assocpr"],
        )
        np.testing.assert_allclose(own, arrays[f"teta/category_{key}"], **EXACT)
        own = counts.cls_tp_A, counts.cls_fn_A, counts.cls_fp_A
        np.testing.assert_array_equal(own, arrays[f"teta/category_{key}/classes"])


def test_a_video_that_claims_a_billion_frames_is_evaluated_up_to_its_last_mask():
    content = json.loads((GOLDEN / "tracking_made.gt.json").read_text())
    results = read_results(GOLDEN / "tracking_made.preds.json")
    summaries = []
    for length in (100, 1 << 30):
        for video in content["videos"]:
            video["length"] = length
        summaries.append(evaluate_tracking(GroundTruth.of(content), results).summary())
    assert summaries[0] == summaries[1]
    content["videos"][0]["length"] = 1 << 40
    with pytest.raises(InputError, match="length 1099511627776"):
        GroundTruth.of(content)
