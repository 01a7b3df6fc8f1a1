"""Files of other tools: CVAT, TAO, MOTS20, DAVIS, and names that are those of frames."""

import json

import numpy as np
import pytest
from PIL import Image

from vis_bench.data.annotations import read_annotations, read_videos
from vis_bench.data.convert import RESULTS, convert
from vis_bench.data.convert.labelled import OVERLAPS, SCORES
from vis_bench.data.convert.png import ONLY_VOID, davis_palette
from vis_bench.data.results_file import read_results
from vis_bench.data.synthetic import write_dataset
from vis_bench.data.validate import validate
from vis_bench.errors import InputError
from vis_bench.masks.rle import decode, encode_masks
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
    for name in ("00000a.png", "00001b.png", "99999.png"):  # more frames than masks
        (frames / "val_00001" / name).write_bytes(next(frames.rglob("00003.png")).read_bytes())
    convert(tmp_path / "masks", output, "ytvis", frames=frames)
    assert json.loads(output.read_bytes())["videos"][0]["file_names"] == names[1]
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


def written(source, tmp_path, **options):
    """Content and what was left out, as YouTube-VIS form."""
    _, losses = convert(source, tmp_path / "out.json", "ytvis", **options)
    return json.loads((tmp_path / "out.json").read_bytes()), losses


def draw_masks(folder, *rows, names=None):
    """Indexed PNGs of one row of pixels each."""
    folder.mkdir(parents=True, exist_ok=True)
    for t, row in enumerate(rows):
        name = names[t] if names else f"{t:05d}"
        Image.fromarray(np.array([row], np.uint8)).save(folder / f"{name}.png")


@pytest.mark.parametrize(
    ("rows", "areas", "void"),
    [
        ([(0, 255, 1), (2, 255, 1)], [[1, 1], [None, 1]], [1, 1]),
        ([(0, 255, 0), (1, 1, 1)], [[None, 3]], [1, None]),
        ([(0, 255, 255), (0, 0, 255)], [[2, 1]], None),  # DAVIS 2016
    ],
)
def test_255_is_void_where_masks_have_other_indexes(tmp_path, rows, areas, void):
    draw_masks(tmp_path / "Annotations/bear", *rows)
    content, _ = written(tmp_path, tmp_path)
    assert content["categories"] == [{"id": 1, "name": "object"}]
    assert [entry["areas"] for entry in content["annotations"]] == areas
    [video] = content["videos"]
    assert video["file_names"] == ["bear/00000.jpg", "bear/00001.jpg"]
    given = video.get("void_pixels")
    assert (given and [m and int(decode(m).sum()) for m in given]) == void
    again, losses = tmp_path / "again", convert(tmp_path / "out.json", tmp_path / "png", "png")[1]
    assert not losses
    convert(tmp_path / "png", again, "ytvis")
    assert json.loads(again.read_bytes()) == content


def test_masks_are_named_after_frames_by_number(tmp_path):
    """Where the names differ; two frames of one number, or none, are refused."""
    draw_masks(tmp_path / "in/v", (0, 1, 2), (0, 1, 2), names=["00000", "00005"])
    draw_masks(tmp_path / "frames/v", *[(0, 0, 0)] * 3, names=["frame_0", "frame_05", "frame_10"])
    content, _ = written(tmp_path / "in", tmp_path, frames=tmp_path / "frames")
    assert content["videos"][0]["file_names"] == ["v/frame_0.png", "v/frame_05.png"]
    draw_masks(tmp_path / "frames/v", (0, 0, 0), names=["5"])
    with pytest.raises(InputError, match="expected one file"):
        written(tmp_path / "in", tmp_path, frames=tmp_path / "frames")


def test_a_video_of_void_alone_has_no_object(tmp_path):
    """Beside videos with objects, and where meta.json lists others."""
    draw_masks(tmp_path / "Annotations/a", (0, 255, 255))
    draw_masks(tmp_path / "Annotations/b", (0, 1, 2))
    content, losses = written(tmp_path, tmp_path)
    assert [entry["video_id"] for entry in content["annotations"]] == [2, 2]
    assert losses == {ONLY_VOID: 1}
    meta = {"videos": {"a": {"objects": {"1": {"category": "cat"}}}, "b": {"objects": {}}}}
    meta["videos"]["c"] = meta["videos"]["a"]
    draw_masks(tmp_path / "Annotations/b", (0, 0, 0))
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    content, losses = written(tmp_path, tmp_path)
    assert [entry["areas"] for entry in content["annotations"]] == [[None]]
    assert losses == {"videos of meta.json without masks": 1}


