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
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
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
