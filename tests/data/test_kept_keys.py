"""The fate of every key that a form of annotations defines: applied, kept, or named as left out."""

import copy
import json

import numpy as np
import pytest
from PIL import Image

from vis_bench.cli import main
from vis_bench.data.annotations import read_annotations
from vis_bench.data.convert import FORMS, convert
from vis_bench.data.split import split_annotations
from vis_bench.errors import InputError
from vis_bench.masks.rle import decode, encode_masks


def square(top, left, height, width):
    mask_HW = np.zeros((4, 6), bool)
    mask_HW[top : top + height, left : left + width] = True
    return encode_masks(mask_HW[None])[0]


MASK, OTHER, FULL = square(1, 1, 2, 2), square(0, 3, 2, 1), square(0, 0, 4, 6)
KEPT = "kept"  # found again, and named where the target form has no place for it
LINK = "link"  # the number by which the file's lists refer to each other; given anew


class Applied:
    """Another value gives other output, or is refused."""

    def __init__(self, *others):
        self.others = others


class Named(Applied):
    """Another value gives the same output, and is counted."""


def marked(level, *keys):
    return {key: f"{level}.{key}" for key in keys}


# YouTube-VIS 2019, 2021 and 2022, OVIS, LV-VIS, SA-Co/VEval, HQ-YTVIS; TAO's keys of a video.
YTVIS = {
    "info": marked("info", "description", "version", "year"),
    "licenses": [marked("licenses", "name", "url")],
    "video_np_pairs": [
        {"id": n, "video_id": n, "category_id": 1, "noun_phrase": f"phrase {n}"} for n in (1, 2)
    ],
    "own": ["own list"],
    "videos": [
        {
            **{"id": n, "height": 4, "width": 6, "length": 2},
            "file_names": [f"v{n}/000001.jpg", f"v{n}/000002.jpg"],
            **marked("videos", "license", "coco_url", "flickr_url", "date_captured", "video_name"),
            **{"neg_category_ids": [], "not_exhaustive_category_ids": [1], "own": ["own of video"]},
        }
        for n in (1, 2)
    ],
    "categories": [{"id": 1, "name": "cat", "supercategory": "animal", "partition": 3}],
    "annotations": [
        {
            **{"id": n, "video_id": n, "category_id": 1, "iscrowd": 0},
            **{"height": 4, "width": 6, "length": 2, "segmentations": [MASK, OTHER]},
            **{"areas": [4, 2], "bboxes": [[1.0, 1.0, 2.0, 2.0], [3.0, 0.0, 1.0, 2.0]]},
            "occlusion": ["no_occlusion", "slight_occlusion"],
            **marked("annotations", "noun_phrase", "own"),
        }
        for n in (1, 2)
    ],
}
OF_YTVIS = {
    "": {"info": KEPT, "licenses": KEPT, "video_np_pairs": KEPT, "own": KEPT,
         "videos": Applied([]), "categories": Applied([]), "annotations": Applied([])},
    "videos": {
        "id": Applied(7), "height": Applied(5, 4.0), "width": Applied(7, 0), "length": Applied(1),
        "file_names": Applied(["v/0.jpg", "v/1.jpg"]), "license": KEPT, "coco_url": KEPT,
        "flickr_url": KEPT, "date_captured": KEPT, "video_name": KEPT, "neg_category_ids": KEPT,
        "not_exhaustive_category_ids": KEPT, "own": KEPT},
    "categories": {"id": Applied(7), "name": Applied("dog"), "supercategory": KEPT,
                   "partition": KEPT},
    "annotations": {
        "id": Applied(7), "video_id": Applied(2, 9), "category_id": Applied(9),
        "iscrowd": Applied(1, "1", "true", True, 2, "yes", 1.0, [0]),
        "height": Named(5), "width": Named(7), "length": Named(3),
        "segmentations": Applied([MASK, None], [[[0, 0, 3, 0, 3, 3]], OTHER], [3, 3]),
        "areas": Named([5, 2]), "bboxes": Named([[0, 0, 1, 1], None]), "occlusion": KEPT,
        "noun_phrase": KEPT, "own": KEPT},
}  # fmt: skip

