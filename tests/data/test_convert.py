"""Annotations through every other form and back, and what each form leaves out."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vis_bench.data.convert import FORMS, convert
from vis_bench.data.convert.labelled import EMPTY, OVERLAPS
from vis_bench.data.frames import plain_name
from vis_bench.data.synthetic import write_dataset
from vis_bench.errors import InputError
from vis_bench.masks.rle import decode, encode_masks
from vis_bench.progress import Bars


@dataclass
class Drawn:
    """Annotations as a file holds them, and the dense masks (T, H, W) by annotation id."""

    content: dict
    masks_THW: dict


@st.composite
def annotations(draw, *, overlap=True, crowds=True):
    """Videos of a few small frames; instances may be absent, everywhere too, and may overlap."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    content = {"videos": [], "categories": [], "annotations": []}
    names = draw(st.lists(st.text("abz é-", min_size=1), min_size=1, max_size=3, unique=True))
    content["categories"] = [{"id": 2 * n + 1, "name": name} for n, name in enumerate(names)]
    masks = {}
    for video in range(draw(st.integers(1, 3))):
        length, height, width = (draw(st.integers(1, 4)) for _ in range(3))
        content["videos"].append(
            {
                "id": 5 * video + 2,
                "height": height,
                "width": width,
                "length": length,
                "file_names": [f"video{video}/{t:05d}.jpg" for t in range(length)],
            }
        )
        number = draw(st.integers(0, 3))
        places = random.integers(0, number + 1, (length, height, width))
        for n in range(1, number + 1):
            dense = places == n
            if overlap:
                dense |= random.random(dense.shape) < 0.3
            if draw(st.booleans()):
                dense[draw(st.integers(0, length - 1)) :] = False
            key = 3 * len(masks) + 4
            masks[key] = dense
            category = draw(st.sampled_from(content["categories"]))["id"]
            crowd = int(crowds and draw(st.booleans()))
            content["annotations"].append(_entry(key, 5 * video + 2, category, crowd, dense))
    return Drawn(content, masks)


def _entry(key, video, category, crowd, dense_THW):
    present = [mask.any() for mask in dense_THW]
    rles = encode_masks(dense_THW)
    rows = [np.nonzero(mask.any(1))[0].tolist() for mask in dense_THW]
    columns = [np.nonzero(mask.any(0))[0].tolist() for mask in dense_THW]
    length, height, width = dense_THW.shape
    boxes = [
        [x[0], y[0], x[-1] - x[0] + 1, y[-1] - y[0] + 1] if len(x) else None
        for x, y in zip(columns, rows, strict=True)
    ]
    return {
        "id": key,
        "video_id": video,
        "category_id": category,
        "iscrowd": crowd,
        "height": height,
        "width": width,
        "length": length,
        "bboxes": boxes,
        "segmentations": [rle if some else None for rle, some in zip(rles, present, strict=True)],
        "areas": [int(mask.sum()) or None for mask in dense_THW],
    }


def through(folder, content, form):
    """The content read back from another form, and what was left out on the way there."""
    source, middle, back = (folder / name for name in ("source.json", "middle", "back.json"))
    source.write_text(json.dumps(content))
    _, losses = convert(source, middle, form)
    convert(middle, back, "ytvis")
    return json.loads(back.read_bytes()), dict(losses)


@given(annotations())
@settings(deadline=None, max_examples=40)
def test_coco_and_back(tmp_path_factory, drawn):
    back, losses = through(tmp_path_factory.mktemp("coco"), drawn.content, "coco")
    assert not losses
    by_id = {entry["id"]: entry for entry in back["annotations"]}
    assert by_id == {entry["id"]: entry for entry in drawn.content["annotations"]}
    assert back["videos"] == drawn.content["videos"]
    assert back["categories"] == drawn.content["categories"]


@given(annotations(overlap=False))
@settings(deadline=None, max_examples=40)
def test_masks_of_pixels_and_back(tmp_path_factory, drawn):
    back, losses = through(tmp_path_factory.mktemp("png"), drawn.content, "png")
    assert not losses
    assert back == drawn.content


@given(annotations())
@settings(deadline=None, max_examples=40)
def test_overlaps_are_counted(tmp_path_factory, drawn):
    back, losses = through(tmp_path_factory.mktemp("png"), drawn.content, "png")
    kept = {e["id"]: e["areas"] for e in back["annotations"]}
    lost = 0
    for key, dense_THW in drawn.masks_THW.items():
        lost += int(dense_THW.sum()) - sum(area or 0 for area in kept[key])
    assert losses.get(OVERLAPS, 0) == lost


