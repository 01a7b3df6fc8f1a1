"""The lines of docs/from_ultralytics.md on a stand-in for the package, whose tracks are known."""

import json
import re
import sys
import types

import numpy as np
import pytest
import torch

from paths import ROOT
from short_videos import write_short_videos
from vis_bench.cli import main
from vis_bench.data.results_file import read_results
from vis_bench.masks.rle import decode

PAGE = ROOT / "docs" / "from_ultralytics.md"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The annotations and frames that the page names, and the package, which finds all objects."""
    content = write_short_videos(tmp_path)
    content["categories"] = [{"id": 1, "name": "car"}, {"id": 2, "name": "truck"}]
    for thing in content["annotations"]:
        thing["category_id"] = 1 + thing["id"] % 2
    (tmp_path / "instances.json").write_text(json.dumps(content))
    (tmp_path / "mine").symlink_to(tmp_path / "val" / "JPEGImages")
    names = {
        f"mine/{n}": (v["id"], t) for v in content["videos"] for t, n in enumerate(v["file_names"])
    }

    class YOLO:
        def __init__(self, weights):
            self.seen = []

        def track(self, source, persist, retina_masks, verbose):
            assert persist
            assert retina_masks
            video_id, t = names[source]
            self.seen.append((video_id, t))
            assert [place for _, place in self.seen] == list(range(len(self.seen)))
            assert {video for video, _ in self.seen} == {video_id}
            found = [
                (a, decode(rle))
                for a in content["annotations"]
                if a["video_id"] == video_id and (rle := a["segmentations"][t])
            ]
            classes = [{1: 2, 2: 7}[a["category_id"]] for a, _ in found]
            boxes = types.SimpleNamespace(
                id=torch.tensor([float(a["id"]) for a, _ in found]) if found else None,
                cls=torch.tensor([*map(float, classes)]),
                conf=torch.full((len(found),), 0.5 + 0.25 * (t % 2)),
            )
            masks = (
                torch.from_numpy(np.stack([m for _, m in found]).astype(np.uint8))
                if found
                else None
            )
            return [types.SimpleNamespace(boxes=boxes, masks=types.SimpleNamespace(data=masks))]

    monkeypatch.setitem(sys.modules, "ultralytics", types.ModuleType("ultralytics"))
    sys.modules["ultralytics"].YOLO = YOLO
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_lines_give_the_tracks_of_the_package(folder, capsys):
    code, _ = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    exec(compile(code, str(PAGE), "exec"), {})
    assert "AP 100.0" in capsys.readouterr().out
    content = json.loads((folder / "instances.json").read_text())
    tracks = read_results(folder / "results.json").tracks
    assert len(tracks) == len(content["annotations"])
    for track in tracks:
        present = [t for t, code in enumerate(track.segmentations) if code]
        assert track.score == pytest.approx(np.mean([0.5 + 0.25 * (t % 2) for t in present]))
    words = "eval --annotations instances.json --predictions results.json --json"
    assert main(words.split()) == 0
    assert json.loads(capsys.readouterr().out)["ap"] == 1.0


def result_of(boxes_N7, masks_NHW, names):
    """What the package's predictor yields for a frame: its own class, where it is installed."""
    try:
        from ultralytics.engine.results import Results
    except (ImportError, AttributeError):
        boxes = types.SimpleNamespace(id=boxes_N7[:, 4], conf=boxes_N7[:, 5], cls=boxes_N7[:, 6])
        masks = None if masks_NHW is None else types.SimpleNamespace(data=masks_NHW)
        return types.SimpleNamespace(boxes=boxes, masks=masks, names=names)
    size_HW = (4, 4) if masks_NHW is None else tuple(masks_NHW.shape[1:])
    image = np.zeros((*size_HW, 3), np.uint8)
    return Results(image, "a.jpg", names, boxes=boxes_N7, masks=masks_NHW)


def test_the_lines_of_sam_3_give_the_tracks_of_its_predictor(tmp_path, monkeypatch, capsys):
    content = write_short_videos(tmp_path)
    prompts = ["car", "delivery truck"]
    content["categories"] = [{"id": n, "name": name} for n, name in enumerate(prompts, 1)]
    for thing in content["annotations"]:
        thing["category_id"] = 1 + thing["id"] % 2
    (tmp_path / "instances.json").write_text(json.dumps(content))
    videos = {own["file_names"][0].split("/")[0]: own for own in content["videos"]}

    class Predictor:
        def __init__(self, overrides):
            assert overrides["model"]

        def __call__(self, source, text, stream):
            assert (text, stream) == (prompts, True)
            video = videos[source.removeprefix("mine/").removesuffix(".mp4")]
            for t in range(video["length"]):
                found = [
                    (own, decode(rle))
                    for own in content["annotations"]
                    if own["video_id"] == video["id"] and (rle := own["segmentations"][t])
                ]
                rows = [[0, 0, 1, 1, own["id"], 0.9, own["category_id"] - 1] for own, _ in found]
                masks = [torch.from_numpy(mask).bool() for _, mask in found]
                boxes_N7 = torch.tensor(rows, dtype=torch.float).reshape(-1, 7)
                yield result_of(boxes_N7, torch.stack(masks) if masks else None, prompts)

    sam = types.ModuleType("ultralytics.models.sam")
    sam.SAM3VideoSemanticPredictor = Predictor
    for name in ("ultralytics", "ultralytics.models"):
        if name not in sys.modules:
            monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "ultralytics.models.sam", sam)
    monkeypatch.chdir(tmp_path)
    _, code = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    exec(compile(code, str(PAGE), "exec"), {})
    assert "AP 100.0" in capsys.readouterr().out
    tracks = read_results(tmp_path / "results.json").tracks
    expected = [(own["video_id"], own["category_id"]) for own in content["annotations"]]
    assert sorted((own.video_id, own.category_id) for own in tracks) == sorted(expected)
