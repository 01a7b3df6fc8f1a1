"""Permuted category ids are suspected where masks find objects under other classes."""

import json

import vis_bench
from paths import GOLDEN


def evaluated(folder, moved):
    """The synthetic golden's own objects as tracks, with category ids moved."""
    truth = GOLDEN / "ovis_made.gt.json"
    content = json.loads(truth.read_text())
    ids = sorted({category["id"] for category in content["categories"]})
    tracks = [
        {
            "video_id": thing["video_id"],
            "category_id": ids[(ids.index(thing["category_id"]) + moved) % len(ids)],
            "score": 0.9,
            "segmentations": [
                mask if isinstance(mask, dict) and isinstance(mask["counts"], str) else None
                for mask in thing["segmentations"]
            ],
        }
        for thing in content["annotations"]
        if not thing.get("iscrowd")
    ]
    (folder / "results.json").write_text(json.dumps(tracks))
    return vis_bench.evaluate(truth, folder / "results.json")


def test_permuted_ids_are_named_with_both_figures(tmp_path):
    report = evaluated(tmp_path, moved=1)
    ap50 = report.summary()["ap50"]
    assert ap50 < 0.02
    [warning] = [text for text in report.warnings if "classes are ignored" in text]
    assert f"AP50 is {100 * ap50:.1f}" in warning
    assert "results.json" in warning


def test_right_ids_are_not(tmp_path):
    report = evaluated(tmp_path, moved=0)
    assert report.summary()["ap50"] > 0.5
    assert not [text for text in report.warnings if "classes are ignored" in text]


def test_bad_masks_are_not(tmp_path):
    """Nothing is found under any class."""
    evaluated(tmp_path, moved=0)
    tracks = json.loads((tmp_path / "results.json").read_text())
    for track in tracks:
        track["segmentations"] = [None] * len(track["segmentations"])
    (tmp_path / "results.json").write_text(json.dumps(tracks))
    report = vis_bench.evaluate(GOLDEN / "ovis_made.gt.json", tmp_path / "results.json")
    assert report.summary()["ap50"] < 0.02
    assert not [text for text in report.warnings if "classes are ignored" in text]