def test_folders_of_objects_are_one_video(tmp_path):
    """SA-V's and SAM 2's: objects overlap, and lack in frames that others have."""
    for video in ("sav_1", "sav_2"):
        draw_masks(tmp_path / video / "000", (0, 1, 1), (0, 0, 1), names=["00000", "00008"])
        draw_masks(tmp_path / video / "001", (255, 255, 0), names=["00004"])
    content, _ = written(tmp_path, tmp_path)
    names = [f"sav_2/{n:05d}.jpg" for n in (0, 4, 8)]
    assert [video["file_names"] for video in content["videos"]][1] == names
    found = [(e["video_id"], e["areas"]) for e in content["annotations"]]
    assert found[2:] == [(2, [2, None, 1]), (2, [None, 2, None])]
    for number in (1, 2):  # named without zeros
        (tmp_path / "sav_2" / f"00{number - 1}").rename(tmp_path / "sav_2" / str(number))
    assert written(tmp_path, tmp_path)[0]["annotations"][2]["masklet_id"] == 1
    said: list = []
    alone, _ = written(tmp_path / "sav_1", tmp_path, warn=said.append)
    assert (len(alone["videos"]), len(said)) == (2, 1)
    # Videos that are called by numbers have masks of several objects.
    draw_masks(tmp_path / "part/000", (1, 2, 3))
    draw_masks(tmp_path / "part/001", (1, 2, 3))
    content, _ = written(tmp_path / "part", tmp_path)
    assert [video["file_names"] for video in content["videos"]] == [
        ["000/00000.jpg"],
        ["001/00000.jpg"],
    ]


MASK = encode_masks(np.ones((1, 2, 3), bool))[0]["counts"]


def test_sequences_of_burst(tmp_path):
    """Tracks are numbered anew in each; predictions may be of more frames, and have scores."""
    sequences = [
        {
            "id": n, "seq_name": f"s{n}", "dataset": "BDD", "height": 2, "width": 3,
            "annotated_image_paths": ["000010.jpg", "000040.jpg"],
            "neg_category_ids": [4], "not_exhaustive_category_ids": [],
            "track_category_ids": {"1": 3, "2": 20, "5": 3},
            "segmentations": [{"1": {"rle": MASK}}, {"1": {"rle": MASK}, "2": {"rle": MASK}}],
        }
        for n in (1, 2)
    ]  # fmt: skip
    truth = {"sequences": sequences, "split": "val", "categories": [{"id": 3, "name": "cat"}]}
    (tmp_path / "burst.json").write_text(json.dumps(truth))
    content, losses = written(tmp_path / "burst.json", tmp_path)
    assert [video["file_names"] for video in content["videos"]] == [
        [f"val/BDD/s{n}/000010.jpg", f"val/BDD/s{n}/000040.jpg"] for n in (1, 2)
    ]
    assert [(e["video_id"], e["areas"]) for e in content["annotations"]] == [
        (1, [6, 6]),
        (2, [6, 6]),
    ]
    assert sorted(losses.values()) == [2, 2]  # tracks of category 20, and without a mask
    with pytest.raises(InputError, match="BURST"):
        read_annotations(tmp_path / "burst.json")
    for sequence in sequences:
        sequence["annotated_image_paths"].insert(1, "000020.jpg")
        sequence["segmentations"] = [{"8": {"rle": MASK, "score": s}} for s in (0.25, 1, 0.5)]
        sequence["track_category_ids"] = {"8": 3}
    (tmp_path / "tracks.json").write_text(json.dumps({"sequences": sequences}))
    for annotations in ("burst.json", "out.json"):
        convert(
            tmp_path / "tracks.json", tmp_path / "results.json", RESULTS,
            annotations=tmp_path / annotations,
        )  # fmt: skip
        tracks = read_results(tmp_path / "results.json").tracks
        assert [(t.video_id, t.category_id, len(t.segmentations)) for t in tracks] == [
            (1, 3, 2), (2, 3, 2),
        ]  # fmt: skip
        assert {t.score for t in tracks} == {1.75 / 3}


def write_text(file, *rows):
    """MOTS text with (frame, id, class) in each line, each mask full."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{t} {key} {kind} 2 3 {MASK}\n" for t, key, kind in rows))


def test_mots20_folders_and_regions(tmp_path):
    """gt/gt.txt below the video's name, frames from 1; class 10 is a region to ignore."""
    rows = (3, 2001, 2), (1, 10000, 10), (1, 10000, 10)
    write_text(tmp_path / "MOTS20-02/gt/gt.txt", *rows)
    content, _ = written(tmp_path, tmp_path)
    assert content["categories"] == [{"id": 2, "name": "pedestrian"}]
    [entry] = content["annotations"]
    assert (entry["areas"], entry["iscrowd"]) == ([None, None, 6], 0)
    [video] = content["videos"]
    assert video["file_names"][0] == "MOTS20-02/000001.jpg"
    assert [mask and mask["counts"] for mask in video["ignore_regions"]] == [MASK, None, None]
    (tmp_path / "MOTS20-02/seqinfo.ini").write_text("[Sequence]\nseqLength = 7\n")
    content, _ = written(tmp_path / "MOTS20-02/gt/gt.txt", tmp_path)
    assert content["videos"][0]["file_names"][6] == "MOTS20-02/000007.jpg"


