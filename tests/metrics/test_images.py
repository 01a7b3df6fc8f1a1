"""Instances of single images: the numbers are COCOeval's, to the digit."""

import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from paths import GOLDEN
from vis_bench.cli import main
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.categories import CATEGORIES
from vis_bench.data.results_file import parse_results, read_results, write_results
from vis_bench.errors import InputError
from vis_bench.masks.rle import encode_masks
from vis_bench.metrics.ap import evaluate, evaluate_files
from vis_bench.metrics.coco import evaluate_images
from vis_bench.metrics.scores import Asked
from vis_bench.record.store import read_record
from vis_bench.show.evaluation import EvaluationReport

FACTS = json.loads((GOLDEN / "ifc_r50_coco.json").read_text())
RUNS = {f"{run['memory_tokens']} tokens, {run['resolution']}": run for run in FACTS["runs"]}


def annotations():
    """The golden ground truth as an annotations file of COCO."""
    categories = [{"id": key, "name": name} for key, name in CATEGORIES["coco"].items()]
    return {**FACTS["ground_truth"], "categories": categories}


def results(run):
    return [
        {
            "image_id": int(image_id),
            **{key: prediction[key] for key in ("category_id", "segmentation", "score")},
        }
        for image_id, image in run["images"].items()
        for prediction in image["predictions"]
    ]


@pytest.fixture
def files(tmp_path):
    """Writes an annotations and a results file; returns their paths."""

    def write(entries, content=None):
        paths = tmp_path / "instances_val2017.json", tmp_path / "results.json"
        for path, values in zip(paths, (content or annotations(), entries), strict=True):
            path.write_text(json.dumps(values))
        return paths

    return write


@pytest.mark.parametrize("name", RUNS)
def test_golden_statistics(files, name):
    evaluation = evaluate_files(*files(results(RUNS[name])))
    assert evaluation.summary() == RUNS[name]["coco_eval_segm"]


def test_boxes_in_a_results_file_change_nothing(files):
    """Pycocotools takes areas from boxes, which moves AP by area."""
    run = FACTS["runs"][0]
    predictions = [p for image in run["images"].values() for p in image["predictions"]]
    boxed = [
        {**entry, "bbox": prediction["bbox"]}
        for entry, prediction in zip(results(run), predictions, strict=True)
    ]
    assert evaluate_files(*files(boxed)).summary() == run["coco_eval_segm"]


def random_case(seed):
    """Annotations with crowds, polygons, empty images and small objects, and detections of them."""
    rng = np.random.default_rng(seed)
    images = [{"id": n, "height": 120, "width": 140, "file_name": f"{n}.png"} for n in (3, 5, 8)]
    categories = [{"id": key, "name": str(key)} for key in (1, 4, 9)]
    objects, detections = [], []
    for _ in range(30):
        top, left = rng.integers(0, 60, 2)
        height, width = rng.integers(3, 60, 2)
        mask_HW = np.zeros((120, 140), bool)
        mask_HW[top : top + height, left : left + width] = True
        [code] = encode_masks(mask_HW[None])
        image_id, category_id = int(rng.choice([3, 5])), int(rng.choice([1, 4]))
        if rng.random() < 0.5:
            right, bottom = left + width, top + height
            corners = [left, top, right, top, right, bottom, left, bottom]
            crowd = bool(rng.random() < 0.2)
            objects.append(
                {
                    "id": len(objects) + 1,
                    "image_id": image_id,
                    "category_id": category_id,
                    "iscrowd": int(crowd),
                    "area": float(height * width) + 0.25,
                    "segmentation": code if crowd else [[float(c) for c in corners]],
                    "bbox": [float(v) for v in (left, top, width, height)],
                }
            )
        moved_HW = np.roll(mask_HW, int(rng.integers(0, 4)), 1)
        [moved] = encode_masks(moved_HW[None])
        detections.append(
            {
                "image_id": image_id,
                "category_id": category_id,
                "segmentation": moved,
                "score": float(rng.integers(1, 8)) / 8,
            }
        )
    return {"images": images, "categories": categories, "annotations": objects}, detections


