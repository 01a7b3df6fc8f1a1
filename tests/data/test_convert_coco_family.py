"""COCO with tracks as CVAT, labelme and others write it, and SA-V: names, flags and files."""

import copy
import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from scipy.ndimage import binary_dilation

from paths import ROOT
from vis_bench.cli import main
from vis_bench.data.convert import convert
from vis_bench.data.convert.coco import CONTRADICTED, OTHER_VIDEO
from vis_bench.errors import InputError
from vis_bench.masks.rle import decode, encode_masks

[MASK] = encode_masks(np.ones((1, 2, 3), bool))


def coco(names, flags=None, **image_keys):
    """An image per name, and a track 0 through each folder of names."""
    images = [
        {"id": n, "width": 3, "height": 2, "file_name": name, **image_keys}
        for n, name in enumerate(names)
    ]
    annotations = [
        {
            **{"id": n, "image_id": n, "category_id": 1, "segmentation": MASK},
            "attributes": {"track_id": 0},
            **({} if flags is None else {"iscrowd": flags[n]}),
        }
        for n in range(len(names))
    ]
    categories = [{"id": 1, "name": "cat"}]
    return {"images": images, "annotations": annotations, "categories": categories}


def to_ytvis(folder, content, **options):
    (folder / "in.json").write_text(json.dumps(content))
    _, losses = convert(folder / "in.json", folder / "out.json", "ytvis", **options)
    return json.loads((folder / "out.json").read_bytes()), losses


@pytest.mark.parametrize(
    ("names", "videos"),
    [
        (["a\\0.PNG", "a\\1.PNG", "b\\0.PNG"], [["a/0.PNG", "a/1.PNG"], ["b/0.PNG"]]),
        ([".\\a\\0.png", "a/1.png", "./b/0.png"], [["a/0.png", "a/1.png"], ["b/0.png"]]),
        (["x/../a/0.png", "a\\.\\1.png"], [["a/0.png", "a/1.png"]]),
        (["C:\\x\\a\\0.png", "C:\\x\\b\\0.png"], [["a/0.png"], ["b/0.png"]]),
        (["C:\\x\\a\\0.png", "c:/x/a/1.png"], [["a/0.png", "a/1.png"]]),
        (["../a/0.png", "../b/c/0.png"], [["a/0.png"], ["b/c/0.png"]]),
        (["C:\\a\\0.png", "D:\\a\\0.png"], [["C/a/0.png"], ["D/a/0.png"]]),
        (["/data/a/0.png", "/data/b/c/0.png"], [["a/0.png"], ["b/c/0.png"]]),
        (["\\\\host\\share\\a\\0.png", "\\\\host\\share\\b\\0.png"], [["a/0.png"], ["b/0.png"]]),
        (["0.png", "1.png", "a/0.png"], [["0.png", "1.png"], ["a/0.png"]]),
        (["frame_10.png", "frame_9.png"], [["frame_9.png", "frame_10.png"]]),
    ],
)
def test_paths_of_every_system(tmp_path, names, videos):
    written, losses = to_ytvis(tmp_path, coco(names))
    assert sorted(video["file_names"] for video in written["videos"]) == videos
    assert len(written["annotations"]) == len(videos)
    rooted = sum(name.startswith((*"/\\CDc", "..")) for name in names)
    assert sum(losses.values()) == rooted
    assert main(["validate", str(tmp_path / "out.json")]) == 0


def test_frames_of_one_folder_that_are_counted_twice_are_refused(tmp_path):
    for names in (["cam1_0", "cam1_1", "cam2_0", "cam2_1"], ["v/a0", "v/a1", "v/b1", "v/b2"]):
        with pytest.raises(InputError, match="video_id"):
            to_ytvis(tmp_path, coco([f"{name}.jpg" for name in names]))
    for names in (["cam1_0", "cam1_1", "cam2_2"], ["v/a0", "v/a1", "w/b1", "w/b2"]):
        to_ytvis(tmp_path, coco([f"{name}.jpg" for name in names]))


