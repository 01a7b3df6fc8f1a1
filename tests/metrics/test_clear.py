"""CLEAR against TrackEval's figures, by hand, and its intervals."""

import json
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest

import vis_bench
from paths import GOLDEN
from tracking_reference import dense_frames
from vis_bench.cli import main
from vis_bench.data.annotations import read_annotations
from vis_bench.data.results_file import read_results
from vis_bench.metrics.half_samples import count_samples
from vis_bench.metrics.scores import Asked
from vis_bench.metrics.tracking.clear import COUNTED, ClearCounts, count_clear
from vis_bench.metrics.tracking.evaluate import evaluate_tracking, resample_tracking

COUNTS = {*COUNTED}


def files_of(name):
    expected = json.loads((GOLDEN / f"clear_{name}.expected.json").read_text())
    return [str(GOLDEN / expected[key]) for key in ("ground_truth", "predictions")], expected


def assert_same(numbers, expected):
    for name, value in expected.items():
        own = numbers[name.lower()]
        if name.lower() in COUNTS:
            assert own == value, name
        else:
            assert own == pytest.approx(value, abs=1e-12), name


@pytest.mark.parametrize("threshold", ["0.5", "0.1"])
@pytest.mark.parametrize("name", ["tiny", "made", "dense"])
def test_numbers_are_those_of_trackeval(name, threshold):
    (annotations, predictions), golden = files_of(name)
    evaluation = evaluate_tracking(
        read_annotations(Path(annotations)),
        read_results(Path(predictions)),
        float(threshold),
        asked=Asked(clear=True),
    )
    expected, summary = golden["thresholds"][threshold], evaluation.summary()
    for group in ("det_averaged", "class_averaged", "class_averaged_all_listed"):
        assert_same(summary[group], expected[group])
    rows = {str(row["id"]): row for row in evaluation.per_category()}
    for category, numbers in expected["per_category"].items():
        assert_same(rows[category], numbers)


def frames_of(ious_TGD):
    """All objects and tracks are present in every frame."""
    present = np.ones(np.shape(ious_TGD), bool)
    return dense_frames(np.array(ious_TGD, float), present.any(2), present.any(1))


@pytest.mark.parametrize(
    ("ious_TGD", "expected"),
    [
        # The pair of the frame before goes on, although the other track lies better.
        ([[[0.9, 0.6]], [[0.6, 0.9]]], {"idsw": 0, "frag": 0, "tp": 2, "fp": 2, "iou": 1.5}),
        # An IoU below 1/2 is no match: a switch, and no fragment, since nothing was between.
        ([[[0.9, 0.0]], [[0.49, 0.8]]], {"idsw": 1, "frag": 0, "tp": 2, "mt": 1}),
        # Lost in between and found by another track: a switch and a fragment.
        ([[[0.9, 0]], [[0, 0]], [[0, 0.9]]], {"idsw": 1, "frag": 1, "tp": 2, "fn": 1, "pt": 1}),
        # Lost in between and found by the same one.
        ([[[0.5]], [[0.4]], [[0.5]]], {"idsw": 0, "frag": 1, "tp": 2, "fp": 1}),
        # A fifth of the frames is partly tracked, four fifths not yet mostly.
        ([[[0.9], [0.0]]] + 4 * [[[0.0], [0.9]]], {"pt": 2, "mt": 0, "ml": 0}),
    ],
)
def test_rules_by_hand(ious_TGD, expected):
    counts = count_clear(frames_of(ious_TGD), len(ious_TGD))
    assert {name: getattr(counts, name) for name in expected} == pytest.approx(expected)


def test_numbers_of_resamples_are_those_of_their_videos():
    (annotations, predictions), _ = files_of("made")
    truth, results = read_annotations(Path(annotations)), read_results(Path(predictions))
    evaluation = evaluate_tracking(truth, results, 0.1, asked=Asked(clear=True))
    counts_BV = count_samples(len(evaluation.videos), 20, 0)
    drawn = resample_tracking(evaluation, counts_BV)
    for row_V, mota, idsw in zip(counts_BV, drawn["mota"], drawn["idsw"], strict=True):
        chosen = [v for v, times in zip(evaluation.videos, row_V, strict=True) if times]
        parts = [c.clear for video in chosen for c in video.sequences.values()]
        total = ClearCounts(*np.sum([astuple(part) for part in parts], 0))
        assert mota == pytest.approx(total.numbers()["mota"])
        assert idsw == pytest.approx(total.idsw * len(row_V) / len(chosen))


def test_a_video_without_objects_and_tracks_counts_nothing():
    (annotations, predictions), _ = files_of("made")
    truth, results = read_annotations(Path(annotations)), read_results(Path(predictions))
    evaluation = evaluate_tracking(truth, results, 0.1, asked=Asked(clear=True))
    more = replace(truth, videos=[*truth.videos, replace(truth.videos[0], id=10**6)])
    with_empty = evaluate_tracking(more, results, 0.1, asked=Asked(clear=True))
    counts_BV = count_samples(len(evaluation.videos), 20, 0)
    drawn, expected = (
        resample_tracking(e, np.pad(counts_BV, ((0, 0), (0, len(e.videos) - counts_BV.shape[1]))))
        for e in (with_empty, evaluation)
    )
    np.testing.assert_array_equal(drawn["mota"], expected["mota"])


def test_the_commands(tmp_path, capsys):
    (annotations, predictions), golden = files_of("made")
    own = ["--annotations", annotations]
    words = ["eval", *own, "--predictions", predictions, "--tracking", "--clear"]
    assert main([*words, "--json"]) == 0
    tracking = json.loads(capsys.readouterr().out)["tracking"]
    assert_same(tracking["det_averaged"], golden["thresholds"]["0.5"]["det_averaged"])
    assert tracking["mota_low"] < tracking["det_averaged"]["mota"] < tracking["mota_high"]
    assert tracking["idsw_low"] <= tracking["det_averaged"]["idsw"] <= tracking["idsw_high"]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "MOTA" in text
    assert "IDSW" in text
    assert main(["eval", *own, "--predictions", predictions, "--clear"]) == 2
    assert "--tracking" in capsys.readouterr().err
    rows = json.loads((GOLDEN / "tracking_made.preds.json").read_text())
    (tmp_path / "fewer.json").write_text(json.dumps(rows[::2]))
    compare = ["compare", *own, predictions, str(tmp_path / "fewer.json"), "--clear"]
    assert main([*compare, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["tracking"]
    report = vis_bench.evaluate(
        annotations, tmp_path / "fewer.json", tracking_threshold=0.5, clear=True
    )
    second = report.tracking.summary()["det_averaged"]
    for name in ("mota", "idsw"):
        assert found[name]["second"] == pytest.approx(second[name])
        moved = second[name] - tracking["det_averaged"][name]
        assert found[name]["difference"] == pytest.approx(moved)


def test_a_sample_without_a_video_has_no_number_and_divides_by_nothing():
    (annotations, predictions), _ = files_of("tiny")
    truth, results = read_annotations(Path(annotations)), read_results(Path(predictions))
    evaluation = evaluate_tracking(truth, results, 0.5, asked=Asked(clear=True))
    with np.errstate(all="raise"):
        numbers = resample_tracking(evaluation, np.zeros((1, len(truth.videos)), int))
    assert np.isnan([numbers["mota"], numbers["idsw"]]).all()