@given(annotations(overlap=False, crowds=False))
@settings(deadline=None, max_examples=40)
def test_mots_and_back(tmp_path_factory, drawn):
    """Masks and classes come back; instances are numbered anew, and empty ends are lost."""
    back, losses = through(tmp_path_factory.mktemp("mots"), drawn.content, "mots")
    entries = [e for e in drawn.content["annotations"] if any(e["segmentations"])]
    assert losses.get(EMPTY, 0) == len(drawn.content["annotations"]) - len(entries)
    wanted = sorted(
        (entry["video_id"] // 5 + 1, entry["category_id"], _present(entry)) for entry in entries
    )
    found = [(e["video_id"], e["category_id"], _present(e)) for e in back["annotations"]]
    assert sorted(found) == wanted


# Names as tools write them, and any others: reversed, in other folders, hidden, equal, not ASCII.
FRAME_NAMES = st.one_of(
    st.sampled_from(["v/frame10.jpg", "v/frame9.png", "v/a.jpg", "w/a.jpg", "v/.a", "v/", "é/1.2"]),
    st.text(st.characters(codec="utf-8"), max_size=6),
).filter(lambda name: plain_name(name) == name and name[:1] != "/")


@given(st.data(), st.sampled_from(["coco", "png", "mots"]))
@settings(deadline=None, max_examples=150)
def test_every_form_keeps_the_order_of_frames_and_the_ids_of_videos(tmp_path_factory, data, form):
    """Frame t has t + 1 pixels, whatever it is called; names and ids come back, or are counted."""
    ids = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True))
    content = {"videos": [], "categories": [{"id": 0, "name": "c"}], "annotations": []}
    folders = data.draw(
        st.lists(
            st.sampled_from(["v", "a/v", "b/v", "v2", "v10"]),
            unique=True,
            min_size=len(ids),
            max_size=len(ids),
        )
    )
    for key, folder in zip(ids, folders, strict=True):
        names = [f"{folder}/first", *data.draw(st.lists(FRAME_NAMES, max_size=4))]
        length = len(names)
        dense = np.tri(length, 5, dtype=bool)[:, None]
        content["videos"].append(
            {"id": key, "height": 1, "width": 5, "length": length, "file_names": names}
        )
        content["annotations"].append(_entry(key + 1, key, 0, 0, dense))
    back, losses = through(tmp_path_factory.mktemp(form), content, form)
    by_name = {Path(v["file_names"][0]).parent.as_posix(): v for v in back["videos"]}
    areas = {e["video_id"]: e["areas"] for e in back["annotations"]}
    for video in content["videos"]:
        found = by_name[Path(video["file_names"][0]).parent.as_posix()]
        assert areas[found["id"]] == list(range(1, video["length"] + 1))
        if form != "mots":
            assert found == video
    moved = sum(by_name[folder]["id"] != key for key, folder in zip(ids, folders, strict=True))
    assert sum(n for phrase, n in losses.items() if phrase.startswith("ids of videos")) == moved


def test_tracks_of_unlisted_categories_are_counted(tmp_path):
    """The reader takes the file that `convert` wrote of a results file."""
    [mask] = encode_masks(np.ones((1, 1, 2), bool))
    results = [
        {"video_id": 0, "category_id": category, "score": 0.9, "segmentations": [mask]}
        for category in (1, 7)
    ]
    videos = [{"id": 0, "height": 1, "width": 2, "length": 1, "file_names": ["v/0.jpg"]}]
    truth = {"videos": videos, "categories": [{"id": 1, "name": "c"}], "annotations": []}
    for name, value in (("results", results), ("truth", truth)):
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    for form in FORMS:
        folder = tmp_path / form
        _, losses = convert(
            tmp_path / "results.json", folder, form, annotations=tmp_path / "truth.json"
        )
        assert losses["tracks of unlisted categories"] == 1
        convert(folder, tmp_path / f"{form}.json", "ytvis")
        back = json.loads((tmp_path / f"{form}.json").read_bytes())
        assert [entry["category_id"] for entry in back["annotations"]] == [1]


def test_masks_without_their_names_are_refused(tmp_path):
    videos = [{"id": 1, "height": 1, "width": 1, "length": 2, "file_names": ["v/1.jpg", "v/0.jpg"]}]
    content = {"videos": videos, "categories": [{"id": 1, "name": "c"}], "annotations": []}
    (tmp_path / "in.json").write_text(json.dumps(content))
    convert(tmp_path / "in.json", tmp_path / "png", "png")
    (tmp_path / "png/v/00001.png").unlink()
    with pytest.raises(InputError, match="file_names"):
        convert(tmp_path / "png", tmp_path / "back.json", "ytvis")


