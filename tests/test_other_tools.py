"""The pages docs/from_*.md: other tools' figures are `vis-bench eval`'s, under the names they give.

MMDetection's metric runs in a second environment: tests/methods/external_video/test_mmdet.py.
"""

import copy
import json
import re

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from paths import GOLDEN, ROOT
from upgrade_pages import evaluated, same_figures
from vis_bench.cli import main
from vis_bench.masks.run_lengths import run_lengths


def stored(name):
    """Annotations, predictions and the official evaluator's figures of a golden."""
    return [
        json.loads((GOLDEN / f"{name}.{part}.json").read_text())
        for part in ("gt", "preds", "expected")
    ]


def written(folder, **contents):
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return [folder / f"{name}.json" for name in contents]


def or_null(figure):
    """An official figure as this project's JSON has it."""
    return None if figure == -1 else figure


@pytest.mark.parametrize("golden", ["eval_quirks", "eval_dense"])
def test_cocoapi_stats(golden, capsys):
    *_, expected = stored(golden)
    names = same_figures("from_cocoapi.md")
    files = [GOLDEN / f"{golden}.{part}.json" for part in ("gt", "preds")]
    own = evaluated(capsys, *files)
    stats = {f"stats[{k}]": figure for k, figure in enumerate(expected["stats"].values())}
    assert len(stats) == 12
    for name, figure in stats.items():
        assert own[names[name]] == or_null(figure), name


def as_detectron2_writes(truth, predictions):
    """Each frame as a mask, one without pixels where the object is absent."""
    size = {video["id"]: (video["height"], video["width"]) for video in truth["videos"]}
    entries = copy.deepcopy(predictions)
    for entry in entries:
        empty = coco_mask.encode(np.zeros((*size[entry["video_id"]], 1), np.uint8, order="F"))[0]
        empty["counts"] = empty["counts"].decode()
        entry["segmentations"] = [mask or empty for mask in entry["segmentations"]]
    return entries


@pytest.mark.parametrize("golden", ["eval_quirks", "eval_dense"])
def test_detectron2_results_file(golden, tmp_path, capsys):
    truth, predictions, expected = stored(golden)
    entries = as_detectron2_writes(truth, predictions)
    assert entries != predictions
    own = evaluated(capsys, *written(tmp_path, truth=truth, results=entries))
    printed = expected["stats"]
    names = same_figures("from_detectron2.md")
    assert list(names) == list(printed)[:8]
    for name, key in names.items():
        assert own[key] == or_null(printed[name]), name


def as_trackeval_reads(truth, predictions):
    """Ground truth as the data set is published: uncompressed run lengths, and sizes in each
    annotation; lists as long as their videos.
    """
    truth, predictions = copy.deepcopy([truth, predictions])
    videos = {video["id"]: video for video in truth["videos"]}
    for entry in (*truth["annotations"], *predictions):
        length = videos[entry["video_id"]]["length"]
        entry["segmentations"] = (entry["segmentations"] + [None] * length)[:length]
    for annotation in truth["annotations"]:
        height, width = (videos[annotation["video_id"]][side] for side in ("height", "width"))
        annotation |= {"height": height, "width": width}
        for t, mask in enumerate(annotation["segmentations"]):
            if isinstance(mask, list):
                mask = coco_mask.merge(coco_mask.frPyObjects(mask, height, width)) if mask else None
            if mask and not isinstance(mask["counts"], list):
                text = (
                    mask["counts"].decode() if isinstance(mask["counts"], bytes) else mask["counts"]
                )
                mask = {
                    "size": [height, width],
                    "counts": run_lengths(text, height * width).tolist(),
                }
            annotation["segmentations"][t] = mask if mask and sum(mask["counts"][1::2]) else None
    return truth, predictions


def without_empty(predictions):
    entries = copy.deepcopy(predictions)
    for entry in entries:
        entry["segmentations"] = [
            mask if mask and coco_mask.area(mask) else None for mask in entry["segmentations"]
        ]
    return entries


def trackeval_combined(folder, truth, predictions):
    """What the page's own lines compute in a folder laid out as TrackEval wants it."""
    places = folder / "gt/youtube_vis_val", folder / "trackers/youtube_vis_val/mine/data"
    for place, content in zip(places, (truth, predictions), strict=True):
        place.mkdir(parents=True)
        written(place, instances=content)
    page = (ROOT / "docs" / "from_trackeval.md").read_text()
    [lines] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict = {}
    exec(compile(lines, "from_trackeval.md", "exec"), names)
    return names["combined"]


