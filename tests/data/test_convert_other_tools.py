"""Files of other tools: CVAT, TAO, MOTS20, DAVIS, and names that are those of frames."""

import json

import numpy as np
import pytest
from PIL import Image

from vis_bench.data.annotations import read_annotations, read_videos
from vis_bench.data.convert import convert
from vis_bench.data.convert.labelled import OVERLAPS, SCORES
from vis_bench.data.convert.png import davis_palette
from vis_bench.data.synthetic import write_dataset
from vis_bench.data.validate import validate
from vis_bench.errors import InputError
from vis_bench.masks.rle import encode_masks
from vis_bench.progress import Bars


def test_files_of_other_tools(tmp_path):
    """CVAT: tracks in attributes, from 0 in each task, frames by name, polygons."""
    content = {
        "images": [
            {"id": n, "file_name": f"{video}/frame{t}.jpg", "height": 4, "width": 6}
            for n, (video, t) in enumerate([("b", 10), ("b", 9), ("a", 0)], start=1)
        ],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [
            {
                "id": n,
                "image_id": n,
                "category_id": 1,
                "attributes": {"track_id": 0},
                "segmentation": [[0, 0, n, 0, n, 2, 0, 2]],
            }
            for n in (1, 2, 3)
        ],
    }
    source, output = tmp_path / "cvat.json", tmp_path / "out.json"
    source.write_text(json.dumps(content))
    assert convert(source, output, "ytvis") == (2, {})
    back = json.loads(output.read_bytes())
    assert [video["file_names"] for video in back["videos"]] == [
        ["a/frame0.jpg"],
        ["b/frame9.jpg", "b/frame10.jpg"],
    ]
    assert sorted((e["video_id"], e["id"], e["areas"]) for e in back["annotations"]) == [
        (1, 2, [6]),
        (2, 1, [4, 2]),
    ]


@pytest.mark.parametrize("reader", [read_annotations, read_videos])
def test_tracks_on_images_are_not_read_as_images(tmp_path, reader):
    """CVAT's file, with and without tracks: without them its images are evaluated."""
    entry = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[0, 0, 2, 0, 2, 2]]}
    content = {
        "images": [{"id": 1, "file_name": "a/0.jpg", "height": 4, "width": 6}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [entry],
    }
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(content))
    reader(path)
    assert validate(path) == []
    for track in ({"track_id": 3}, {"attributes": {"track_id": 0}}):
        path.write_text(json.dumps({**content, "annotations": [{**entry, **track}]}))
        with pytest.raises(InputError, match="--to ytvis"):
            reader(path)
        assert [(problem.kind, problem.where) for problem in validate(path)] == [
            ("file", str(path))
        ]


def test_names_are_those_of_the_frames(tmp_path):
    """PNG masks of PNG frames: without the frames they are named .jpg, which validation sees."""
    write_dataset(tmp_path / "set", Bars(quiet=True), num_videos={"val": 1})
    frames, source = tmp_path / "set" / "val" / "JPEGImages", tmp_path / "set" / "val.json"
    convert(source, tmp_path / "masks", "png")
    meta = tmp_path / "masks" / "meta.json"
    content = json.loads(meta.read_bytes())
    for video in content["videos"].values():
        del video["file_names"]
    meta.write_text(json.dumps(content))
    output = tmp_path / "back.json"
    convert(tmp_path / "masks", output, "ytvis")
    [problem] = validate(output, frames)
    assert (problem.kind, "00000.png" in problem.message) == ("frame", True), problem
    convert(tmp_path / "masks", output, "ytvis", frames=frames)
    assert validate(output, frames) == []
    names = [json.loads(path.read_bytes())["videos"][0]["file_names"] for path in (output, source)]
    assert names[0] == names[1]
    next(frames.rglob("00003.png")).unlink()
    for folder in (frames, tmp_path / "elsewhere"):
        with pytest.raises(InputError, match="val_00001"):
            convert(tmp_path / "masks", output, "ytvis", frames=folder)