# COCO with tracks by TAO, CVAT, supervision, datumaro, labelme2coco, Roboflow and X-AnyLabeling.
COCO = {
    "info": marked("info", "description", "contributor"),
    "licenses": [marked("licenses", "name", "url")],
    "own": ["own list"],
    "videos": [
        {"id": n, "name": f"w{n}", **marked("videos", "metadata"), "neg_category_ids": [1]}
        for n in (1, 2)
    ],
    "tracks": [
        {"id": n, "video_id": n, "category_id": 1, **marked("tracks", "own")} for n in (1, 2)
    ],
    "images": [
        {
            **{"id": 2 * n + t, "video_id": n, "frame_id": t, "frame_index": 30 * t},
            **{"height": 4, "width": 6, "file_name": f"w{n}/{t}.jpg"},
            **marked("images", "license", "flickr_url", "coco_url", "date_captured", "extra"),
        }
        for n in (1, 2)
        for t in (0, 1)
    ],
    "categories": [{"id": 1, "name": "cat", "supercategory": "animal", "synset": "cat.n.01"}],
    "annotations": [
        {
            **{"id": 2 * n + t, "image_id": 2 * n + t, "video_id": n, "category_id": 1},
            **{"track_id": n, "instance_id": n, "iscrowd": 0, "segmentation": MASK},
            **{"area": 4, "bbox": [1.0, 1.0, 2.0, 2.0], "attributes": {"occluded": "attribute"}},
            **marked("annotations", "scale_category", "keypoints", "own"),
        }
        for n in (1, 2)
        for t in (0, 1)
    ],
}
OF_COCO = {
    "": {"info": KEPT, "licenses": KEPT, "own": KEPT, "videos": Applied([{"id": 1, "name": "u"}]),
         "tracks": Applied([]), "images": Applied([]), "categories": Applied([]),
         "annotations": Applied([])},
    "videos": {"id": Named(7), "name": Applied("u"), "metadata": KEPT, "neg_category_ids": KEPT},
    "tracks": {"id": Applied(7), "video_id": Applied(2), "category_id": Applied(9), "own": KEPT},
    "images": {
        "id": Applied(9), "video_id": Applied(2), "frame_id": Applied(5), "frame_index": KEPT,
        "height": Applied(5, 4.0), "width": Applied(7),
        "file_name": Applied("w/5.jpg", "w1\\5.jpg"),
        "license": KEPT, "flickr_url": KEPT, "coco_url": KEPT, "date_captured": KEPT,
        "extra": KEPT},
    "categories": {"id": Applied(7), "name": Applied("dog"), "supercategory": KEPT,
                   "synset": KEPT},
    "annotations": {
        "id": LINK, "image_id": Applied(3, 9), "video_id": LINK, "category_id": Named(9),
        "track_id": Applied(7, [1]), "instance_id": LINK,
        "iscrowd": Named(1, "1", True), "segmentation": Applied(FULL, [[0, 0, 3, 0, 3, 3]]),
        "area": Named(5), "bbox": Named([0, 0, 1, 1]), "attributes": KEPT,
        "scale_category": KEPT, "keypoints": KEPT, "own": KEPT},
}  # fmt: skip

SAV = {
    **{"video_id": "sav_1", "video_height": 4.0, "video_width": 6.0},
    **marked("file", "video_duration", "video_frame_count", "video_environment", "video_split"),
    "masklet": [[MASK], [OTHER]],
    "masklet_num": 1,
    **{key: [key] for key in ("masklet_id", "masklet_type", "masklet_frame_count")},
}
OF_SAV = {
    "": {
        "video_id": Applied("sav_2"), "video_height": Applied(5.0, 4.5),
        "video_width": Applied(7), "masklet": Applied([[MASK, OTHER], [OTHER, None]], [[]], 3),
        "masklet_num": LINK,
        **dict.fromkeys(
            ("video_duration", "video_frame_count", "video_environment", "video_split",
             "masklet_id", "masklet_type", "masklet_frame_count"), KEPT)}
}  # fmt: skip

