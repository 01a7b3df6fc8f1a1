"""Single images in COCO's form, seen as videos of one frame."""

import json

import numpy as np
import pytest
from PIL import Image

from vis_bench.cli import main
from vis_bench.data.annotation_files import as_videos, is_of_images
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.categories import CATEGORIES, dataset_of
from vis_bench.data.datasets import load_dataset, read_dataset
from vis_bench.data.synthetic import generate
from vis_bench.data.validate import validate
from vis_bench.errors import InputError
from vis_bench.masks.rle import decode

SIZES = {7: (6, 8), 139: (5, 9), 9: (4, 4)}


def content():
    """Three images, one without objects; a polygon, and a crowd in run lengths."""
    polygon = [[1.0, 1.0, 5.0, 1.0, 5.0, 4.0, 1.0, 4.0]]
    runs = {"size": [6, 8], "counts": [40, 8]}
    return {
        "info": {},
        "licenses": [],
        "images": [
            {"id": key, "height": h, "width": w, "file_name": f"{key:012d}.jpg", "license": 1}
            for key, (h, w) in SIZES.items()
        ],
        "categories": [{"id": k, "name": n} for k, n in CATEGORIES["coco"].items()],
        "annotations": [
            {
                "id": 1,
                "image_id": 139,
                "category_id": 90,
                "iscrowd": 0,
                "area": 12.0,
                "segmentation": polygon,
                "bbox": [1, 1, 4, 3],
            },
            {
                "id": 2,
                "image_id": 7,
                "category_id": 1,
                "iscrowd": 1,
                "area": 8,
                "segmentation": runs,
                "bbox": [6, 4, 2, 2],
            },
        ],
    }


def save(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


@pytest.fixture
def root(tmp_path):
    """The data set on disk as it is downloaded."""
    save(tmp_path / "coco" / "annotations" / "instances_val2017.json", content())
    frames = tmp_path / "coco" / "val2017"
    frames.mkdir()
    for key, (height, width) in SIZES.items():
        pixels = np.full((height, width), key, np.uint8)
        Image.fromarray(pixels).save(frames / f"{key:012d}.jpg")
    return tmp_path


def test_images_are_videos_of_one_frame(root):
    dataset = load_dataset("coco", "val", data_root=root)
    assert dataset.of_images
    assert [(v.id, v.name, v.length) for v in dataset.videos] == [
        (7, "000000000007.jpg", 1),
        (139, "000000000139.jpg", 1),
        (9, "000000000009.jpg", 1),
    ]
    assert [(v.height, v.width) for v in dataset.videos] == list(SIZES.values())
    assert dataset.videos[1].frames[0].shape == (5, 9, 3)  # gray in the file
    assert dataset.category_ids == list(CATEGORIES["coco"])


def test_categories_are_those_of_coco():
    ids = list(CATEGORIES["coco"])
    missing = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    assert ids == [key for key in range(1, 91) if key not in missing]
    assert CATEGORIES["coco"][44] == "bottle"
    assert CATEGORIES["coco"][65] == "bed"
    assert dataset_of({k: n.replace("_", " ") for k, n in CATEGORIES["coco"].items()}) == "coco"


def test_ground_truth_is_of_all_images(root):
    truth = load_dataset("coco", "val", data_root=root).ground_truth()
    assert truth.of_images
    assert [video.id for video in truth.videos] == [7, 9, 139]
    assert [thing.is_crowd for thing in truth.objects] == [False, True]
    assert [thing.average_area for thing in truth.objects] == [12.0, 8.0]
    assert decode(truth.tubes.tube(1)[0])[:, 6:].sum() == 8
    some = load_dataset("coco", "val", data_root=root)
    limited = some.ground_truth(some.videos[:1])
    assert limited.of_images
    assert [thing.video_id for thing in limited.objects] == [7]


def test_videos_are_left_as_they_are():
    videos = {"videos": [], "images": [], "annotations": []}
    assert as_videos(videos) is videos
    assert not is_of_images(videos)
    assert is_of_images(as_videos(content()))
    for other in (None, [], 3, "x", {"images": 3}):
        assert as_videos(other) is other
    assert GroundTruth.of({"videos": [], "categories": [], "annotations": []}).of_images is False


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("images", {"height": 0}, "height"),
        ("images", {"file_name": None}, "has the file name None"),
        ("annotations", {"image_id": "7"}, r"video_id '7'; expected an integer"),
        ("annotations", {"area": "big"}, r"frame 0 has area 'big'; expected a number"),
        ("annotations", {"segmentation": "x"}, r"annotation 1 \(image 139\), frame 0"),
    ],
)
def test_what_is_wrong_is_named(root, part, change, message):
    wrong = content()
    wrong[part][0] |= change
    path = save(root / "wrong.json", wrong)
    with pytest.raises(InputError, match=message):
        read_dataset("coco", "val", path, root / "coco" / "val2017").ground_truth()
    assert validate(path)