@pytest.mark.parametrize("seed", range(3))
def test_numbers_are_those_of_pycocotools_on_the_same_files(files, seed):
    content, detections = random_case(seed)
    paths = files(detections, content)
    truth = COCO(str(paths[0]))
    evaluator = COCOeval(truth, truth.loadRes(str(paths[1])), "segm")
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summarize()
    evaluation = evaluate_files(*paths)
    assert list(evaluation.summary().values()) == evaluator.stats.tolist()
    precision = evaluator.eval["precision"]
    for k, row in enumerate(evaluation.per_category()):
        found = precision[:, :, k, 0, 2]
        assert row["ap"] == (found[found > -1].mean() if (found > -1).any() else -1)
    assert [row["id"] for row in evaluation.per_category()] == [1, 4]
    assert EvaluationReport(evaluation).as_json(per_category=True)["categories_left_out"] == 1
    assert "1 of 3 listed categories" in EvaluationReport(evaluation).as_text(per_category=True)


def test_no_detections_and_no_objects(files):
    content, _ = random_case(0)
    assert evaluate_files(*files([], content)).summary()["ap"] == 0
    bare = {**content, "annotations": []}
    assert set(evaluate_files(*files([], bare)).summary().values()) == {-1}


def test_results_are_written_as_they_are_read(files, tmp_path):
    entries = results(FACTS["runs"][0])
    tracks = read_results(files(entries)[1]).tracks
    assert {len(track.segmentations) for track in tracks} == {1}
    write_results(tracks, tmp_path / "again.json", of_images=True)
    assert json.loads((tmp_path / "again.json").read_text()) == entries


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"segmentation": None}, "entry 0"),
        ({"image_id": 99}, "video_id 99; expected one of the 3"),
        ({"image_id": "1"}, r"entry 0 \(image '1'\) has image_id '1'; expected an integer"),
        ({"score": None}, "score None; expected a finite number"),
    ],
)
def test_a_wrong_entry_is_named(files, change, message):
    entries = results(FACTS["runs"][0])
    entries[0] |= change
    if change == {"segmentation": None}:
        del entries[0]["segmentation"]
    with pytest.raises(InputError, match=message):
        evaluate_files(*files(entries))


def test_a_track_of_several_frames_is_refused():
    truth = GroundTruth.of(annotations())
    track = {"video_id": 1, "category_id": 1, "score": 0.5, "segmentations": [None, None]}
    with pytest.raises(InputError, match="has 2 masks; expected one, since the annotations"):
        evaluate_images(truth, parse_results(json.dumps([track]).encode(), "r.json"))


def test_what_needs_videos_says_so(files):
    paths = files(results(FACTS["runs"][0]))
    with pytest.raises(InputError, match="lists single images, which have no tracks"):
        evaluate_files(*paths, Asked(tracking_threshold=0.5))
    truth = GroundTruth.of(json.loads(paths[0].read_text()), "val.json")
    with pytest.raises(InputError, match=r"val.json lists single images, which have only AP"):
        evaluate(truth, read_results(paths[1]))


def test_eval_prints_and_records_images(files, tmp_path, capsys):
    run = FACTS["runs"][0]
    paths = files(results(run))
    options = ["eval", "--annotations", str(paths[0]), "--predictions", str(paths[1])]
    assert main([*options, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    wanted = {key: None if v == -1 else v for key, v in run["coco_eval_segm"].items()}
    assert {key: printed[key] for key in wanted} == wanted
    assert "per_length" not in printed
    assert main([*options, "--per-category"]) == 0
    text = capsys.readouterr().out
    assert "all images" in text
    assert "toilet" in text
    store = tmp_path / "records"
    assert main([*options, "--record", "IFC", "--output", str(store)]) == 0
    [path] = [p for p in store.glob("*.json") if not p.name.endswith(".results.json")]
    record = read_record(path)
    assert (record.dataset, record.num_videos, record.num_frames) == ("coco", 3, 3)
    assert {key: getattr(record, key) for key in wanted} == wanted
    assert (record.ap_low, record.hota) == (None, None)