BURST = {
    "sequences": [
        {
            **{"id": 7, "height": 4, "width": 6, "seq_name": "v1", "dataset": "YFCC100M"},
            **{"annotated_image_paths": ["frame0001.jpg", "frame0007.jpg"], "fps": "fps 30"},
            **{"all_image_paths": [f"frame000{n}.jpg" for n in range(1, 8)]},
            **{"neg_category_ids": [1], "not_exhaustive_category_ids": [1]},
            **{"track_category_ids": {"1": 1}, "own": "own of sequence"},
            "segmentations": [
                {
                    "1": {
                        **{"rle": MASK["counts"], "is_gt": "is_gt", "score": 0.25},
                        **{"bbox": [1.0, 1.0, 2.0, 2.0], "point": [1.0, 7.0]},
                    }
                },
                {},
            ],
        }
    ],
    "categories": [{"id": 1, "name": "cat", **marked("categories", "synset", "def", "synonyms")}],
    "split": "val",
}
OF_BURST = {
    "": {"sequences": Applied([]), "categories": Applied([]), "split": Applied("train")},
    "sequences": {
        "id": Applied(8), "height": Applied(5, 4.0), "width": Applied(7), "seq_name": Applied("v2"),
        "dataset": Applied("BDD"), "annotated_image_paths": Applied(["1.jpg", "2.jpg"], ["1.jpg"]),
        "fps": KEPT, "all_image_paths": KEPT, "neg_category_ids": KEPT,
        "not_exhaustive_category_ids": KEPT, "own": KEPT,
        "track_category_ids": Applied({}, {"1": 20}, {"1": 9}, []),
        "segmentations": Applied([{}, {}], [{}], [{}, {"1": {}}], [{}, {"1": None}])},
    "masks": {"rle": Applied(FULL["counts"], "?", None), "is_gt": KEPT, "score": KEPT,
              "bbox": Named([0, 0, 1, 1]), "point": KEPT},
    "categories": {"id": Applied(7), "name": Applied("dog"), "synset": KEPT, "def": KEPT,
                   "synonyms": KEPT},
}  # fmt: skip

# A mask of SA-V: VIDEO/OBJECT/FRAME.png.
SAV_PNG = {"video": "sav_1", "object": "003", "frame": "00004", "value": 255}
OF_SAV_PNG = {
    "": {"video": Applied("sav_2"), "object": Applied("004"), "frame": Applied("00008"),
         "value": Applied(0)}
}  # fmt: skip

# `meta.json` beside the indexed PNGs of YouTube-VOS, and what this project adds to it.
PNG = {
    "videos": {
        "v": {
            "objects": {
                "1": {
                    **{"category": "cat", "frames": ["0"], "id": 5, "category_id": 3},
                    **{"iscrowd": 0, "score": None, "own": "own of object", "keys": {}},
                }
            },
            **{"id": 4, "file_names": ["v/0.jpg"], "own": "own of video", "keys": {}},
            "ignore_regions": {},
        }
    },
    "categories": [{"id": 3, "name": "cat", "supercategory": "animal"}],
    "info": marked("info", "description"),
    "keys": {},
}
OF_PNG = {
    "": {"videos": Applied({}), "categories": Applied([{"id": 3, "name": "dog"}]), "info": KEPT,
         "keys": Applied({"own": 1})},
    "videos": {"objects": Applied({}), "id": Applied(7), "file_names": Applied(["w/0.jpg"], []),
               "own": KEPT, "keys": Applied({"own": 1}), "ignore_regions": Applied({"0": MASK})},
    "objects": {"category": LINK, "frames": LINK, "id": Applied(7), "category_id": Applied(4),
                "iscrowd": Applied(1, "true", 2), "score": Named(0.5), "own": KEPT,
                "keys": Applied({"own": 1})},
    "categories": {"id": Applied(7), "name": Applied("dog"), "supercategory": KEPT},
}  # fmt: skip

# A line of MOTS text: KITTI MOTS and MOTS20.
MOTS = {"frame": 1, "id": 2001, "class": 2, "height": 4, "width": 6, "rle": MASK["counts"]}
OF_MOTS = {
    "": {"frame": Applied(2, "x"), "id": LINK, "class": Applied(1, 10), "height": Applied(5),
         "width": Applied(7), "rle": Applied(FULL["counts"], "?")}
}  # fmt: skip