@pytest.mark.parametrize(
    ("names", "frames", "first"),
    [
        (["0002", "0006"], [3, 4], 0),  # KITTI MOTS
        (["train/0002", "train/0006"], [3, 4], 0),
        (["MOTS20-02", "MOTS20-05"], [3, 4], 1),
        (["a", "b"], [3, 4], 1),
        (["a", "b"], [0, 3], 0),
        (["0002", "b"], [3, 3], 1),
    ],
)
def test_the_first_frame_of_mots_is_the_data_sets(tmp_path, names, frames, first):
    for name, frame in zip(names, frames, strict=True):
        write_text(tmp_path / f"in/{name}.txt", (frame, 1000, 1))
    said: list = []
    content, _ = written(tmp_path / "in", tmp_path, warn=said.append)
    lengths = [video["length"] for video in content["videos"]]
    assert lengths == [frame + 1 - first for frame in frames]
    assert any(("KITTI MOTS", "MOTS20")[first] in text for text in said) == (0 not in frames)
    assert content["videos"][1]["file_names"][0] == f"{names[1]}/{first:06d}.jpg"
    (tmp_path / "in/evaluate_mots.seqmap.val").write_text(
        "".join(f"{name} empty {first:06d} 000010\n" for name in names)
    )
    content, _ = written(tmp_path / "in", tmp_path, warn=pytest.fail)
    assert [video["length"] for video in content["videos"]] == [11 - first] * 2


def test_frames_give_mots_its_length_and_names_by_number(tmp_path):
    """Whatever the first mask and the endings are; a frame that lacks is refused."""
    write_text(tmp_path / "in/0003.txt", (3, 1000, 1))
    (tmp_path / "frames/0003").mkdir(parents=True)
    for n in range(3, 12):  # not in the order of their names
        Image.new("L", (3, 2)).save(tmp_path / f"frames/0003/{n}.png")
    content, _ = written(tmp_path / "in", tmp_path, frames=tmp_path / "frames")
    assert content["videos"][0]["file_names"] == [f"0003/{n}.png" for n in range(3, 12)]
    assert content["annotations"][0]["areas"] == [6] + [None] * 8
    alone, _ = written(tmp_path / "in/0003.txt", tmp_path, frames=tmp_path / "frames/0003")
    assert alone["videos"][0]["file_names"] == [f"{n}.png" for n in range(3, 12)]
    (tmp_path / "frames/0003/3.png").unlink()
    with pytest.raises(InputError, match="frame 3"):
        written(tmp_path / "in", tmp_path, frames=tmp_path / "frames")


def test_mots_pngs_hold_what_the_text_holds(tmp_path):
    """PNGs of 16 bits, as KITTI MOTS and MOTS20 have them, with a frame of nothing at the end."""
    ids = np.zeros((3, 2, 3), np.uint16)
    ids[0], ids[1, 0, 0], ids[1, 1, 2] = 10000, 1000, 2003
    (tmp_path / "in/0004").mkdir(parents=True)
    for t, ids_HW in enumerate(ids):
        Image.fromarray(ids_HW).save(tmp_path / f"in/0004/{t:06d}.png")
    content, _ = written(tmp_path / "in", tmp_path)
    found = [(e["category_id"], e["areas"]) for e in content["annotations"]]
    assert found == [(1, [None, 1, None]), (2, [None, 1, None])]
    [video] = content["videos"]
    assert [mask and mask["counts"] for mask in video["ignore_regions"]] == [MASK, None, None]
    _, losses = convert(tmp_path / "out.json", tmp_path / "mots", "mots")
    assert losses == {"file names of frames": 3}
    back, _ = written(tmp_path / "mots", tmp_path)
    for key in ("length", "ignore_regions"):
        assert back["videos"][0][key] == video[key]
    assert back["annotations"] == content["annotations"]
    file = tmp_path / "in/0004/000002.png"
    data = file.read_bytes()
    for broken in (data[: len(data) // 2], b"", (tmp_path / "v/00000.png")):
        draw_masks(tmp_path / "v", (0, 1, 2))
        file.write_bytes(broken if isinstance(broken, bytes) else broken.read_bytes())
        with pytest.raises(InputError, match=r"000002\.png"):
            written(tmp_path / "in", tmp_path)


def test_the_palette_is_pascals():
    colors = np.frombuffer(davis_palette(), np.uint8).reshape(256, 3).tolist()
    assert colors[:4] == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    assert colors[255] == [224, 224, 192]
