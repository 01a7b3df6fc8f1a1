"""HOTA over the score threshold, and videos whose scores are all below the one in use."""

import json

import numpy as np
import pytest

from compare_workload import generate
from hostile_calls import call
from paths import GOLDEN
from vis_bench.data.annotations import GroundTruth, read_annotations
from vis_bench.data.results_file import Results, Track, read_results
from vis_bench.metrics.tracking.evaluate import evaluate_tracking
from vis_bench.metrics.tracking.score_threshold import (
    THRESHOLDS,
    caveat,
    caveats,
    hota_at,
    hota_over_threshold,
    unseen_videos,
)


@pytest.fixture(scope="module", params=["eval_quirks", "eval_dense", "tracking_made"])
def sides(request):
    truth = read_annotations(GOLDEN / f"{request.param}.gt.json")
    return truth, read_results(GOLDEN / f"{request.param}.preds.json")


def test_hota_is_that_of_each_threshold(sides):
    found = hota_over_threshold(*sides, 0.35)
    assert found.thresholds_C.tolist() == sorted({*THRESHOLDS, 0.35})
    for threshold, hota in zip(found.thresholds_C.tolist(), found.hota_C.tolist(), strict=True):
        assert hota == evaluate_tracking(*sides, threshold).headline()["hota"]
    best = max(found.hota_C.tolist())
    assert found.best == (found.thresholds_C[found.hota_C.tolist().index(best)], best)
    assert hota_at(*sides, [2.0, 0.1])[1] == evaluate_tracking(*sides, 0.1).headline()["hota"]
    assert hota_at(*sides, []) == []


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.9, 2.0])
def test_unseen_videos_have_tracks_and_none_above(sides, threshold):
    truth, results = sides
    for video, is_unseen in zip(
        truth.videos, unseen_videos(truth, results, threshold).tolist(), strict=True
    ):
        scores = [
            track.score
            for track in results.tracks
            if track.video_id == video.id and track.category_id in truth.categories
        ]
        assert is_unseen == (bool(scores) and max(scores) <= threshold)


def test_without_annotations_there_is_nothing_to_say():
    content = json.loads((GOLDEN / "tracking_made.gt.json").read_text())
    results = read_results(GOLDEN / "tracking_made.preds.json")
    truth = GroundTruth.of({**content, "annotations": []})
    assert np.isnan(hota_at(truth, results, [0.5])).all()
    assert caveats(truth, results, "r", 2.0) == []


@pytest.fixture
def half_scores(tmp_path):
    """Annotations, perfect tracks with a score of 0.5 each, and the command to evaluate them."""
    annotations, _, _ = generate(3, 4, 2, 3)
    tracks = [
        {
            "video_id": a["video_id"],
            "category_id": a["category_id"],
            "score": 0.5,
            "segmentations": a["segmentations"],
        }
        for a in annotations["annotations"]
    ]
    for name, content in (("gt", annotations), ("r", tracks)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    files = ["--annotations", tmp_path / "gt.json", "--predictions", tmp_path / "r.json"]
    return annotations, tracks, ["eval", *files, "--tracking"]


def test_eval_names_scores_that_are_all_below_the_threshold(half_scores):
    annotations, _, command = half_scores
    seen = len({a["video_id"] for a in annotations["annotations"]})
    code, out, err = call(*command)
    assert code == 0
    assert f"none in {seen} of 4 videos" in err
    assert "HOTA is 100.0 at 0" in err
    _, out, _ = call(*command, "--json")
    report = json.loads(out)
    assert report["tracking"]["det_averaged"]["hota"] == 0
    assert sum(f"none in {seen} of 4 videos" in warning for warning in report["warnings"]) == 1
    _, out, err = call(*command, "--score-threshold", 0.4, "--json")
    assert json.loads(out)["warnings"] == []
    assert err == ""


def test_of_two_sides_the_one_without_tracks_is_named(half_scores):
    annotations, tracks, _ = half_scores
    truth = GroundTruth.of(annotations)
    higher = [track | {"score": 0.9} for track in tracks]
    both = [
        hota_over_threshold(truth, Results.of([Track(**track) for track in own]), 0.5)
        for own in (higher, tracks)
    ]
    assert caveat(both[:1], ["one"]) == ""
    text = caveat(both, ["one", "other"])
    assert "other has none in" in text
    assert "one has none" not in text
    assert "A 100.0 at 0, B 100.0 at 0" in text
