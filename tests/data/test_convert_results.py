"""`convert --to results`: predictions in the forms of other tools are the tracks that they hold."""

import json

import numpy as np
import pytest
from PIL import Image

from vis_bench.cli import main
from vis_bench.data.convert import RESULTS, convert
from vis_bench.data.results_file import read_results
from vis_bench.errors import InputError
from vis_bench.masks.rle import decode, encode_masks

LENGTH, SIZE_HW = 4, (6, 8)
NAMES = {3: "set/0007", 5: "set/b"}  # of the videos, by id
CATEGORIES = {1: "car", 2: "pedestrian"}
# Video, category and score of the two tracks of each video, as its annotations have them.
TRACKS = [(3, 2, 0.75), (3, 1, 0.5), (5, 1, 0.25), (5, 2, 0.875)]
UNSCORED = [(*track[:2], 1.0) for track in TRACKS]


def masks_of(track):
    """Masks (T, H, W) that overlap no other's, absent in one frame."""
    number = TRACKS.index(track)
    masks_THW = np.zeros((LENGTH, *SIZE_HW), bool)
    for t in range(LENGTH):
        masks_THW[t, t : t + 3, 4 * (number % 2) : 4 * (number % 2) + 2 + number // 2] = True
    masks_THW[number % LENGTH] = False
    return masks_THW


def codes_of(track):
    return [code if decode(code).any() else None for code in encode_masks(masks_of(track))]


def write_truth(path, stems=None, names=NAMES, categories=CATEGORIES):
    """Annotations of the tracks' videos, whose frames are 00000 and so on unless given."""
    stems = stems or [f"{t:05d}" for t in range(LENGTH)]
    height, width = SIZE_HW
    content = {
        "videos": [
            {
                "id": key, "height": height, "width": width, "length": LENGTH,
                "file_names": [f"{name}/{stem}.jpg" for stem in stems],
            }
            for key, name in names.items()
        ],
        "categories": [{"id": key, "name": name} for key, name in categories.items()],
        "annotations": [
            {
                "id": n, "video_id": track[0], "category_id": track[1], "iscrowd": 0,
                "segmentations": codes_of(track),
            }
            for n, track in enumerate(TRACKS, start=1)
        ],
    }  # fmt: skip
    path.write_text(json.dumps(content))
    return path


def entries(frame_of, **more):
    """A list with an entry for each mask; `frame_of` gives the keys of its video and frame."""
    return [
        {
            **frame_of(track[0], t), "track_id": TRACKS.index(track) % 2, "category_id": track[1],
            "score": track[2], "segmentation": code, **more,
        }
        for track in TRACKS
        for t, code in enumerate(codes_of(track))
        if code
    ]  # fmt: skip


def write_list(folder, frame_of, **more):
    path = folder / "tracks.json"
    path.write_text(json.dumps(entries(frame_of, **more)))
    return path


def place(video, t):
    """The number of a frame through all videos."""
    return LENGTH * [*NAMES].index(video) + t


def write_mots(folder, first):
    root = folder / "mots"
    for key, name in NAMES.items():
        lines = [
            f"{t + first} {1000 * track[1]} {track[1]} 6 8 {code['counts']}\n"
            for track in TRACKS
            for t, code in enumerate(codes_of(track))
            if track[0] == key and code
        ]
        lines.append(f"{first} 10000 10 6 8 {codes_of(TRACKS[2])[0]['counts']}\n")
        path = root / f"{name.removeprefix('set/')}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(lines))
    return root


def write_pngs(folder, number=lambda t: t, of_objects=None, extra=0):
    """A folder of indexed PNGs, or of a folder per object, numbered from `of_objects`."""
    root = folder / "png"
    for key, name in NAMES.items():
        own = [masks_of(track) for track in TRACKS if track[0] == key]
        for t in range(LENGTH + extra):
            inside = [m[t] if t < LENGTH else m[0] for m in own]
            pictures = {"": inside[0] * 1 + inside[1] * 2}
            if of_objects is not None:
                pictures = {f"{k:03d}": 255 * m for k, m in enumerate(inside, of_objects)}
            for part, picture in pictures.items():
                path = root / name / part / f"{number(t):05d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture.astype(np.uint8)).save(path)
    return root


def write_coco(folder):
    """COCO with tracks and without scores, made of the annotations."""
    convert(write_truth(folder / "own.json"), folder / "coco.json", "coco")
    return folder / "coco.json"


def frame_id(video, t):
    return {"video_id": video, "frame_id": t}


def file_name(video, t):
    return {"image_id": 3, "file_name": f"{NAMES[video]}/{t:05d}.png"}


SOURCES = {
    "video and frame": lambda folder: write_list(folder, frame_id),
    "frame_index": lambda f: write_list(f, lambda v, t: {"video_id": v, "frame_index": t}),
    "frames from 1": lambda f: write_list(f, lambda v, t: frame_id(v, t + 1)),
    "file names": lambda folder: write_list(folder, file_name),
    "names of Windows": lambda f: write_list(
        f, lambda v, t: {"file_name": file_name(v, t)["file_name"].replace("/", "\\")}
    ),
    "images from 1": lambda f: write_list(f, lambda v, t: {"image_id": place(v, t) + 1}),
    "images from 0": lambda f: write_list(f, lambda v, t: {"image_id": place(v, t)}),
    "another key of tracks": lambda f: write_list(
        f, lambda v, t: {**frame_id(v, t), "instance_id": str(v)}, track_id=None
    ),
    "MOTS from 0": lambda folder: write_mots(folder, 0),
    "MOTS from 1": lambda folder: write_mots(folder, 1),
    "PNG": write_pngs,
    "PNG, from 1": lambda folder: write_pngs(folder, lambda t: t + 1),
    "PNG, any numbers": lambda folder: write_pngs(folder, lambda t: 10 * t + 3),
    "PNG, more frames": lambda folder: write_pngs(folder, extra=2),
    "objects from 0": lambda folder: write_pngs(folder, of_objects=0),
    "objects from 1": lambda folder: write_pngs(folder, of_objects=1),
    "COCO with tracks": write_coco,
    "annotations": lambda folder: write_truth(folder / "own.json"),
}
HAVE_SCORES = [*SOURCES][:8]


@pytest.mark.parametrize("form", SOURCES)
def test_tracks_of_other_tools(tmp_path, form):
    source = SOURCES[form](tmp_path)
    if form == "another key of tracks":
        tracks = json.loads(source.read_text())
        source.write_text(json.dumps([e for e in tracks if (e["video_id"], e["category_id"]) in
                                      {(3, 2), (5, 1)}]))  # fmt: skip
    expected = TRACKS if form in HAVE_SCORES else UNSCORED
    if form == "another key of tracks":
        expected = [TRACKS[0], TRACKS[2]]
    found, losses, warnings = converted(source, write_truth(tmp_path / "gt.json"))
    assert sorted(found) == sorted((*own[:2], own[2], tracked(own)) for own in expected)
    assert any("score" in text for text in warnings) == (form not in HAVE_SCORES)
    assert sum(losses.values()) == {"MOTS from 0": 2, "MOTS from 1": 2, "PNG, more frames": 6}.get(
        form, 0
    )


def tracked(key):
    track = next(own for own in TRACKS if own[:2] == key[:2])
    return tuple(code and code["counts"] for code in codes_of(track))


def converted(source, truth, **settings):
    warnings: list = []
    output = truth.parent / "results.json"
    _, losses = convert(
        source, output, RESULTS, annotations=truth, warn=warnings.append, **settings
    )
    tracks = read_results(output).tracks
    codes = [tuple(code and code["counts"] for code in own.segmentations) for own in tracks]
    keys = [(own.video_id, own.category_id, own.score) for own in tracks]
    return [(*key, code) for key, code in zip(keys, codes, strict=True)], losses, warnings


SPARSE = [f"{5 * t:05d}" for t in range(LENGTH)]


@pytest.mark.parametrize(
    ("write", "stems"),
    [
        (lambda folder: write_mots(folder, 0), SPARSE),  # frames count the annotated ones
        (lambda folder: write_mots(folder, 1), SPARSE),
        (lambda folder: write_mots(folder, 1), [f"{t + 1:06d}" for t in range(LENGTH)]),
        (lambda folder: write_mots(folder, 0), [f"{t + 1:06d}" for t in range(LENGTH)]),
        (lambda folder: write_mots(folder, 0), ["frame"] * LENGTH),
        (lambda folder: write_pngs(folder, lambda t: 5 * t), SPARSE),
        (write_pngs, [f"img_{t}" for t in range(LENGTH)]),
        (write_pngs, ["frame"] * LENGTH),
    ],
)
def test_frames_by_number_or_place(tmp_path, write, stems):
    found, _, _ = converted(write(tmp_path), write_truth(tmp_path / "gt.json", stems))
    assert sorted(found) == sorted((*own, tracked(own)) for own in UNSCORED)


def test_numbers_of_mots_text_are_those_of_the_annotations(tmp_path):
    """Names of four digits are KITTI's, whose frames count from 0; the last has no mask here."""
    source = write_mots(tmp_path, 1)
    for file in source.iterdir():
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join(line for line in lines if not line.startswith(f"{LENGTH} ")))
    (source / "b.txt").rename(source / "0011.txt")
    stems = [f"{t + 1:06d}" for t in range(LENGTH)]
    truth = write_truth(tmp_path / "gt.json", stems, {3: "set/0007", 5: "set/0011"})
    found, _, warnings = converted(source, truth)
    cut = sorted((*own, (*tracked(own)[:-1], None)) for own in UNSCORED)
    assert sorted(found) == cut
    assert not [text for text in warnings if "seqmap" in text]