def test_several_videos_of_one_folder_keep_their_frames(tmp_path):
    content = coco(["v/0.jpg", "v/1.jpg", "v/2.jpg", "v/3.jpg"])
    for image in content["images"]:
        image |= {"video_id": image["id"] // 2 + 1, "frame_id": image["id"]}
    written, losses = to_ytvis(tmp_path, content)
    assert [v["file_names"] for v in written["videos"]] == [
        ["v/0.jpg", "v/1.jpg"],
        ["v/2.jpg", "v/3.jpg"],
    ]
    assert not losses
    for form in ("png", "mots"):
        convert(tmp_path / "out.json", tmp_path / form, form)
        convert(tmp_path / form, tmp_path / "back.json", "ytvis")
        back = json.loads((tmp_path / "back.json").read_bytes())
        assert [len(video["file_names"]) for video in back["videos"]] == [2, 2]
    convert(tmp_path / "png", tmp_path / "back.json", "ytvis")
    assert json.loads((tmp_path / "back.json").read_bytes()) == written


def test_frames_lie_in_the_folder_of_their_names_or_of_their_video(tmp_path):
    """CVAT's video task has its frames in no folder; an ending decides between two files."""
    for name in ("frame_0.PNG", "frame_1.PNG", "v/0.jpg", "v/1.png"):
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (3, 2)).save(path)
    content = coco(["frame_0.PNG", "frame_1.PNG", "v/0.png", "v/1.png"])
    written, _ = to_ytvis(tmp_path, content, frames=tmp_path / "mine")
    names = [["frame_0.PNG", "frame_1.PNG"], ["v/0.jpg", "v/1.png"]]
    assert [video["file_names"] for video in written["videos"]] == names
    assert main(["validate", str(tmp_path / "out.json"), "--frames", str(tmp_path / "mine")]) == 0
    Image.new("RGB", (3, 2)).save(tmp_path / "mine/v/1.jpg")
    written, _ = to_ytvis(tmp_path, content, frames=tmp_path / "mine")
    assert written["videos"][1]["file_names"] == names[1]
    Image.new("RGB", (3, 2)).save(tmp_path / "mine/v/0.webp")
    with pytest.raises(InputError, match=r"0\.jpg and 0\.webp"):
        to_ytvis(tmp_path, content, frames=tmp_path / "mine")


def test_names_with_backslashes_are_found(tmp_path):
    """A YouTube-VIS file from Windows: its frames are read, and its video has its folder's name."""
    (tmp_path / "a").mkdir()
    Image.new("RGB", (3, 2)).save(tmp_path / "a/0.png")
    video = {"id": 0, "width": 3, "height": 2, "length": 1, "file_names": ["a\\0.png"]}
    entry = {"id": 1, "video_id": 0, "category_id": 0, "segmentations": [MASK]}
    content = {"videos": [video], "categories": [{"id": 0, "name": "c"}], "annotations": [entry]}
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(content))
    assert main(["validate", str(path), "--frames", str(tmp_path)]) == 0
    convert(path, tmp_path / "png", "png")
    assert (tmp_path / "png/a/0.png").is_file()
    for name in ("..\\0.png", "C:\\a\\0.png", "\\a\\0.png", "a\\..\\..\\0.png"):
        video["file_names"] = [name]
        path.write_text(json.dumps(content))
        assert main(["validate", str(path)]) == 1


@pytest.mark.parametrize(
    ("flags", "crowd", "counted"),
    [
        ([0, 1, 0], 0, 1), ([1, 1, 1], 1, 0), ([0, 0, 0], 0, 0), (["0", False, None], 0, 0),
        (["1", True, "true"], 1, 0), (["false", "true", 1], 0, 1), ([1, 1, None], 0, 1),
    ],
)  # fmt: skip
def test_a_track_is_a_crowd_where_all_of_its_masks_are(tmp_path, flags, crowd, counted):
    written, losses = to_ytvis(tmp_path, coco(["v/0.jpg", "v/1.jpg", "v/2.jpg"], flags))
    assert [entry["iscrowd"] for entry in written["annotations"]] == [crowd]
    assert sum(losses.values()) == counted


@pytest.mark.parametrize("flag", [2, -1, 1.0, 0.0, "yes", "", "2", [], {}, [0]])
def test_other_flags_are_refused_in_every_form(tmp_path, flag):
    good = coco(["v/0.jpg"], [0])
    written, _ = to_ytvis(tmp_path, good)
    convert(tmp_path / "out.json", tmp_path / "png", "png")
    meta = json.loads((tmp_path / "png/meta.json").read_bytes())
    meta["videos"]["v"]["objects"]["1"]["iscrowd"] = flag
    (tmp_path / "png/meta.json").write_text(json.dumps(meta))
    written["annotations"][0]["iscrowd"] = flag
    (tmp_path / "ytvis.json").write_text(json.dumps(written))
    (tmp_path / "coco.json").write_text(json.dumps(coco(["v/0.jpg"], [flag])))
    for source in ("ytvis.json", "coco.json", "png"):
        with pytest.raises(InputError, match="iscrowd"):
            convert(tmp_path / source, tmp_path / "again.json", "ytvis")
    assert main(["validate", str(tmp_path / "ytvis.json")]) == 1


def test_ids_of_0_and_unlisted_categories_stop_no_conversion(tmp_path):
    content = coco(["v/0.jpg", "v/1.jpg"])
    content["annotations"][1]["category_id"] = 7
    written, losses = to_ytvis(tmp_path, content)
    assert losses == {"annotations of unlisted categories": 1}
    again = copy.deepcopy(written)
    again["annotations"][0]["id"] = 0
    back, losses = to_ytvis(tmp_path, again)
    assert (back, sum(losses.values())) == (written, 1)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "eval --predictions"),
        ({"masklet": [], "video_id": "sav_1"}, "convert FILE OUT --to ytvis"),
        (b"PK\3\4rest", ".zip"),
    ],
)
def test_files_of_another_form_are_recognized(tmp_path, capsys, content, words):
    path = tmp_path / "gt.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    assert main(["validate", str(path)]) == 1
    assert words in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("flags", "flag", "crowd", "left_out"),
    [
        (None, 1, 1, {}),
        ([0, 0], 1, 0, {CONTRADICTED: 1}),
        ([1, 1], 1, 1, {}),
        ([0, 0], None, 0, {}),
    ],
)
def test_a_flag_of_the_track_speaks_where_masks_have_none(tmp_path, flags, flag, crowd, left_out):
    content = coco(["v/0.png", "v/1.png"], flags, video_id=1)
    track = {"id": 0, "video_id": 1, "category_id": 1, "iscrowd": flag}
    written, losses = to_ytvis(tmp_path, {**content, "tracks": [track]})
    assert ([e["iscrowd"] for e in written["annotations"]], +losses) == ([crowd], left_out)