def test_boxes_of_tao_have_no_masks(tmp_path):
    image = {"id": 1, "video_id": 3, "frame_index": 7, "height": 2, "width": 2}
    content = {
        "images": [image],
        "videos": [{"id": 3, "name": "v"}],
        "categories": [{"id": 1, "name": "cat"}],
        "tracks": [{"id": 9, "video_id": 3, "category_id": 1}],
        "annotations": [
            {"id": 5, "image_id": 1, "track_id": 9, "category_id": 1, "bbox": [0, 0, 1, 1]}
        ],
    }
    source = tmp_path / "tao.json"
    source.write_text(json.dumps(content))
    _, losses = convert(source, tmp_path / "out.json", "ytvis")
    assert losses == {"boxes without a mask": 1}


def test_a_results_file_becomes_pictures(tmp_path):
    """The higher score is in front, and tracks below the threshold are left out."""
    masks = encode_masks(np.array([[[1, 1, 0]], [[0, 1, 1]], [[1, 1, 1]]], bool))
    results = [
        {"video_id": 1, "category_id": 1, "score": score, "segmentations": [mask]}
        for score, mask in zip((0.9, 0.8, 0.1), masks, strict=True)
    ]
    videos = [{"id": 1, "height": 1, "width": 3, "length": 1, "file_names": ["v/0.jpg"]}]
    truth = {"videos": videos, "categories": [{"id": 1, "name": "cat"}], "annotations": []}
    for name, value in (("results", results), ("truth", truth)):
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    source, folder = tmp_path / "results.json", tmp_path / "masks"
    _, losses = convert(source, folder, "png", annotations=tmp_path / "truth.json", min_score=0.5)
    assert losses == {OVERLAPS: 1, "tracks with a score below 0.5": 1}
    with Image.open(folder / "v/0.png") as image:
        assert np.asarray(image).tolist() == [[1, 1, 2]]
        assert image.mode == "P"
    convert(folder, tmp_path / "again.json", "ytvis")
    _, losses = convert(folder, tmp_path / "coco.json", "coco")
    assert losses == {SCORES: 2}
    with pytest.raises(InputError, match="--annotations"):
        convert(source, tmp_path / "other", "png")


def test_masks_without_meta_have_one_category(tmp_path):
    (tmp_path / "Annotations/bear").mkdir(parents=True)
    for t in range(2):
        pixels = np.array([[0, 255, t]], np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"Annotations/bear/{t:05d}.png")
    convert(tmp_path, tmp_path / "out.json", "ytvis")
    content = json.loads((tmp_path / "out.json").read_bytes())
    assert content["categories"] == [{"id": 1, "name": "object"}]
    assert [entry["areas"] for entry in content["annotations"]] == [[None, 1], [1, 1]]
    assert content["videos"][0]["file_names"] == ["bear/00000.jpg", "bear/00001.jpg"]


def test_mots20_folders_and_crowds(tmp_path):
    """gt/gt.txt below the video's name, frames from 1; class 10 is ignored."""
    [mask] = encode_masks(np.ones((1, 2, 3), bool))
    (tmp_path / "MOTS20-02/gt").mkdir(parents=True)
    lines = [f"3 2001 2 2 3 {mask['counts']}", f"1 10000 10 2 3 {mask['counts']}"]
    (tmp_path / "MOTS20-02/gt/gt.txt").write_text("\n".join(lines))
    convert(tmp_path, tmp_path / "out.json", "ytvis")
    content = json.loads((tmp_path / "out.json").read_bytes())
    assert content["categories"] == [
        {"id": 2, "name": "pedestrian"},
        {"id": 10, "name": "ignore"},
    ]
    assert [(e["areas"], e["iscrowd"]) for e in content["annotations"]] == [
        ([None, None, 6], 0),
        ([6, None, None], 1),
    ]
    assert content["videos"][0]["file_names"][0] == "MOTS20-02/000001.jpg"


def test_the_palette_is_pascals():
    colors = np.frombuffer(davis_palette(), np.uint8).reshape(256, 3).tolist()
    assert colors[:4] == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    assert colors[255] == [224, 224, 192]