def test_scores_are_means_and_classes_the_most_frequent(tmp_path):
    own = [e for e in entries(frame_id) if (e["video_id"], e["track_id"]) == (3, 0)]
    for entry, (category, score) in zip(own, [(2, 0.5), (1, 0.25), (2, 0.75)], strict=True):
        entry.update(category_id=category, score=score)
    (tmp_path / "tracks.json").write_text(json.dumps(own))
    [track], losses, _ = converted(tmp_path / "tracks.json", write_truth(tmp_path / "gt.json"))
    assert track[:3] == (3, 2, 0.5)
    assert sum(losses.values()) == 1


def test_results_have_all_tracks_unless_asked(tmp_path):
    source, output = write_list(tmp_path, frame_id), tmp_path / "results.json"
    to = ["--to", "results", "--annotations", str(write_truth(tmp_path / "gt.json"))]
    for least, number in (([], 4), (["--min-score", "0.5"], 3)):
        assert main(["convert", str(source), str(output), *to, *least]) == 0
        assert len(json.loads(output.read_bytes())) == number


def test_images_of_coco_annotations_have_their_own_ids(tmp_path):
    """Their ids count backwards here, and results are of their videos."""
    write_coco(tmp_path)
    content = json.loads((tmp_path / "coco.json").read_text())
    id_of = {}
    for image in content["images"]:
        id_of[image["video_id"], image["frame_id"]] = image["id"] = 100 - image["id"]
    del content["annotations"]
    (tmp_path / "gt.json").write_text(json.dumps({**content, "annotations": []}))
    source = write_list(tmp_path, lambda v, t: {"image_id": id_of[v, t]})
    found, _, warnings = converted(source, tmp_path / "gt.json")
    assert sorted(found) == sorted((*own, tracked(own)) for own in TRACKS)
    assert not warnings