@pytest.mark.parametrize(("form", "name", "category"), [
    ("png", "Annotations/v/0.jpg", 1), ("mots", "v/0.jpg", -1), ("mots", "v/0.jpg", 10**6),
])  # fmt: skip
def test_names_and_categories_that_a_form_cannot_hold(tmp_path, form, name, category):
    video = {"id": 1, "height": 1, "width": 1, "length": 1, "file_names": [name]}
    content = {
        "videos": [video],
        "categories": [{"id": category, "name": "c"}],
        "annotations": [_entry(1, 1, category, 0, np.ones((1, 1, 1), bool))],
    }
    (tmp_path / "in.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="expected"):
        convert(tmp_path / "in.json", tmp_path / "out", form)
    assert not (tmp_path / "out").exists()


def _present(entry):
    return [(t, m["counts"]) for t, m in enumerate(entry["segmentations"]) if m]


def test_synthetic_annotations_lose_nothing(tmp_path):
    write_dataset(tmp_path / "data", Bars(quiet=True), num_videos={"val": 2})
    content = json.loads((tmp_path / "data/val.json").read_bytes())
    back, losses = through(tmp_path, content, "coco")
    assert losses == {}
    assert back == content
    ids = {
        (e["track_id"], e["instance_id"])
        for e in json.loads((tmp_path / "middle").read_bytes())["annotations"]
    }
    assert ids == {(entry["id"],) * 2 for entry in content["annotations"]}


def _coco(**changes):
    image = {"id": 1, "video_id": 1, "frame_id": 0, "height": 2, "width": 2, "file_name": "v/0.jpg"}
    entry = {
        "id": 1,
        "image_id": 1,
        "category_id": 1,
        "track_id": 1,
        "segmentation": [[0, 0, 1, 1, 0, 1]],
    }
    content = {
        "images": [image],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [entry],
    }
    image |= changes.pop("image", {})
    entry |= changes.pop("entry", {})
    return content | changes


@pytest.mark.parametrize(
    "content",
    [
        _coco(image={"height": 0}),
        _coco(image={"video_id": "1"}),
        _coco(images=[_coco()["images"][0], _coco(image={"id": 2})["images"][0]]),
        _coco(entry={"image_id": 9}),
        _coco(entry={"track_id": None}),
        _coco(entry={"track_id": [1]}),
        _coco(entry={"segmentation": [[0, 0]]}),
        _coco(entry={"segmentation": {"size": [3, 3], "counts": "9"}}),
        _coco(images=None),
        {"videos": [], "annotations": [{}], "categories": []},
        {"images": []},
        3,
    ],
)
def test_hostile_files_leave_nothing(tmp_path, content):
    source = tmp_path / "in.json"
    source.write_text(json.dumps(content))
    for form in ("ytvis", "png", "mots"):
        with pytest.raises(InputError, match=r"in\.json"):
            convert(source, tmp_path / "out", form)
    assert [path.name for path in tmp_path.iterdir()] == ["in.json"]


def test_names_stay_inside_the_folder(tmp_path):
    video = {"id": 1, "height": 1, "width": 1, "length": 1, "file_names": ["../../x/0.jpg"]}
    content = {"videos": [video], "categories": [{"id": 1, "name": "cat"}], "annotations": []}
    (tmp_path / "in.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="below"):
        convert(tmp_path / "in.json", tmp_path / "a/b/out", "png")
    assert not (tmp_path / "x").exists()


def test_hostile_folders_leave_nothing(tmp_path):
    masks, text = tmp_path / "png/v", tmp_path / "txt"
    masks.mkdir(parents=True)
    text.mkdir()
    Image.new("RGB", (2, 2)).save(masks / "0.png")
    (text / "a.txt").write_text("1 2001 2 5 5 nonsense")
    for folder in (tmp_path / "png", text, tmp_path / "missing"):
        with pytest.raises(InputError):
            convert(folder, tmp_path / "out.json", "ytvis")
    (masks / "0.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="decoded"):
        convert(tmp_path / "png", tmp_path / "out", "mots")
    full = tmp_path / "full"
    full.mkdir()
    (full / "file").touch()
    with pytest.raises(InputError, match="new folder"):
        convert(tmp_path / "png", full, "mots")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "png", "txt"]


def test_too_many_instances_for_a_byte(tmp_path):
    video = {"id": 1, "height": 1, "width": 1, "length": 1, "file_names": ["v/0.jpg"]}
    dense = np.zeros((1, 1, 1), bool)
    entries = [_entry(n, 1, 1, 0, dense) for n in range(1, 257)]
    content = {"videos": [video], "categories": [{"id": 1, "name": "c"}], "annotations": entries}
    (tmp_path / "in.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="255"):
        convert(tmp_path / "in.json", tmp_path / "out", "png")


def test_crowds_keep_their_masks_in_mots(tmp_path):
    dense = np.ones((1, 1, 2), bool)
    video = {"id": 1, "height": 1, "width": 2, "length": 1, "file_names": ["v/000001.jpg"]}
    content = {
        "videos": [video],
        "categories": [{"id": 2, "name": "pedestrian"}],
        "annotations": [_entry(1, 1, 2, 1, dense)],
    }
    back, losses = through(tmp_path, content, "mots")
    assert losses == {"categories of crowds": 1}
    assert not back["annotations"]
    assert decode(back["videos"][0]["ignore_regions"][0]).all()


def test_masks_behind_the_end_are_left_out(tmp_path):
    dense = np.ones((3, 1, 2), bool)
    video = {"id": 1, "height": 1, "width": 2, "length": 2, "file_names": ["v/0.jpg", "v/1.jpg"]}
    content = {
        "videos": [video],
        "categories": [{"id": 1, "name": "c"}],
        "annotations": [_entry(1, 1, 1, 0, dense)],
    }
    back, losses = through(tmp_path, content, "coco")
    assert set(losses.values()) == {1}
    assert losses["masks beyond the end of their video"] == 1
    assert back["annotations"][0]["areas"] == [2, 2]
