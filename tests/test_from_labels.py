"""The lines of docs/from_cvat.md and docs/from_sam.md on files and calls of those tools' forms."""

import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

import vis_bench
from paths import ROOT
from short_videos import write_short_videos
from vis_bench.cli import main
from vis_bench.masks.rle import decode


def lines_of(page):
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)
    return compile(code, page, "exec")


def square(left, top, side):
    return [[left, top], [left + side, top], [left + side, top + side], [left, top + side]]


def test_labelme(tmp_path, monkeypatch, capsys):
    """Two objects of one label, of which one is in two parts in a frame and absent in another."""
    shapes = {
        ("a", 0): [("cat", 1, square(2, 2, 4)), ("cat", 2, square(20, 2, 4))],
        ("a", 1): [("cat", 1, square(2, 2, 4)), ("cat", 1, square(10, 10, 4))],
        ("b", 0): [("dog", None, square(5, 5, 6))],
    }
    for (video, t), found in shapes.items():
        folder = tmp_path / "labelled" / video
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 24)).save(folder / f"{t}.png")
        content = {
            "imagePath": f"{t}.png",
            "imageWidth": 32,
            "imageHeight": 24,
            "shapes": [
                {"label": label, "group_id": key, "points": points, "shape_type": "polygon"}
                for label, key, points in found
            ],
        }
        (folder / f"{t}.json").write_text(json.dumps(content))
    monkeypatch.chdir(tmp_path)
    exec(lines_of("from_cvat.md"), {})
    assert main(["validate", "instances.json", "--frames", "labelled"]) == 0
    written = json.loads((tmp_path / "instances.json").read_text())
    assert [c["name"] for c in written["categories"]] == ["cat", "dog"]
    assert [v["file_names"] for v in written["videos"]] == [["a/0.png", "a/1.png"], ["b/0.png"]]
    things = {(a["video_id"], a["category_id"]): [] for a in written["annotations"]}
    for a in written["annotations"]:
        things[a["video_id"], a["category_id"]].append([len(m or ()) for m in a["segmentations"]])
    assert things == {(1, 1): [[1, 2], [1, 0]], (2, 2): [[1]]}
    capsys.readouterr()


class Predictor:
    """Gives the annotated objects of a video as SAM 2 does: frame, ids and logits (N, 1, H, W)."""

    def __init__(self, things, size):
        self.things, self.size = things, size

    def propagate_in_video(self, state):
        for t in range(state["num_frames"]):
            masks = [
                decode(thing["segmentations"][t])
                if thing["segmentations"][t]
                else np.zeros(self.size, bool)
                for thing in self.things
            ]
            logits_N1HW = torch.from_numpy(np.stack(masks))[:, None] * 20.0 - 10
            yield t, list(range(len(masks))), logits_N1HW


def test_sam_2(tmp_path):
    content = write_short_videos(tmp_path)
    names: dict = {}
    exec(lines_of("from_sam.md"), names)
    evaluator = vis_bench.Evaluator(tmp_path / "val.json")
    for video in content["videos"]:
        things = [a for a in content["annotations"] if a["video_id"] == video["id"]]
        predictor = Predictor(things, (video["height"], video["width"]))
        names["add_video"](
            evaluator,
            video["id"],
            predictor,
            {"num_frames": video["length"]},
            [0.9] * len(things),
            [a["category_id"] for a in things],
        )
    assert evaluator.compute().summary()["ap"] == pytest.approx(1)
    assert evaluator.compute().warnings == []