def test_objects_have_no_category_without_annotations(tmp_path):
    truth = write_truth(tmp_path / "gt.json")
    content = json.loads(truth.read_text())
    del content["annotations"]
    truth.write_text(json.dumps(content))
    with pytest.raises(InputError, match="categories"):
        converted(write_pngs(tmp_path), truth)
    truth.write_text(json.dumps({**content, "categories": content["categories"][:1]}))
    found, _, _ = converted(write_pngs(tmp_path), truth)
    assert [own[1] for own in found] == [1] * 4


def test_what_matches_nothing_is_named_with_its_number(tmp_path):
    truth = write_truth(tmp_path / "gt.json", names={3: "set/0007"}, categories={1: "car"})
    content = json.loads(truth.read_text())
    content["annotations"] = []
    truth.write_text(json.dumps(content))
    for write, numbers in (
        (lambda folder: write_mots(folder, 0), {"videos": 1, "tracks": 1, "regions": 1}),
        (
            lambda folder: write_list(folder, frame_id),
            {"masks of frames": 6, "annotations of unlisted": 3},
        ),
    ):
        found, losses, _ = converted(write(tmp_path), truth)
        assert [own[:2] for own in found] == [(3, 1)]
        assert {
            phrase: sum(n for text, n in losses.items() if text.startswith(phrase))
            for phrase in numbers
        } == numbers


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"track_id": None}, "track"),
        ({"score": "high"}, "score"),
        ({"score": True}, "score"),
        ({"segmentation": {"size": [3, 4], "counts": "0<"}}, "size"),
        ({"video_id": 77}, "frame"),
        ({"frame_id": "first"}, "frame_id"),
        ({"track_id": 0, "frame_id": 0}, "two masks"),
    ],
)
def test_entries_that_are_no_tracks_are_refused(tmp_path, change, expected):
    path = tmp_path / "tracks.json"
    path.write_text(json.dumps([{**entry, **change} for entry in entries(frame_id)]))
    with pytest.raises(InputError, match=expected):
        converted(path, write_truth(tmp_path / "gt.json"))
    assert not (tmp_path / "results.json").exists()


