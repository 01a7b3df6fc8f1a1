"""Synthetic videos: the same bytes for the same seed, exact masks, and a task worth solving."""

import hashlib
import itertools
import json
import math
import random

import numpy as np
import orjson
import pytest
from PIL import Image

from vis_bench.data.annotation_files import annotations_checksum
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.synthetic import (
    CLASSES,
    VideoKey,
    generate,
    open_video,
    plain_color,
    render,
    scene_of,
    write_dataset,
)
from vis_bench.data.synthetic.render import (
    SUBPIXELS,
    brighten,
    render_owners,
    stamp_object,
)
from vis_bench.data.synthetic.videos import SPLITS, occlusion_labels, visibility_of
from vis_bench.errors import InputError
from vis_bench.masks.rle import decode
from vis_bench.metrics.matching import object_levels
from vis_bench.progress import Bars

BARS = Bars(quiet=True)
VAL = [VideoKey("val", index) for index in range(24)]
PLAIN = [VideoKey("val", index, plain=True) for index in range(24)]

# sha256 of all frames, then all owners, of a video. Other values mean other videos: raise
# VERSION in vis_bench/data/synthetic/videos.py with them.
DIGESTS = {
    VideoKey("val", 0): "c695fc35ee85a2890a5bc1d9675f59c04f05955132a7a94f33191a200fc57671",
    VideoKey("val", 17): "935e42640c5d4e210ee3a982fc0ffa8ce74ae21136dfcb7c99ce154133be0e24",
    VideoKey("train", 3): "3866b1eecce50f9fc457163b858475669e84dbb1169babf26bb182d8396799dc",
    VideoKey(
        "val", 2, plain=True
    ): "20c092a10d213ebb35527206cd51855bd35fbce4a93603cbb6b3c196451329cc",
    VideoKey(
        "train", 0, seed=5
    ): "8b3fa04b138b7f8b88007e19e7e040d4f9ddaa10f7c7b7470ebe53f4bb2c27dc",
}


@pytest.fixture(scope="module")
def val_annotations():
    return generate("val", num_videos=24).annotations()


@pytest.fixture(scope="module")
def val():
    """The objects of each video."""
    return [scene_of(key).instances for key in VAL]


def digest(key):
    scene = scene_of(key)
    drawn = [render(scene, t) for t in range(scene.length)]
    frames, owners = (np.stack(part) for part in zip(*drawn, strict=True))
    return hashlib.sha256(frames.tobytes() + owners.tobytes()).hexdigest()


def owners_THW(scene):
    return np.stack([render_owners(scene, t)[0] for t in range(scene.length)])


def full_mask(scene, item, t):
    """The object as if nothing stood in front of it."""
    mask = np.zeros((scene.height, scene.width), dtype=bool)
    stamp = stamp_object(item, item.poses[t], scene.height, scene.width)
    if stamp is not None:
        mask[stamp.rows, stamp.columns] = stamp.codes > 0
    return mask


class TestReproducibility:
    @pytest.mark.parametrize("key", DIGESTS, ids=str)
    def test_same_key_same_bytes_as_ever(self, key):
        assert digest(key) == DIGESTS[key]

    def test_other_random_numbers_do_not_matter(self):
        key = VideoKey("val", 17)
        scene_of.cache_clear()
        np.random.seed(1)  # noqa: NPY002
        random.seed(2)
        np.random.rand(100)  # noqa: NPY002
        scene_of(VideoKey("train", 99))
        assert digest(key) == DIGESTS[key]

    def test_splits_seeds_and_variants_share_no_video(self):
        keys = [
            VideoKey(split, index, plain, seed)
            for split, index, plain, seed in itertools.product(
                ("train", "val"), range(6), (False, True), (0, 1)
            )
        ]
        firsts = {open_video(key).frames[0].tobytes() + scene_digest(key) for key in keys}
        assert len(firsts) == len(keys)

    def test_training_and_validation_share_no_stream_of_draws(self):
        keys = [drawn.key(n) for drawn in map(generate, SPLITS) for n in range(drawn.num_videos)]
        assert len(keys) == 440
        assert len({key.draws().noise(1, 8).tobytes() for key in keys}) == 440

    def test_more_videos_keep_the_first_ones(self):
        few, many = generate("train", num_videos=2), generate("train", num_videos=5)
        assert many.annotations()["videos"][:2] == few.annotations()["videos"]
        assert (
            many.annotations()["annotations"][: len(few.annotations()["annotations"])]
            == (few.annotations()["annotations"])
        )


