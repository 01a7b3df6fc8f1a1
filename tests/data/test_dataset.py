"""Data sets from files and from memory, as videos whose frames decode when indexed."""

import hashlib
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import orjson
import pytest
from PIL import Image

from vis_bench.data.annotation_files import annotations_checksum
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.categories import (
    CATEGORIES,
)
from vis_bench.data.datasets import load_dataset, read_dataset
from vis_bench.data.results_file import Results, Track
from vis_bench.data.synthetic import generate, videos, write_dataset
from vis_bench.errors import InputError
from vis_bench.inference.prefetch import read_ahead
from vis_bench.metrics.ap import evaluate
from vis_bench.progress import Bars


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Two synthetic videos on disk."""
    folder = tmp_path_factory.mktemp("synthetic")
    write_dataset(folder, Bars(quiet=True), num_videos={"val": 2})
    return folder


@pytest.fixture
def small(tmp_path):
    """A YouTube-VIS 2019 file with two videos of three frames of 6x8, and their frames."""
    content = {
        "info": {},
        "licenses": [],
        "videos": [video_entry(5, "aa"), video_entry(9, "bb")],
        "categories": [{"id": k, "name": name} for k, name in CATEGORIES["ytvis2019"].items()],
        "annotations": [annotation(1, 5), annotation(2, 9)],
    }
    folder = tmp_path / "root"
    for video in content["videos"]:
        for t, name in enumerate(video["file_names"]):
            path = folder / "ytvis2019" / "val" / "JPEGImages" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((6, 8, 3), 60 * t, np.uint8)).save(path)
    save(folder / "ytvis2019" / "val.json", content)
    return folder


def video_entry(number, name):
    names = [f"{name}/{t:05d}.png" for t in (0, 5, 10)]
    return {"id": number, "height": 6, "width": 8, "length": 3, "file_names": names}


def annotation(number, video):
    mask = {"size": [6, 8], "counts": [0, 12, 36]}
    return {
        "id": number,
        "video_id": video,
        "category_id": 3,
        "iscrowd": 0,
        "segmentations": [mask, None, mask],
        "areas": [12, None, 12],
        "bboxes": [[0, 0, 2, 6]] * 3,
    }


def save(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def two_files(root, small, folder, categories="ytvis2022"):
    """The two videos of `small`, one in each of the files of short and of long videos."""
    content = json.loads((small / "ytvis2019" / "val.json").read_text())
    content["categories"] = [{"id": k, "name": n} for k, n in CATEGORIES[categories].items()]
    for part, video in (("short", 5), ("long", 9)):
        own = {
            **content,
            "videos": [v for v in content["videos"] if v["id"] == video],
            "annotations": [
                {**a, "id": 1} for a in content["annotations"] if a["video_id"] == video
            ],
        }
        save(root / folder / f"gt_{part}.json", own)
    frames = root / folder.removesuffix("/annotations") / "valid" / "JPEGImages"
    shutil.copytree(small / "ytvis2019" / "val" / "JPEGImages", frames)
    return root


def change(path, edit):
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


class TestFromFiles:
    def test_videos_have_the_frames_of_the_file(self, written):
        dataset = load_dataset(
            "synthetic",
            "val",
            annotations=written / "val.json",
            frames=written / "val" / "JPEGImages",
        )
        memory = generate("val", num_videos=2)
        assert dataset.category_ids == [1, 2, 3, 4, 5, 6]
        for video, drawn in zip(dataset.videos, memory.videos, strict=True):
            same = (video.id, video.name, video.height, video.width, video.length)
            assert same == (drawn.id, drawn.name, drawn.height, drawn.width, drawn.length)
            for a, b in zip(read_ahead(video.frames), drawn.frames, strict=True):
                assert np.array_equal(a, b)
        content = json.loads((written / "val.json").read_text())
        for entry in content["annotations"]:
            del entry["occlusion"]
        digest = hashlib.sha256(orjson.dumps(content)).hexdigest()
        assert dataset.annotations_sha256 == digest

    def test_the_checksum_is_the_files_own_where_nothing_is_labelled(self, small):
        dataset = load_dataset("ytvis2019", "val", data_root=small)
        data = (small / "ytvis2019" / "val.json").read_bytes()
        assert (b'"occlusion"' in data) is False
        assert dataset.annotations_sha256 == hashlib.sha256(data).hexdigest()
        other = data.replace(b"{", b'{"occlusion": 1, ', 1)
        assert annotations_checksum(other) == hashlib.sha256(other).hexdigest()

    def test_frames_decode_only_when_indexed(self, small):
        shutil.rmtree(small / "ytvis2019" / "val" / "JPEGImages" / "bb")
        dataset = load_dataset("ytvis2019", "val", data_root=small)
        assert [video.id for video in dataset.videos] == [5, 9]
        assert dataset.videos[0].frames[2][0, 0, 0] == 120
        with pytest.raises(InputError, match=r"frame 1 of video bb is missing.*00005\.png"):
            dataset.videos[1].frames[1]

    def test_gray_and_palette_images_become_rgb(self, small):
        folder = small / "ytvis2019" / "val" / "JPEGImages" / "aa"
        Image.fromarray(np.full((6, 8), 77, np.uint8)).save(folder / "00000.png")
        Image.fromarray(np.full((6, 8, 3), 5, np.uint8)).quantize(4).save(folder / "00005.png")
        frames = load_dataset("ytvis2019", "val", data_root=small).videos[0].frames
        assert frames[0].shape == frames[1].shape == (6, 8, 3)
        assert (frames[0] == 77).all()

    @pytest.mark.parametrize("kind", ["empty", "text", "cut"])
    def test_a_broken_frame_is_named(self, small, kind):
        path = small / "ytvis2019" / "val" / "JPEGImages" / "aa" / "00005.png"
        noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
        content = {"empty": b"", "text": b"no image", "cut": path.read_bytes()[:90]}[kind]
        path.write_bytes(content)
        video = load_dataset("ytvis2019", "val", data_root=small).videos[0]
        with pytest.raises(InputError, match=r"frame 1 of video aa, .*aa/00005\.png, cannot be"):
            list(read_ahead(video.frames))

    def test_a_frame_of_another_size_is_named(self, small):
        path = small / "ytvis2019" / "val" / "JPEGImages" / "aa" / "00010.png"
        Image.fromarray(np.zeros((8, 6, 3), np.uint8)).save(path)
        video = load_dataset("ytvis2019", "val", data_root=small).videos[0]
        with pytest.raises(InputError, match=r"frame 2 of video aa.*is 8x6; the video is 6x8"):
            video.frames[2]


class TestLayout:
    @pytest.mark.parametrize(
        ("name", "split", "annotations", "frames"),
        [
            ("ytvis2019", "val", "ytvis2019/val.json", "ytvis2019/val/JPEGImages"),
            ("ytvis2019", "val", "ytvis2019/valid.json", "ytvis2019/valid/JPEGImages"),
            ("ytvis2019", "train", "ytvis_2019/train.json", "ytvis_2019/train/JPEGImages"),
            ("ytvis2021", "val", "ytvis2021/valid/instances.json", "ytvis2021/valid/JPEGImages"),
            ("ytvis2021", "train", "train/instances.json", "train/JPEGImages"),
            ("ytvis2019", "val", "ytvis_2019/annotations/instances_val_sub.json",
             "ytvis_2019/val/JPEGImages"),
            ("ovis", "val", "ovis/annotations_valid.json", "ovis/valid"),
            ("ovis", "train", "annotations_train.json", "train"),
            ("ytvis2019", "heldout", "ytvis2019/heldout.json", "ytvis2019/train/JPEGImages"),
            ("ytvis2021", "rest", "ytvis_2021/rest.json", "ytvis_2021/train/JPEGImages"),
            ("ovis", "heldout", "ovis/heldout.json", "ovis/train"),
            ("ovis", "val", "ovis/annotations/annotations_valid.json", "ovis/valid"),
            ("ytvis2022", "train", "ytvis2022/train.json", "ytvis2022/train/JPEGImages"),
            ("ytvis2022", "val", "ytvis_2022/valid/instances.json", "ytvis_2022/valid/JPEGImages"),
            ("ytvis2022", "rest", "ytvis2022/rest.json", "ytvis2022/train/JPEGImages"),
        ],
    )  # fmt: skip
    def test_names_that_are_found(self, tmp_path, small, name, split, annotations, frames):
        root = tmp_path / "other"
        content = json.loads((small / "ytvis2019" / "val.json").read_text())
        content["categories"] = [{"id": k, "name": n} for k, n in CATEGORIES[name].items()]
        save(root / annotations, content)
        shutil.copytree(small / "ytvis2019" / "val" / "JPEGImages", root / frames)
        dataset = load_dataset(name, split, data_root=root)
        assert dataset.annotations_path == root / annotations
        assert dataset.videos[1].frames[1].shape == (6, 8, 3)
        assert dataset.category_ids == list(CATEGORIES[name])

    @pytest.mark.parametrize("folder", [".", "ytvis2022", "ytvis_2022", "ytvis_2022/annotations"])
    def test_the_two_files_of_short_and_long_videos(self, tmp_path, small, folder):
        root = two_files(tmp_path / "other", small, folder)
        dataset = load_dataset("ytvis2022", "val", data_root=root)
        assert [video.id for video in dataset.videos] == [5, 9]
        assert dataset.has_annotations
        assert dataset.category_ids == list(range(1, 41))
        truth = dataset.ground_truth()
        assert truth.parts == {"short": {5}, "long": {9}}
        assert [thing.id for thing in truth.objects] == [1, 2]
        assert dataset.ground_truth(dataset.videos[:1]).parts == {"short": {5}}
        again = load_dataset("ytvis2022", "val", data_root=root)
        assert dataset.annotations_sha256 == again.annotations_sha256
        tracks = [
            Track(thing.video_id, thing.category_id, 0.9, truth.tubes.tube(n))
            for n, thing in enumerate(truth.objects)
        ]
        assert evaluate(truth, Results.of(tracks)).summary()["ap"] == pytest.approx(1)
        assert evaluate(truth, Results.of(tracks[:1])).summary()["ap"] == pytest.approx(0.5)

    def test_one_of_the_two_files_is_not_enough(self, tmp_path, small):
        root = two_files(tmp_path / "other", small, "ytvis2022")
        (root / "ytvis2022" / "gt_long.json").unlink()
        with pytest.raises(InputError, match=r"found .*gt_short\.json but no .*gt_long\.json"):
            load_dataset("ytvis2022", "val", data_root=root)
        with pytest.raises(InputError, match="found no annotations of ytvis2022 train"):
            load_dataset("ytvis2022", "train", data_root=root)

    def test_a_file_that_is_given_goes_before_the_two(self, tmp_path, small):
        root = two_files(tmp_path / "other", small, "ytvis2022")
        short = root / "ytvis2022" / "gt_short.json"
        dataset = load_dataset("ytvis2022", "val", annotations=short, data_root=root)
        assert [video.id for video in dataset.videos] == [5]
        assert not dataset.ground_truth().parts

    def test_two_files_of_another_data_set(self, tmp_path, small):
        root = two_files(tmp_path / "other", small, "ytvis2022", categories="ytvis2019")
        with pytest.raises(InputError, match="is not for data set ytvis2022"):
            load_dataset("ytvis2022", "val", data_root=root)

    def test_paths_given_go_before_the_layout(self, small, tmp_path):
        moved = tmp_path / "held_out.json"
        (small / "ytvis2019" / "val.json").rename(moved)
        dataset = load_dataset("ytvis2019", "val", annotations=moved, data_root=small)
        assert dataset.annotations_path == moved
        assert dataset.videos[0].length == 3

    def test_missing_files_say_what_was_looked_for(self, small):
        (small / "ytvis2019" / "val.json").unlink()
        with pytest.raises(InputError, match=r"val\.json, .*valid\.json.*--data-root.*annotations"):
            load_dataset("ytvis2019", "val", data_root=small)
        shutil.rmtree(small / "ytvis2019" / "val")
        with pytest.raises(InputError, match=r"JPEGImages.*dataset\.frames"):
            load_dataset("ytvis2019", "val", annotations=small / "x.json", data_root=small)

    @pytest.mark.parametrize("name", ["train.json", "train/instances.json"])
    def test_a_part_that_was_not_cut_says_how_to_cut_it(self, small, name):
        folder = small / "ytvis2019"
        save(folder / name, {})
        words = f"`vis-bench split {folder / name} {folder}` writes them"
        with pytest.raises(InputError, match=re.escape(words)):
            load_dataset("ytvis2019", "heldout", data_root=small)


class TestWrongInput:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (
                {"name": "kitti", "split": "val"},
                "unknown data set 'kitti'; expected one of ytvis2019, ytvis2021, ytvis2022, ovis",
            ),
            ({"name": "ytvis2019", "split": "val"}, "--data-root DIR"),
            ({"name": "synthetic", "split": "test"}, "expected train or val"),
            ({"name": "ovis", "split": "val", "plain": True}, "plain"),
        ],
    )
    def test_arguments(self, arguments, words):
        with pytest.raises(InputError, match=words):
            load_dataset(**arguments)

    @pytest.mark.parametrize(
        ("edit", "words"),
        [
            (lambda c: c.update(videos=[]), "lists no videos"),
            (lambda c: c["videos"][1].pop("file_names"), "video 9 .*file_names"),
            (lambda c: c["videos"][1].update(file_names=[]), "video 9 .*at least one"),
            (lambda c: c["videos"][1].update(length=4), "video 9 has length 4 but 3"),
            (lambda c: c["videos"][0].update(height=1 << 12, width=1 << 12), "below 2.24 pixels"),
            (lambda c: c["videos"][0].update(file_names=["../a.png"] * 3), "below the folder"),
            (lambda c: c["videos"][0].update(file_names=["/a.png"] * 3), "below the folder"),
            (lambda c: c["videos"][0].update(file_names=[3] * 3), "file name 3"),
            (lambda c: c["categories"][0].update(name="tree"), "not for data set ytvis2019"),
            (
                lambda c: c.update(
                    categories=[{"id": k, "name": n} for k, n in CATEGORIES["ytvis2021"].items()]
                ),
                "the categories of ytvis2021 .YouTube-VIS 2021",
            ),
        ],
    )
    def test_a_malformed_file_is_named(self, small, edit, words):
        path = small / "ytvis2019" / "val.json"
        change(path, edit)
        with pytest.raises(InputError, match=words) as error:
            load_dataset("ytvis2019", "val", data_root=small)
        assert str(path) in str(error.value)

    def test_another_folder_of_frames(self, small):
        path = small / "ytvis2019" / "val.json"
        with pytest.raises(InputError, match="does not hold aa/00000"):
            read_dataset("ytvis2019", "val", path, small)
        with pytest.raises(InputError, match="does not exist"):
            read_dataset("ytvis2019", "val", path, small / "nowhere")


def tracks_of(content, score=0.9):
    return [
        Track(a["video_id"], a["category_id"], score, a["segmentations"])
        for a in content["annotations"]
    ]


def numbers_of(ground_truth, tracks):
    return evaluate(ground_truth, Results.of(tracks)).summary()


class TestEvaluation:
    def test_only_some_videos(self):
        dataset = load_dataset("synthetic", "val")
        few = dataset.videos[:3]
        tracks = [t for t in tracks_of(dataset.content()) if t.video_id <= 3]
        assert numbers_of(dataset.ground_truth(few), tracks)["ap"] == pytest.approx(1)
        assert numbers_of(dataset.ground_truth(), tracks)["ap"] < 0.5
        truth = dataset.ground_truth(few)
        assert [video.id for video in truth.videos] == [1, 2, 3]
        assert not truth.warnings

    def test_masks_are_drawn_of_the_first_videos_alone(self, monkeypatch):
        dataset = load_dataset("synthetic", "val")
        wanted = GroundTruth.of(generate("val", seed=9, num_videos=7).annotations()).objects
        drawn, draw = [], videos.object_records
        monkeypatch.setattr(videos, "object_records", lambda key: drawn.append(key) or draw(key))
        other = replace(dataset, drawn=replace(dataset.drawn, seed=9))
        truth = other.ground_truth(dataset.videos[5:7])
        assert [key.index for key in drawn] == list(range(7))
        assert list(truth.objects) == [thing for thing in wanted if thing.video_id in (6, 7)]
        assert len(dataset.annotations_sha256) == 64
        assert len(drawn) == 7

    @pytest.mark.parametrize("value", [None, []])
    def test_without_annotations(self, small, value):
        change(small / "ytvis2019" / "val.json", lambda c: c.update(annotations=value))
        dataset = load_dataset("ytvis2019", "val", data_root=small)
        assert not dataset.has_annotations
        assert dataset.videos[0].frames[0].shape == (6, 8, 3)


def test_a_short_video_goes_backwards_from_its_end():
    source = load_dataset("synthetic", "val").videos[0]
    assert (source.height, source.width, source.length) == (108, 192, 25)
    video = load_dataset("nominal", "val").videos[0]
    np.testing.assert_array_equal(video.frames[25], video.frames[24])
    np.testing.assert_array_equal(video.frames[35], video.frames[14])
    assert (video.frames[23] != video.frames[24]).any()
    small = source.frames[3].mean((0, 1))
    np.testing.assert_allclose(video.frames[3].mean((0, 1)), small, atol=0.5)


def test_nominal_videos_have_36_frames_of_720p_and_no_annotations():
    dataset = load_dataset("nominal", "val")
    assert {(v.length, v.height, v.width) for v in dataset.videos} == {(36, 720, 1280)}
    assert len(dataset.videos) >= 2
    assert dataset.videos[0].frames[0].shape == (720, 1280, 3)
    assert dataset.category_ids == list(range(1, 41))
    assert not dataset.has_annotations
    assert len(dataset.annotations_sha256) == 64


@pytest.mark.parametrize(
    ("split", "plain", "words"),
    [("train", False, "unknown split 'train'; expected val"),
     ("val", True, "plain is true for nominal")],
)  # fmt: skip
def test_nominal_videos_have_one_split_and_form(split, plain, words):
    with pytest.raises(InputError, match=words):
        load_dataset("nominal", split, plain=plain)