@pytest.mark.parametrize("place", [0, 1])
def test_masks_of_images_among_tracks_are_refused(tmp_path, place):
    truth = write_truth(tmp_path / "gt.json")
    whole = {"video_id": 3, "category_id": 1, "score": 0.5, "segmentations": codes_of(TRACKS[1])}
    single = {"image_id": 3, "category_id": 1, "score": 0.5, "segmentation": codes_of(TRACKS[1])[0]}
    tracks = [whole, whole]
    tracks[place] = single
    (tmp_path / "tracks.json").write_text(json.dumps(tracks))
    with pytest.raises(InputError, match="image_id" if place else "track"):
        converted(tmp_path / "tracks.json", truth)
    del tracks[place]["segmentation"]
    (tmp_path / "one.json").write_text(json.dumps([{**single, "segmentations": [None] * LENGTH}]))
    with pytest.raises(InputError, match="video_id"):
        read_results(tmp_path / "one.json")


def write_fewer_pngs(folder):
    root = write_pngs(folder)
    for path in root.rglob("00003.png"):
        path.unlink()
    return root


@pytest.mark.parametrize(
    ("write", "settings"),
    [
        (lambda folder: write_mots(folder, 0), {"names": {3: "x", 5: "y"}}),
        (write_fewer_pngs, {"stems": ["a", "b", "c", "d"]}),
        (lambda folder: write_pngs(folder, extra=1), {"stems": [f"{9 + t}" for t in range(4)]}),
    ],
)
def test_sources_of_other_videos_are_refused(tmp_path, write, settings):
    with pytest.raises(InputError, match="expected"):
        converted(write(tmp_path), write_truth(tmp_path / "gt.json", **settings))


def test_without_annotations_it_is_refused(tmp_path):
    with pytest.raises(InputError, match="--annotations"):
        convert(write_mots(tmp_path, 0), tmp_path / "r.json", RESULTS)