def test_another_video_than_that_of_the_image_is_counted(tmp_path):
    content = coco(["v/0.png", "v/1.png"], video_id=3)
    content["annotations"][0]["video_id"], content["annotations"][1]["video_id"] = 3, 4
    written, losses = to_ytvis(tmp_path, content)
    assert [entry["video_id"] for entry in written["annotations"]] == [3]
    assert losses == {OTHER_VIDEO: 1}


SAV = ROOT.parent / "shared" / "real" / "sav"


@pytest.mark.skipif(not SAV.is_dir(), reason="needs the annotations of SA-V's example")
def test_a_real_video_of_sav(tmp_path, capsys):
    """The masks of the manual file, grown by some pixels, have the official evaluator's AP."""
    sizes = {"manual": 5, "auto": 9}
    content = {}
    for kind, num_objects in sizes.items():
        source = SAV / f"sav_000001_{kind}.json"
        _, losses = convert(source, tmp_path / f"{kind}.json", "ytvis")
        content[kind] = json.loads((tmp_path / f"{kind}.json").read_bytes())
        [video] = content[kind]["videos"]
        assert (video["height"], video["width"], video["length"]) == (848, 480, 121)
        assert video["file_names"][-1] == "sav_000001/00480.jpg"
        assert len(content[kind]["annotations"]) == num_objects
        assert {entry["masklet_type"] for entry in content[kind]["annotations"]} == {kind}
        assert set(losses) <= {"masks without a pixel"}
        given = json.loads(source.read_bytes())["masklet"]
        for n, entry in enumerate(content[kind]["annotations"]):
            for t, mask in enumerate(entry["segmentations"]):
                raw = given[t][n] if n < len(given[t]) else None
                assert (mask or None) == (raw if raw and decode(raw).any() else None)
    grown = [
        {
            "video_id": 1, "category_id": 1, "score": 0.9 - 0.1 * n,
            "segmentations": [
                m and encode_masks(binary_dilation(decode(m), iterations=5)[None])[0]
                for m in entry["segmentations"]
            ],
        }
        for n, entry in enumerate(content["manual"]["annotations"])
    ]  # fmt: skip
    (tmp_path / "grown.json").write_text(json.dumps(grown))
    files = ["--annotations", tmp_path / "manual.json", "--predictions", tmp_path / "grown.json"]
    capsys.readouterr()
    assert main(["eval", *map(str, files), "--tracking", "--score-threshold", "0", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ap"] == pytest.approx(0.45742574257425744)
    trackeval = pytest.importorskip("trackeval")
    sides = [content["manual"]["annotations"], grown]
    masks = [[*zip(*(own["segmentations"] for own in side), strict=True)] for side in sides]
    ids = [[np.flatnonzero(list(map(bool, own))) for own in side] for side in masks]
    here = [[[m for m in own if m] for own in side] for side in masks]
    iou = [coco_mask.iou(d, g, [0] * len(g)) for g, d in zip(*here, strict=True)]
    data = {"num_timesteps": 121, "gt_ids": ids[0], "tracker_ids": ids[1]}
    for side, own in zip(("gt", "tracker"), ids, strict=True):
        data |= {f"num_{side}_ids": 5, f"num_{side}_dets": sum(map(len, own))}
    data["similarity_scores"] = [
        np.reshape(own, (-1, len(g))).T for own, g in zip(iou, here[0], strict=True)
    ]
    reference = trackeval.metrics.HOTA().eval_sequence(data)["HOTA"].mean()
    assert found["tracking"]["det_averaged"]["hota"] == pytest.approx(reference, abs=1e-12)


@pytest.mark.parametrize("name", ["v1//0.jpg", "file:///v1/0.jpg"])
def test_names_with_slashes_in_a_row_keep_ids(tmp_path, name):
    video = {"id": 3, "height": 2, "width": 3, "length": 1, "file_names": [name]}
    thing = {"id": 8, "video_id": 3, "category_id": 4, "segmentations": [MASK]}
    content = {"videos": [video], "categories": [{"id": 4, "name": "cat"}], "annotations": [thing]}
    (tmp_path / "in.json").write_text(json.dumps(content))
    convert(tmp_path / "in.json", tmp_path / "png", "png")
    convert(tmp_path / "png", tmp_path / "out.json", "ytvis")
    found = json.loads((tmp_path / "out.json").read_bytes())
    assert found["videos"] == [video]
    assert {key: found["annotations"][0][key] for key in thing} == thing
