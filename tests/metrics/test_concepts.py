"""cgF1, phrase AP and pHOTA against SAM 3's evaluators; see tests/golden/concepts_README.md."""

import json
from pathlib import Path

import numpy as np
import pytest

from vis_bench.cli import main
from vis_bench.data.results_file import Results, Track, read_results
from vis_bench.errors import InputError
from vis_bench.masks.rle import encode_masks
from vis_bench.metrics.concepts import (
    FORGIVEN,
    PUNISHED,
    ConceptCounts,
    evaluate_concept_files,
    evaluate_concepts,
    read_concepts,
)

GOLDEN = Path(__file__).parents[1] / "golden"
TRUTH, PREDICTIONS = (GOLDEN / f"concepts_made.{name}.json" for name in ("gt", "preds"))
EXPECTED = json.loads((GOLDEN / "concepts_made.expected.json").read_text())


@pytest.fixture(scope="module")
def evaluation():
    return evaluate_concept_files(TRUTH, PREDICTIONS)


def close(value, expected):
    np.testing.assert_allclose(value, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rule", [PUNISHED, FORGIVEN])
def test_counts_and_f1_are_the_references(evaluation, rule):
    expected = EXPECTED["cgf1"][rule]
    counts = evaluation.counts(rule, np.ones((1, len(evaluation.keys))))
    for name, values_ST in (
        ("TPs", counts.tp_ST),
        ("FPs", counts.fp_ST),
        ("FNs", counts.fn_ST),
        ("positive_micro_FPs", counts.positive_fp_ST),
    ):
        assert values_ST[0].tolist() == expected[name], name
    presence = ["IL_TP", "IL_FP", "IL_FN", "IL_TN"]
    assert counts.presence_S4[0].tolist() == [expected[name] for name in presence]
    close(counts.recall_ST[0], expected["recall"])
    close(counts.positive_micro_precision_ST[0], expected["positive_micro_precision"])
    close(counts.positive_micro_f1_ST[0], expected["positive_micro_F1"])
    close(counts.cgf1_ST[0], expected["cgF1"])
    close(counts.il_mcc_S[0], expected["IL_MCC"])
    numbers = evaluation.numbers()
    numbers = numbers if rule == PUNISHED else numbers[FORGIVEN]
    close(numbers["cgf1"], expected["mean"]["cgF1"])
    close(numbers["positive_micro_f1"], expected["mean"]["positive_micro_F1"])
    close([numbers["cgf1_50"], numbers["cgf1_75"]], np.take(expected["cgF1"], [0, 5]))


def test_pairs_stand_in_the_references_order(evaluation):
    zeros = dict.fromkeys(("TPs", "FPs", "FNs"), [0] * 10)  # of true negatives the golden has none
    pairs = zip(evaluation.keys, evaluation.punished, EXPECTED["pairs"], strict=True)
    for (video, phrase), pair, expected in pairs:
        found = {
            "video_id": video,
            "category_id": phrase,
            "presence": pair.presence,
            "TPs": pair.tp_T.tolist(),
            "FPs": pair.fp_T.tolist(),
            "FNs": pair.fn_T.tolist(),
        }
        assert found == {**zeros, **expected}


def test_phrase_ap_and_phota_are_the_references(evaluation):
    numbers, expected = evaluation.numbers(), EXPECTED["phrase_ap"]
    close(
        [numbers[name] for name in ("phrase_ap", "phrase_ap50", "phrase_ap75")],
        [expected[name] for name in ("50_95", "50", "75")],
    )
    assert numbers["phota"] == EXPECTED["phota"]["HOTA"]
    found = evaluation.tracking.detections().numbers()
    assert {name: found[name.lower()] for name in EXPECTED["phota"]} == EXPECTED["phota"]


def evaluated(case, folder):
    truth, predictions = folder / "gt.json", folder / "preds.json"
    truth.write_text(json.dumps(case["gt"]))
    predictions.write_text(json.dumps(case["preds"]))
    return evaluate_concept_files(truth, predictions).numbers()


REFUSED = {"no video_np_pairs", "prediction for an unknown video"}


@pytest.mark.parametrize("case", EXPECTED["edge_cases"], ids=lambda case: case["case"])
def test_edge_cases(case, tmp_path):
    """Where the reference stops for want of a prediction, the definition gives the numbers."""
    if case["case"] in REFUSED:
        with pytest.raises(InputError):
            evaluated(case, tmp_path)
        return
    numbers, reference = evaluated(case, tmp_path), case["reference"]
    if reference["cgf1"] == "stops: IndexError":
        assert [numbers["cgf1"], numbers["il_mcc"], numbers["phrase_ap"]] == [0.0, 0.0, 0.0]
    else:
        cgf1 = {key.removeprefix("demo_"): value for key, value in reference["cgf1"].items()}
        for own, name in (
            ("cgf1", "cgf1_micro_50_95"),
            ("cgf1_50", "cgf1_micro_50"),
            ("cgf1_75", "cgf1_micro_75"),
            ("il_mcc", "ilmcc_50_95"),
            ("positive_micro_f1", "positive_micro_f1_50_95"),
        ):
            close(numbers[own], cgf1[name])
    for own, name in (("phrase_ap", "50_95"), ("phrase_ap50", "50"), ("phrase_ap75", "75")):
        if not isinstance(reference["phrase_ap"], str):
            expected = reference["phrase_ap"][f"phrase_ap_{name}"]
            assert (numbers[own] is None) == (expected in (None, -1)), name
            close(numbers[own] or 0, max(expected or 0, 0))
    if not isinstance(reference["phota"], str):
        close(numbers["phota"], reference["phota"]["all_phrase_HOTA"])


def test_samples_are_sets_with_each_video_as_often(evaluation):
    """Counts of a sample are those of a file that holds its videos alone."""
    concepts, results = read_concepts(TRUTH), read_results(PREDICTIONS)
    chosen = {video for video, _ in evaluation.keys if video % 2}
    kept = [track for track in results.tracks if track.video_id in chosen]
    content = json.loads(TRUTH.read_text())
    for key in ("annotations", "video_np_pairs"):
        content[key] = [entry for entry in content[key] if entry["video_id"] in chosen]
    part = type(concepts)(
        type(concepts.truth).of(content), [key for key in concepts.listed if key[0] in chosen]
    )
    alone = evaluate_concepts(part, Results.of(kept))
    weights = np.array([[float(video in chosen) for video, _ in evaluation.keys]])
    for rule in (PUNISHED, FORGIVEN):
        drawn = evaluation.counts(rule, weights)
        whole = alone.counts(rule, np.ones((1, len(alone.keys))))
        assert isinstance(drawn, ConceptCounts)
        for name, values in vars(drawn).items():
            assert values.tolist() == getattr(whole, name).tolist(), name


def test_intervals_surround_their_numbers(evaluation):
    numbers = evaluation.numbers()
    for name in ("cgf1", "phrase_ap", "phota"):
        assert numbers[f"{name}_low"] < numbers[name] < numbers[f"{name}_high"]
    assert numbers[FORGIVEN]["cgf1_low"] < numbers[FORGIVEN]["cgf1"]


def test_pairs_of_a_video_are_drawn_together(evaluation, tmp_path):
    """A twin of every phrase, with the same objects and tracks, is no new video."""
    truth, tracks = (json.loads(path.read_text()) for path in (TRUTH, PREDICTIONS))
    for entries in (truth["annotations"], truth["video_np_pairs"], tracks):
        entries += [{**entry, "category_id": entry["category_id"] + 10**6} for entry in entries]
    truth["categories"] += [
        {**entry, "id": entry["id"] + 10**6, "name": f"{entry['name']} too"}
        for entry in truth["categories"]
    ]
    for number, entry in enumerate(truth["annotations"], 1):
        entry["id"] = number
    for name, content in (("gt", truth), ("preds", tracks)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    twice = evaluate_concept_files(tmp_path / "gt.json", tmp_path / "preds.json").numbers()
    once = evaluation.numbers()
    for name in ("cgf1", "cgf1_low", "cgf1_high", "phota", "phota_low", "phota_high"):
        assert twice[name] == pytest.approx(once[name], abs=1e-6), name


def test_many_listed_phrases_cost_nothing(tmp_path):
    """Of 50,000 categories, one of which occurs, no array or row is made."""
    mask = encode_masks(np.ones((1, 4, 6), bool))[0]
    content = {
        "videos": [{"id": 1, "height": 4, "width": 6, "length": 2}],
        "categories": [{"id": n, "name": f"phrase {n}"} for n in range(1, 50_001)],
        "annotations": [
            {"id": 1, "video_id": 1, "category_id": 7, "segmentations": [mask, None]},
        ],
        "video_np_pairs": [{"id": 1, "video_id": 1, "category_id": 7}],
    }
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(content))
    results = Results.of([Track(1, 7, 0.9, [mask, None])])
    evaluation = evaluate_concepts(read_concepts(path), results)
    assert len(evaluation.keys) == len(evaluation.matches.categories) == 1
    assert evaluation.tracking.categories == {1: "phrase"}
    assert evaluation.numbers()["phrase_ap50"] == pytest.approx(1)


def test_the_command(capsys):
    files = ["--annotations", str(TRUTH), "--predictions", str(PREDICTIONS), "--concepts"]
    assert main(["eval", *files, "--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)["concepts"]
    assert numbers["cgf1"] == pytest.approx(EXPECTED["cgf1"][PUNISHED]["mean"]["cgF1"], abs=1e-12)
    assert numbers["crowd_rule"] == PUNISHED
    assert main(["eval", *files]) == 0
    assert "48.5" in capsys.readouterr().out
    for other in ("--tracking", "--per-category"):
        assert main(["eval", *files, other]) == 2
        assert other in capsys.readouterr().err


@pytest.mark.parametrize(
    "pairs", [None, {}, [1], [{"video_id": 1}], [{"video_id": 99, "category_id": 1}]]
)
def test_malformed_pairs_are_refused(tmp_path, pairs):
    content = json.loads(TRUTH.read_text())
    content["video_np_pairs"] = pairs
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="video_np_pairs"):
        read_concepts(path)