def scene_digest(key):
    scene = scene_of(key)
    return repr([item.poses for item in scene.objects]).encode()


class TestMasks:
    def test_annotations_decode_to_the_rendered_owners(self, val_annotations):
        for video in val_annotations["videos"][:8]:
            owners = owners_THW(scene_of(VAL[video["id"] - 1]))
            entries = [a for a in val_annotations["annotations"] if a["video_id"] == video["id"]]
            seen = [o for o in range(1, owners.max() + 1) if (owners == o).any()]
            for owner, entry in zip(seen, entries, strict=True):
                check_entry(entry, owners == owner)

    def test_plain_masks_are_exactly_the_pixels_of_the_class_color(self):
        for key in PLAIN[:8]:
            scene, video = scene_of(key), open_video(key)
            for t in range(0, video.length, 5):
                frame, owners = render(scene, t)
                for owner, item in enumerate(scene.instances, start=1):
                    colored = (frame == plain_color(item.category_id)).all(-1)
                    assert np.array_equal(colored, owners == owner)

    def test_pixels_of_a_mask_have_the_colors_of_its_object(self):
        for key in VAL[:8]:
            scene = scene_of(key)
            for t in (0, scene.length // 2):
                frame, owners = render(scene, t)
                for owner, item in enumerate(scene.instances, start=1):
                    allowed = brighten(item.palette_33[1:], scene.gains[t])
                    pixels = frame[owners == owner]
                    assert (pixels[:, None] == allowed).all(-1).any(-1).all()


def check_entry(entry, masks_THW):
    assert entry["length"] == len(masks_THW) == len(entry["segmentations"])
    for t, mask in enumerate(masks_THW):
        if not mask.any():
            assert entry["segmentations"][t] is entry["bboxes"][t] is entry["areas"][t] is None
            continue
        assert np.array_equal(decode(entry["segmentations"][t]), mask)
        assert entry["areas"][t] == mask.sum()
        rows, columns = np.nonzero(mask)
        x, y, width, height = entry["bboxes"][t]
        assert (x, y) == (columns.min(), rows.min())
        assert (x + width - 1, y + height - 1) == (columns.max(), rows.max())


class TestOcclusion:
    """Labels by how much of an object the ones in front of it hide, counted here pixel by pixel."""

    def test_hidden_fractions_are_those_of_a_count(self):
        hidden_somewhere = 0
        for key in [*VAL[:12], PLAIN[0]]:
            scene = scene_of(key)
            _, hidden_NT = visibility_of(scene)
            for place, item in enumerate(scene.instances):
                for t in range(scene.length):
                    full = full_mask(scene, item, t)
                    covered = np.zeros_like(full)
                    for nearer in scene.instances[place + 1 :]:
                        covered |= full_mask(scene, nearer, t)
                    if full.any():
                        expected = (full & covered).sum() / full.sum()
                        assert hidden_NT[place, t] == expected
                        hidden_somewhere += expected > 0
                    else:
                        assert np.isnan(hidden_NT[place, t])
        assert hidden_somewhere > 100

    def test_labels_of_fractions(self):
        hidden_T = np.array([0, 1e-9, 0.5, 0.500001, 0.99, 1, np.nan])
        assert occlusion_labels(hidden_T) == [
            "no_occlusion",
            "slight_occlusion",
            "slight_occlusion",
            "severe_occlusion",
            "severe_occlusion",
            None,
            None,
        ]

    def test_an_object_has_a_label_exactly_where_it_has_a_mask(self, val_annotations):
        for entry in val_annotations["annotations"]:
            seen = [mask is not None for mask in entry["segmentations"]]
            assert [label is not None for label in entry["occlusion"]] == seen

    def test_plain_videos_hide_nothing(self):
        entries = generate("val", plain=True, num_videos=4).annotations()["annotations"]
        labels = {label for entry in entries for label in entry["occlusion"]}
        assert labels <= {"no_occlusion", None}

    def test_every_level_has_objects(self, val_annotations):
        levels = object_levels(GroundTruth.of(val_annotations))
        counts = {name: int(inside_N.sum()) for name, inside_N in levels.items()}
        assert counts == {"so": 49, "mo": 18, "ho": 8, "returning": 14, "staying": 56}


# sha256 of the annotations of 24 videos as they were before they had occlusion labels.
WITHOUT_LABELS = {
    ("val", False): "01d14b358857e10fe4edbcb23404382c8c925ec3654ffdbde21afe75c02f3525",
    ("val", True): "00462e6385388859075b333215c42478a5fc082636e391a23d22d145f46e7d18",
}


class TestOfficialForm:
    @pytest.mark.parametrize(("split", "plain"), WITHOUT_LABELS)
    def test_only_the_labels_are_new(self, split, plain):
        content = generate(split, plain=plain, num_videos=24).annotations()
        digest = WITHOUT_LABELS[split, plain]
        assert annotations_checksum(orjson.dumps(content)) == digest
        for entry in content["annotations"]:
            del entry["occlusion"]
        assert hashlib.sha256(orjson.dumps(content)).hexdigest() == digest

    @pytest.mark.parametrize("plain", [False, True])
    def test_the_checksum_of_all_validation_videos_is_that_of_their_annotations(self, plain):
        drawn = generate("val", plain=plain)
        assert drawn.num_videos == 240
        assert annotations_checksum(orjson.dumps(drawn.annotations())) == drawn.annotations_sha256
        assert generate("val", plain=plain, num_videos=239).annotations_sha256 is None
        assert generate("val", plain=plain, seed=1).annotations_sha256 is None

    def test_keys_and_ids(self, val_annotations):
        assert list(val_annotations) == ["info", "licenses", "videos", "categories", "annotations"]
        assert [v["id"] for v in val_annotations["videos"]] == list(range(1, 25))
        assert [c["id"] for c in val_annotations["categories"]] == [1, 2, 3, 4, 5, 6]
        ids = [a["id"] for a in val_annotations["annotations"]]
        assert ids == list(range(1, len(ids) + 1))
        keys = {
            "id", "video_id", "category_id", "iscrowd", "height", "width", "length",
            "segmentations", "bboxes", "areas", "occlusion",
        }  # fmt: skip
        assert all(a.keys() == keys for a in val_annotations["annotations"])

    def test_videos_match_their_frames(self, val_annotations):
        for record, video in zip(val_annotations["videos"], generate("val").videos, strict=False):
            assert 24 <= record["length"] == video.length == len(record["file_names"]) <= 36
            assert video.frames[0].shape == (record["height"], record["width"], 3)
            assert video.frames[0].dtype == np.uint8
            assert record["file_names"][3] == f"{video.name}/00003.png"


class TestTask:
    def test_look_alikes_move_side_by_side(self, val):
        alike = [
            any(side_by_side(a, b) for a, b in itertools.combinations(video, 2)) for video in val
        ]
        assert sum(alike) >= 8

    def test_every_class_occurs_and_colors_say_nothing(self, val):
        classes = [item.category_id for video in val for item in video]
        assert min(classes.count(k) for k in CLASSES) >= 8
        by_class = [
            np.stack([i.palette_33[1] for v in val for i in v if i.category_id == k])
            for k in CLASSES
        ]
        assert all(colors.std(0).min() > 30 for colors in by_class)

    def test_neither_outline_nor_texture_tells_the_class(self):
        for part in ("outline", "texture"):
            values = [getattr(look, part) for look in CLASSES.values()]
            assert all(values.count(value) == 2 for value in values)
        assert len({(look.outline, look.texture) for look in CLASSES.values()}) == 6

    def test_clutter_has_no_annotation(self):
        extra = [len(scene_of(k).objects) - len(scene_of(k).instances) for k in VAL]
        assert sum(count > 0 for count in extra) >= 8


def side_by_side(one, other):
    """Same class, colors within 24 per channel, circles within 4 pixels for half of the video."""
    if one.category_id != other.category_id:
        return False
    if np.abs(one.palette_33.astype(int) - other.palette_33)[1:].max() > 24:
        return False
    near = [
        math.dist((a.x, a.y), (b.x, b.y)) < a.radius + b.radius + 4 * SUBPIXELS
        for a, b in zip(one.poses, other.poses, strict=True)
    ]
    return np.mean(near) >= 0.5


class TestPlain:
    def test_nothing_touches_and_no_class_comes_twice(self):
        for key in PLAIN:
            scene = scene_of(key)
            classes = [item.category_id for item in scene.instances]
            assert len(set(classes)) == len(classes) >= 1
            for t in range(scene.length):
                whole = [full_mask(scene, item, t) for item in scene.instances]
                owners, _ = render_owners(scene, t)
                assert [m.sum() for m in whole] == [
                    (owners == o).sum() for o in range(1, len(whole) + 1)
                ]
                assert all(m.any() for m in whole)

    def test_colors_are_far_apart(self):
        colors = [plain_color(k) for k in CLASSES] + [(28, 28, 28)]
        assert min(math.dist(a, b) for a, b in itertools.combinations(colors, 2)) > 120

    @pytest.mark.parametrize("category_id", [0, 7, -1, "star"])
    def test_unknown_classes_are_refused(self, category_id):
        with pytest.raises(InputError, match="1 to 6"):
            plain_color(category_id)


class TestWriting:
    def test_layout_and_exact_frames(self, tmp_path):
        counts = {"train": 1, "val": 2}
        written = write_dataset(tmp_path, BARS, num_videos=counts)
        videos = generate("val", num_videos=2)
        content = json.loads((tmp_path / "val.json").read_bytes())
        assert content == videos.annotations()
        assert (tmp_path / "train.json").is_file()
        assert written["val_frames"] == sum(v.length for v in videos.videos)
        for record, video in zip(content["videos"], videos.videos, strict=True):
            for t, name in enumerate(record["file_names"]):
                with Image.open(tmp_path / "val" / "JPEGImages" / name) as image:
                    assert image.mode == "RGB"
                    assert np.array_equal(np.asarray(image), video.frames[t])

    def test_jpeg_is_close(self, tmp_path):
        write_dataset(tmp_path, BARS, num_videos={"val": 1}, image_format="jpg")
        content = json.loads((tmp_path / "val.json").read_bytes())
        name = content["videos"][0]["file_names"][4]
        assert name.endswith("00004.jpg")
        with Image.open(tmp_path / "val" / "JPEGImages" / name) as image:
            assert image.format == "JPEG"
            decoded = np.asarray(image).astype(int)
        error = np.abs(decoded - generate("val", num_videos=1).videos[0].frames[4])
        assert error.mean() < 3

    @pytest.mark.parametrize("existing", ["val.json", "val/JPEGImages/mine.png"])
    def test_nothing_is_overwritten(self, tmp_path, existing):
        path = tmp_path / existing
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
        with pytest.raises(InputError, match="already exists"):
            write_dataset(tmp_path, BARS, num_videos={"train": 1, "val": 1})
        assert [f for f in tmp_path.rglob("*") if f.is_file()] == [path]
        assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"split": "test"}, "expected train or val"),
        ({"split": "val", "seed": -1}, "from 0 up"),
        ({"split": "val", "num_videos": 0}, "from 1 up"),
    ],
)
def test_wrong_arguments_are_named(arguments, words):
    with pytest.raises(InputError, match=words):
        generate(**arguments)