TABLES = {
    "ytvis": (YTVIS, OF_YTVIS),
    "coco": (COCO, OF_COCO),
    "sav": (SAV, OF_SAV),
    "sav_png": (SAV_PNG, OF_SAV_PNG),
    "burst": (BURST, OF_BURST),
    "png": (PNG, OF_PNG),
    "mots": (MOTS, OF_MOTS),
}
ROWS = [
    (form, level, key, fate)
    for form, (_, table) in TABLES.items()
    for level, keys in table.items()
    for key, fate in keys.items()
]


def first(content, level):
    """The entry of a file that a level of its table is about."""
    if not level:
        return content
    if level == "masks":
        return content["sequences"][0]["segmentations"][0]["1"]
    if isinstance(content.get("videos"), dict) and level != "categories":
        [video] = content["videos"].values()
        return video if level == "videos" else video["objects"]["1"]
    return content[level][0]


def write(folder, form, content, to="ytvis"):
    """The output of a conversion, and what was left out."""
    source = folder / "source"
    if form == "png":
        (source / "v").mkdir(parents=True)
        Image.fromarray(decode(MASK).astype(np.uint8)).save(source / "v/0.png")
        (source / "meta.json").write_text(json.dumps(content))
    elif form == "sav_png":
        path = source / content["video"] / content["object"] / f"{content['frame']}.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(content["value"] * decode(MASK).astype(np.uint8)).save(path)
    elif form == "mots":
        source.mkdir()
        (source / "v.txt").write_text(" ".join(map(str, content.values())))
    else:
        source.write_text(json.dumps(content))
    _, losses = convert(source, folder / to, to)
    return folder / to, losses


def back(folder, path):
    _, losses = convert(path, folder / "back.json", "ytvis")
    return json.loads((folder / "back.json").read_bytes()), losses


@pytest.mark.parametrize("form", TABLES)
def test_every_key_of_a_form_is_in_the_table(form):
    content, table = TABLES[form]
    for level, keys in table.items():
        assert first(content, level).keys() == keys.keys(), level


@pytest.mark.parametrize("target", FORMS)
@pytest.mark.parametrize("form", TABLES)
def test_keys_are_kept_in_every_form_that_has_a_place(tmp_path, form, target):
    content, table = TABLES[form]
    path, losses = write(tmp_path, form, content, target)
    found, more = back(tmp_path, path)
    text, named = json.dumps(found), " ".join(losses + more)
    for level, keys in table.items():
        for key in [key for key, fate in keys.items() if fate is KEPT]:
            value = first(content, level)[key]
            value = value[0] if form == "sav" and isinstance(value, list) else value
            assert (repr(key) in named) if target == "mots" else (json.dumps(value) in text), key
    if target != "mots":
        assert not any("values of" in phrase for phrase in losses + more)


@pytest.mark.parametrize(
    ("form", "level", "key", "other"),
    [
        (form, level, key, other)
        for form, level, key, fate in ROWS
        if isinstance(fate, Applied)
        for other in fate.others
    ],
)
def test_another_value_is_applied_or_counted(tmp_path, form, level, key, other):
    content, table = TABLES[form]
    (tmp_path / "plain").mkdir()
    plain, losses = write(tmp_path / "plain", form, content)
    changed = copy.deepcopy(content)
    first(changed, level)[key] = other
    try:
        path, others = write(tmp_path, form, changed)
    except InputError:
        assert not isinstance(table[level][key], Named)
        return
    if isinstance(table[level][key], Named):
        assert sum(others.values()) > sum(losses.values())
    else:
        assert path.read_bytes() != plain.read_bytes()


def test_split_keeps_every_key_and_cuts_what_names_a_video(tmp_path):
    content = {
        **YTVIS,
        "info": {**YTVIS["info"], "parts": "own"},
        "videos": [{**YTVIS["videos"][0], "id": n} for n in range(1, 9)],
        "annotations": [{**YTVIS["annotations"][0], "id": n, "video_id": n} for n in range(1, 9)],
        "video_np_pairs": [{"video_id": n % 9, "category_id": 1} for n in range(18)],
    }
    (tmp_path / "in.json").write_text(json.dumps(content))
    parts = split_annotations(tmp_path / "in.json", tmp_path, fraction=0.3)
    for part in parts:
        written = json.loads((tmp_path / f"{part['part']}.json").read_bytes())
        ids = {video["id"] for video in written["videos"]}
        pairs = [pair for pair in content["video_np_pairs"] if pair["video_id"] in ids]
        assert written.pop("video_np_pairs") == pairs
        assert part["left_out"] == {"video_np_pairs": 18 - len(pairs)}
        assert written.pop("info").items() >= content["info"].items()
        for key in ("licenses", "own", "categories"):
            assert written[key] == content[key]
        for key in ("videos", "annotations"):
            own = [e for e in content[key] if e.get("video_id", e["id"]) in ids]
            assert written[key] == own