def assert_equal_figures(combined, tracking):
    for theirs, own in same_figures("from_trackeval.md").items():
        figures = combined[theirs]["HOTA"] | combined[theirs]["Identity"]
        for name in (
            "HOTA",
            "DetA",
            "AssA",
            "LocA",
            "DetRe",
            "DetPr",
            "AssRe",
            "AssPr",
            "OWTA",
            "IDF1",
            "IDR",
            "IDP",
        ):
            expected = np.mean(figures[name])
            assert tracking[own][name.lower()] == pytest.approx(expected, abs=1e-12), (own, name)


def test_trackeval(tmp_path, capsys, monkeypatch):
    pytest.importorskip("trackeval")
    truth, predictions = as_trackeval_reads(*stored("tracking_made")[:2])
    predictions = without_empty(predictions)
    monkeypatch.chdir(tmp_path)
    combined = trackeval_combined(tmp_path, truth, predictions)
    files = written(tmp_path, truth=truth, results=predictions)
    own = evaluated(capsys, *files, "--tracking", "--score-threshold", "-1")["tracking"]
    assert 0.4 < own["det_averaged"]["hota"] < 0.5
    assert_equal_figures(combined, own)


def test_trackeval_counts_masks_without_pixels(tmp_path, capsys, monkeypatch):
    pytest.importorskip("trackeval")
    truth, predictions = as_trackeval_reads(*stored("tracking_made")[:2])
    predictions = without_empty(predictions)
    monkeypatch.chdir(tmp_path)
    entries = as_detectron2_writes(truth, predictions)
    combined = trackeval_combined(tmp_path, truth, entries)["cls_comb_det_av"]
    files = written(tmp_path, truth=truth, results=entries, plain=predictions)
    options = "--tracking", "--score-threshold", "-1"
    own = [evaluated(capsys, files[0], path, *options)["tracking"] for path in files[1:]]
    assert own[0] == own[1]
    assert np.mean(combined["HOTA"]["LocA"]) == pytest.approx(own[0]["det_averaged"]["loca"])
    assert np.mean(combined["HOTA"]["DetA"]) < own[0]["det_averaged"]["deta"] - 0.01


def as_youtubevis2coco_writes(truth):
    """An image per frame and an annotation per mask, as MMDetection's converter has them."""
    images, annotations = [], []
    for video in truth["videos"]:
        for t, name in enumerate(video["file_names"]):
            size = {"height": video["height"], "width": video["width"]}
            key = {"id": len(images) + 1, "video_id": video["id"]}
            images.append({**key, **size, "file_name": name, "frame_id": t})
            for instance in truth["annotations"]:
                if instance["video_id"] == video["id"] and instance["segmentations"][t]:
                    annotations.append(
                        {
                            "id": len(annotations) + 1,
                            "video_id": video["id"],
                            "image_id": len(images),
                            "instance_id": instance["id"],
                            "category_id": instance["category_id"],
                            "iscrowd": instance["iscrowd"],
                            "segmentation": instance["segmentations"][t],
                            "bbox": instance["bboxes"][t],
                            "area": instance["areas"][t],
                        }
                    )
    videos = [
        {"name": v["file_names"][0].split("/")[0], **{k: v[k] for k in ("id", "height", "width")}}
        for v in truth["videos"]
    ]
    return {
        "categories": truth["categories"],
        "videos": videos,
        "images": images,
        "annotations": annotations,
    }


def test_mmdetection_annotations(tmp_path, capsys):
    truth, *_ = stored("eval_dense")
    [theirs] = written(tmp_path, theirs=as_youtubevis2coco_writes(truth))
    assert main(["convert", str(theirs), str(tmp_path / "ytvis.json"), "--to", "ytvis"]) == 0
    predictions = GOLDEN / "eval_dense.preds.json"
    own = evaluated(capsys, tmp_path / "ytvis.json", predictions)
    expected = evaluated(capsys, GOLDEN / "eval_dense.gt.json", predictions)
    for key in ("ap", "ap50", "ap75", "ap_s", "ap_m", "ap_l", "ar100"):
        assert own[key] == expected[key]
