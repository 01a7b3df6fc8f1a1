"""`eval --tracking`: what it prints, as text and as JSON, and what it refuses."""

import json
import re

import pytest

from hostile_calls import call
from paths import GOLDEN

EXPECTED = json.loads((GOLDEN / "tracking_made.expected.json").read_text())
GROUPS = ("det_averaged", "class_averaged", "class_averaged_all_listed", "class_agnostic")


def evaluate(*options, annotations=GOLDEN / "tracking_made.gt.json"):
    paths = ["--annotations", annotations, "--predictions", GOLDEN / "tracking_made.preds.json"]
    return call("eval", *paths, *options)


def lowered(numbers):
    return {name.lower(): pytest.approx(value, abs=1e-12) for name, value in numbers.items()}


@pytest.mark.parametrize("threshold", [0.5, 0.1])
def test_json_holds_the_reference_numbers(threshold):
    code, out, _ = evaluate("--tracking", "--score-threshold", threshold, "--json")
    assert code == 0
    tracking = json.loads(out)["tracking"]
    expected = EXPECTED["thresholds"][str(threshold)]
    assert tracking["score_threshold"] == threshold
    for group in GROUPS:
        assert tracking[group] == lowered(expected[group])
    assert tracking["teta"] == lowered(expected["teta"]["class_averaged"])
    for row in tracking["per_category"]:
        key = str(row["id"])
        numbers = {k: v for k, v in row.items() if k not in ("id", "name", "annotated", "teta")}
        assert numbers == lowered(expected["per_category"][key])
        assert row["annotated"] == (key in expected["teta"]["per_category"])
        if row["annotated"]:
            assert row["teta"] == lowered(expected["teta"]["per_category"][key])
        else:
            assert row["teta"] is None


def test_text_shows_points():
    code, out, _ = evaluate("--tracking", "--per-category")
    assert code == 0
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in out.splitlines()]
    assert ["tracking, score above 0.5", "HOTA", "DetA", "AssA", "LocA", "IDF1"] in cells
    assert ["all detections", "49.0", "35.4", "68.7", "84.2", "52.0"] in cells
    assert ["without classes", "55.5", "46.4", "67.3", "84.6", "61.5"] in cells
    assert ["mean of classes", "43.9", "45.9", "51.1", "34.6"] in cells
    assert ["class_5", *["-"] * 6] in cells


def test_without_the_option_nothing_changes():
    _, out, _ = evaluate("--json")
    assert "tracking" not in json.loads(out)
    assert "HOTA" not in evaluate()[1]
    _, both, _ = evaluate("--tracking", "--json")
    both = json.loads(both)
    del both["tracking"]
    assert both == json.loads(out)


def test_nothing_annotated_is_null_and_a_dash(tmp_path):
    content = json.loads((GOLDEN / "tracking_made.gt.json").read_text())
    annotations = tmp_path / "gt.json"
    annotations.write_text(json.dumps({**content, "annotations": []}))
    code, out, _ = evaluate("--tracking", "--json", annotations=annotations)
    assert code == 0
    tracking = json.loads(out)["tracking"]
    for group in (*GROUPS, "teta"):
        assert set(tracking[group].values()) == {None}
    names = EXPECTED["thresholds"]["0.5"]["det_averaged"]
    assert list(tracking["det_averaged"]) == [name.lower() for name in names]
    code, out, _ = evaluate("--tracking", "--per-category", annotations=annotations)
    assert code == 0
    assert re.search(r"\| all detections +\| +- \|", out)


def test_a_record_holds_them_too(tmp_path):
    code, out, err = evaluate(
        "--tracking", "--record", "Mine", "--dataset", "mine", "--output", tmp_path
    )
    assert code == 0, err
    assert "HOTA" in out
    (path,) = (p for p in tmp_path.glob("*.json") if not p.name.endswith(".results.json"))
    record = json.loads(path.read_text())
    expected = EXPECTED["thresholds"]["0.5"]
    assert record["tracking_score_threshold"] == 0.5
    for name in ("HOTA", "DetA", "AssA", "LocA", "IDF1"):
        assert record[name.lower()] == pytest.approx(expected["det_averaged"][name], abs=1e-12)
    assert record["teta"] == pytest.approx(expected["teta"]["class_averaged"]["TETA"], abs=1e-12)