# What is written about the objects of a file: each is a crowd (c), has no pixel (0), or neither.
@pytest.mark.parametrize(
    ("cats", "dogs", "words"),
    [
        ("--", "-", []),
        ("c-", "-", []),
        ("cc", "c", ["all 3 objects are crowds"]),
        ("cc", "-", ["1 of 2 (cat: 2)"]),
        ("0-", "-", ["1 of 3"]),
        ("00", "-", ["2 of 3, among them all of cat: 2"]),
        ("00", "c", ["(dog: 1)", "2 of 3, among them all of cat: 2"]),
    ],
)
def test_objects_that_cannot_be_found_are_counted_by_all_readers(
    tmp_path, capsys, cats, dogs, words
):
    outside = [[10, 10, 14, 10, 14, 14]]
    kinds = [*((1, kind) for kind in cats), *((2, kind) for kind in dogs)]
    content = {
        **YTVIS,
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"id": n, "video_id": 1, "category_id": category, "iscrowd": kind == "c",
             "segmentations": [outside, None] if kind == "0" else [MASK, None]}
            for n, (category, kind) in enumerate(kinds, 1)
        ],
    }  # fmt: skip
    path = tmp_path / "source.json"
    path.write_text(json.dumps(content))
    sentences: list[str] = []
    _, losses = convert(path, tmp_path / "out.json", "ytvis", warn=sentences.append)
    truth = read_annotations(path)
    assert main(["validate", str(path)]) == 0
    printed = capsys.readouterr().err
    assert truth.warnings == [f"{path}: {sentence}" for sentence in sentences]
    assert len(sentences) == len(words) == printed.count("warning")
    for sentence, word in zip(sentences, words, strict=True):
        assert word in sentence
    assert losses.get("masks without a pixel", 0) == (cats + dogs).count("0")


def test_keys_that_the_form_has_lists_for_are_named(tmp_path):
    content = {**copy.deepcopy(YTVIS), "tracks": ["mine"], "images": []}
    (tmp_path / "in.json").write_text(json.dumps(content))
    _, losses = convert(tmp_path / "in.json", tmp_path / "coco.json", "coco")
    assert losses == {f"values of {key!r} of the file": 1 for key in ("tracks", "images")}
    convert(tmp_path / "coco.json", tmp_path / "back.json", "ytvis")
    found = json.loads((tmp_path / "back.json").read_bytes())
    assert found["annotations"] == content["annotations"]


def test_ids_of_objects_that_mots_does_not_hold_are_counted(tmp_path):
    content = copy.deepcopy(YTVIS)
    content["annotations"][1]["id"] = 5
    (tmp_path / "in.json").write_text(json.dumps(content))
    _, losses = convert(tmp_path / "in.json", tmp_path / "mots", "mots")
    assert losses["ids of objects, which are numbered by video and class"] == 1


@pytest.mark.parametrize("form", FORMS)
def test_what_is_left_out_is_json(tmp_path, capsys, form):
    content = copy.deepcopy(YTVIS)
    empty = encode_masks(np.zeros((1, 4, 6), bool))[0]
    content["annotations"][0]["segmentations"] = [empty, MASK]
    content["annotations"][1]["segmentations"] = [MASK, FULL, MASK]
    (tmp_path / "in.json").write_text(json.dumps(content))
    assert (
        main(["convert", str(tmp_path / "in.json"), str(tmp_path / "out"), "--to", form, "--json"])
        == 0
    )
    left_out = json.loads(capsys.readouterr().out)["left_out"]
    assert left_out["masks without a pixel"] == 1
    assert {type(number) for number in left_out.values()} == {int}