def test_validate(root, capsys):
    annotations = root / "coco" / "annotations" / "instances_val2017.json"
    command = ["validate", str(annotations), "--name", "coco"]
    assert main([*command, "--frames", str(root / "coco" / "val2017")]) == 0
    assert "no problems found" in capsys.readouterr().out
    wrong = content()
    wrong["annotations"][0] |= {"category_id": 12, "area": 500.0}
    wrong["annotations"][1]["image_id"] = 8
    found = {problem.kind for problem in validate(save(root / "wrong.json", wrong))}
    assert found == {"categories", "area", "id"}
    (root / "coco" / "val2017" / "000000000009.jpg").unlink()
    assert main([*command, "--frames", str(root / "coco" / "val2017")]) == 1
    assert "000000000009.jpg" in capsys.readouterr().out


def test_synthetic_images_are_every_fifth_frame_of_the_videos():
    dataset = load_dataset("synthetic_images", "val")
    videos = generate("val", num_videos=24)
    chosen = [(video, t) for video in videos.videos for t in range(0, video.length, 5)]
    assert dataset.of_images
    assert len(dataset.videos) == len(chosen)
    assert [video.id for video in dataset.videos] == list(range(1, len(chosen) + 1))
    for image, (video, t) in list(zip(dataset.videos, chosen, strict=True))[::20]:
        assert np.array_equal(image.frames[0], video.frames[t])


def test_synthetic_images_have_the_masks_of_their_frames():
    truth = load_dataset("synthetic_images", "val").ground_truth()
    videos = generate("val", num_videos=24)
    annotations = videos.annotations()["annotations"]
    wanted = [
        (entry["category_id"], entry["segmentations"][t], entry["areas"][t])
        for video in videos.videos
        for t in range(0, video.length, 5)
        for entry in annotations
        if entry["video_id"] == video.id and entry["segmentations"][t] is not None
    ]
    found = [
        (thing.category_id, mask, thing.average_area)
        for thing, mask in zip(truth.objects, truth.tubes.masks_P, strict=True)
    ]
    assert found == wanted
    assert len(wanted) > 300


def test_predict_writes_cocos_form(root, tmp_path, capsys):
    """With annotations, images have their ids; without, they count in the order of their names."""
    config = tmp_path / "images.yaml"
    config.write_text(
        "method: ifc\noptions: {backbone: mini, width: 64, mode: image}\ndataset: {name: coco}\n"
        "clip_length: 1\nresolution: 32\n"
    )
    frames = root / "coco" / "val2017"
    command = ["predict", str(config), "--frames", str(frames), "--random-weights"]
    annotations = root / "coco" / "annotations" / "instances_val2017.json"
    for more, ids in (([], {1, 2, 3}), (["--annotations", str(annotations)], set(SIZES))):
        output = tmp_path / "results.json"
        assert main([*command, *more, "--output", str(output), "--json"]) == 0
        summary = json.loads(capsys.readouterr().out)
        assert {int(key) for key in summary["videos"]} == ids
        entries = json.loads(output.read_text())
        assert len(entries) == summary["num_tracks"] > 0
        for entry in entries:
            assert set(entry) == {"image_id", "category_id", "segmentation", "score"}
            assert entry["image_id"] in ids


def test_a_folder_without_images_is_named(tmp_path, capsys):
    command = ["predict", "ifc_r50_coco", "--random-weights", "--output", str(tmp_path / "r.json")]
    assert main([*command, "--frames", str(tmp_path)]) == 2
    assert "is not a folder of images: looked for .jpg" in capsys.readouterr().err
