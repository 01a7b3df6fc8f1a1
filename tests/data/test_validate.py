"""Every kind of defect is found and named; a right file has none; nothing crashes."""

import copy
import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from vis_bench.cli import main
from vis_bench.data.annotations import compressed_mask
from vis_bench.data.categories import CATEGORIES
from vis_bench.data.synthetic import write_dataset
from vis_bench.data.validate import Problem, group_problems, problems_text, validate
from vis_bench.errors import InputError
from vis_bench.masks.rle import encode_masks
from vis_bench.progress import Bars

H, W, T = 12, 16, 4


def categories(name):
    return [{"id": k, "name": n} for k, n in CATEGORIES[name].items()]


def valid_content():
    """Two videos; masks in all three forms of COCO; one object that is absent in a frame."""
    masks = np.zeros((3, H, W), bool)
    masks[0, 2:6, 3:9] = masks[1, 2:6, 4:10] = masks[2, 3:7, 4:10] = True
    rles = encode_masks(masks)
    box = [3, 2, 6, 4]
    polygon = [[3, 2, 9, 2, 9, 6, 3, 6]]
    loose = {"size": [H, W], "counts": [36 + 2, 4, 8, 4, H * W - 54]}
    return {
        "info": {},
        "licenses": [],
        "videos": [video(1, "aa"), video(2, "bb")],
        "categories": categories("ytvis2019"),
        "annotations": [
            entry(1, 1, [rles[0], None, *rles[1:]], [24, None, 24, 24], [box, None, box, box]),
            entry(2, 2, [polygon, polygon, [], loose], [24, 24, None, 8], [box, box, None, box]),
        ],
    }


def video(number, name):
    names = [f"{name}/{t:05d}.png" for t in range(T)]
    return {"id": number, "height": H, "width": W, "length": T, "file_names": names}


def entry(number, video_id, segmentations, areas, boxes):
    return {
        "id": number,
        "video_id": video_id,
        "category_id": 7,
        "iscrowd": 0,
        "height": H,
        "width": W,
        "length": T,
        "segmentations": segmentations,
        "areas": areas,
        "bboxes": boxes,
    }


@pytest.fixture
def path(tmp_path):
    return save(tmp_path, valid_content())


@pytest.fixture
def frames(tmp_path):
    """All frames of the valid file, half of them as JPEG under a .png name."""
    rng = np.random.default_rng(0)
    for name in ("aa", "bb"):
        (tmp_path / "frames" / name).mkdir(parents=True)
        for t in range(T):
            image = Image.fromarray(rng.integers(0, 256, (H, W, 3), dtype=np.uint8))
            file = tmp_path / "frames" / name / f"{t:05d}.png"
            image.save(file, format="PNG" if t % 2 else "JPEG")
    return tmp_path / "frames"


def save(folder, content):
    path = folder / "gt.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def found(folder, edit, name=None):
    content = valid_content()
    edit(content)
    return validate(save(folder, content), None, name)


def test_a_valid_file_has_no_problems(path, frames):
    assert validate(path, frames, "ytvis2019") == []


@pytest.mark.parametrize("image_format", ["png", "jpg"])
def test_synthetic_videos_have_no_problems(tmp_path, image_format):
    write_dataset(tmp_path, Bars(quiet=True), num_videos={"val": 2}, image_format=image_format)
    assert validate(tmp_path / "val.json", tmp_path / "val" / "JPEGImages", "synthetic") == []


def a(content):
    return content["annotations"][0]


def v(content):
    return content["videos"][0]


def put(values, index, value):
    values[index] = value


# What is done to the valid file, and the one problem that it makes: kind, where, message.
DEFECTS = {
    "meta.json": (
        lambda c: c.update(videos={"aa": {"objects": {}}}), "file", "gt.json", "meta.json"),
    "valid.json": (lambda c: c.update(annotations=None), "file", "gt.json", "has no annotations"),
    "empty": (lambda c: c.update(annotations=[]), "file", "gt.json", "has no annotations"),
    "annotation id 0": (lambda c: a(c).update(id=0), "id", "annotations[0]", "has id 0"),
    "id twice": (lambda c: a(c).update(id=2), "id", "annotations[1]", "repeats id 2"),
    "category twice": (
        lambda c: c["categories"].append({"id": 4, "name": "parrot"}), "id", "categories[40]",
        "repeats id 4"),
    "unknown category": (
        lambda c: a(c).update(category_id=41), "categories", "annotation 1 (video 1)",
        "category_id 41"),
    "category 0": (
        lambda c: a(c).update(category_id=0), "categories", "annotation 1", "category_id 0"),
    "unknown video": (lambda c: a(c).update(video_id=3), "id", "annotation 1", "video_id 3"),
    "length": (lambda c: v(c).update(file_names=v(c)["file_names"][:3]), "length", "video 1",
        "length 4 but 3 file_names"),
    "no length": (lambda c: v(c).pop("length"), "length", "video 1", "has no length"),
    "segmentations": (
        lambda c: a(c)["segmentations"].append(None), "length", "annotation 1",
        "has 5 segmentations but its video has 4"),
    "areas": (lambda c: a(c).update(areas=[24, None, 24]), "length", "annotation 1", "has 3 areas"),
    "bboxes": (lambda c: a(c)["bboxes"].pop(), "length", "annotation 1", "has 3 bboxes"),
    "own length": (lambda c: a(c).update(length=9), "length", "annotation 1", "has length 9"),
    "areas of text": (lambda c: a(c).update(areas="24"), "value", "annotation 1", "areas '24'"),
    "no masks": (lambda c: a(c).pop("segmentations"), "value", "annotation 1",
        "has no segmentations; expected a list"),
    "own size": (
        lambda c: a(c).update(height=W, width=H), "size", "annotation 1", "[16, 12]"),
    "mask size": (
        lambda c: put(a(c)["segmentations"], 2, turned()), "size", "annotation 1 (video 1)",
        "frame 2 has a mask of 16x12 but its video is 12x16"),
    "area": (lambda c: put(a(c)["areas"], 2, 30), "area", "annotation 1",
        "frame 2 has area 30 but a mask of 24 pixels"),
    "area of nothing": (lambda c: put(a(c)["areas"], 1, 5), "area", "annotation 1",
        "frame 1 has area 5 but a mask of 0 pixels"),
    "no area": (lambda c: put(a(c)["areas"], 0, None), "area", "annotation 1",
        "frame 0 has area None but a mask of 24"),
    "areas of all frames": (lambda c: a(c).update(areas=[9, 9, 9, 9]), "area", "annotation 1",
        "frame 0 has area 9 but a mask of 24 pixels (and in 3 more frames)"),
    "polygon area": (lambda c: put(c["annotations"][1]["areas"], 0, 200), "area", "annotation 2",
        "frame 0 has area 200"),
    "area of text": (lambda c: put(a(c)["areas"], 0, "x"), "area", "annotation 1", "area 'x'"),
    "malformed": (
        lambda c: put(a(c)["segmentations"], 3, {"size": [H, W], "counts": "52203"}), "mask",
        "annotation 1", "frame 3 has a malformed mask"),
    "no box": (lambda c: put(a(c)["bboxes"], 0, None), "box", "annotation 1", "no box"),
    "box alone": (lambda c: put(a(c)["bboxes"], 1, [1, 1, 2, 2]), "box", "annotation 1", "no mask"),
    "short box": (lambda c: put(a(c)["bboxes"], 0, [1, 2, 3]), "box", "annotation 1", "[1, 2, 3]"),
    "labels": (lambda c: a(c).update(occlusion="none"), "value", "annotation 1",
        "has occlusion 'none'; expected a list"),
    "few labels": (lambda c: a(c).update(occlusion=["no_occlusion"]), "length", "annotation 1",
        "has 1 occlusion labels but its video has 4"),
    "another label": (
        lambda c: a(c).update(occlusion=["light", None, 0.5, None]), "value", "annotation 1",
        "frame 0 has occlusion 'light'; expected one of no_occlusion, slight_occlusion, "
        "severe_occlusion or null (and in 1 more frames)"),
    "crowd": (lambda c: a(c).update(iscrowd=2), "value", "annotation 1", "iscrowd 2"),
    "outside": (lambda c: put(v(c)["file_names"], 0, "../x.png"), "value", "video 1", "../x.png"),
    "same file": (
        lambda c: put(v(c)["file_names"], 1, "aa/00000.png"), "value", "video 1", "frame 1 names"),
    "no object": (lambda c: c["annotations"].append(3), "value", "annotations[2]", "is 3"),
}  # fmt: skip


def turned():
    return encode_masks(np.pad(np.ones((1, 6, 4), bool), ((0, 0), (2, 8), (4, 4))))[0]


def test_occlusion_labels_are_welcome_and_so_is_none(tmp_path):
    labels = ["no_occlusion", None, "slight_occlusion", "severe_occlusion"]
    assert found(tmp_path, lambda c: a(c).update(occlusion=labels)) == []
    assert found(tmp_path, lambda c: a(c).update(occlusion=None)) == []


@pytest.mark.parametrize("case", DEFECTS)
def test_a_defect_is_the_one_problem(tmp_path, case):
    edit, kind, where, message = DEFECTS[case]
    problems = found(tmp_path, edit, "ytvis2019")
    if case == "category twice":
        problems = [p for p in problems if p.kind == "id"]
    assert len(problems) == 1, problems
    assert problems[0].kind == kind
    assert str(tmp_path) in problems[0].where
    assert where in problems[0].where
    assert message in problems[0].message
    assert "\n" not in problems[0].message


def test_masks_may_differ_from_polygon_areas_a_little(tmp_path):
    assert found(tmp_path, lambda c: put(c["annotations"][1]["areas"], 0, 21.5)) == []
    assert found(tmp_path, lambda c: put(a(c)["areas"], 0, 24.5)) == []
    assert found(tmp_path, lambda c: put(a(c)["areas"], 0, 26)) != []
    assert found(tmp_path, lambda c: a(c).pop("areas")) == []


@pytest.mark.parametrize("name", CATEGORIES)
def test_the_categories_of_every_data_set(tmp_path, name):
    def rename(content):
        content["categories"] = categories(name)
        for entry in content["annotations"]:
            entry["category_id"] = 2

    assert found(tmp_path, rename, name) == []


@pytest.mark.parametrize(
    ("given_name", "other"), [("ytvis2019", "ytvis2021"), ("ytvis2021", "ytvis2019")]
)
def test_a_file_of_the_other_year(tmp_path, given_name, other):
    def edit(content):
        content["categories"] = categories(other)

    problems = found(tmp_path, edit, given_name)
    assert [p.kind for p in problems] == ["categories"]
    year = other[-4:]
    assert f"these are the categories of {other} (YouTube-VIS {year})" in problems[0].message
    assert found(tmp_path, edit, other) == []
    assert found(tmp_path, edit) == []


class TestFrames:
    def one(self, path, frames):
        problems = validate(path, frames)
        assert len(problems) == 1, problems
        return problems[0]

    def test_missing(self, path, frames):
        (frames / "bb" / "00002.png").unlink()
        problem = self.one(path, frames)
        assert problem.kind == "frame"
        assert problem.where.endswith("video 2")
        assert "frame 2 is missing" in problem.message

    def test_a_missing_folder_is_one_problem(self, path, frames):
        for file in (frames / "aa").iterdir():
            file.unlink()
        (frames / "aa").rmdir()
        assert "(and in 3 more frames)" in self.one(path, frames).message

    @pytest.mark.parametrize("t", [0, 1])
    def test_cut_off(self, path, frames, t):
        file = frames / "aa" / f"{t:05d}.png"
        file.write_bytes(file.read_bytes()[:-60])
        problem = self.one(path, frames)
        assert problem.kind == "frame"
        assert f"frame {t}, {file}, cannot be decoded" in problem.message

    @pytest.mark.parametrize("content", [b"", b"text", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n"])
    def test_no_image(self, path, frames, content):
        (frames / "bb" / "00001.png").write_bytes(content)
        assert "cannot be decoded" in self.one(path, frames).message

    def test_another_size(self, path, frames):
        Image.fromarray(np.zeros((W, H, 3), np.uint8)).save(frames / "aa" / "00003.png")
        problem = self.one(path, frames)
        assert problem.kind == "size"
        assert "is 16x12; the video is 12x16" in problem.message

    def test_a_name_that_no_file_system_holds(self, tmp_path, frames):
        content = valid_content()
        put(v(content)["file_names"], 0, "x" * 5000)
        assert "is missing" in self.one(save(tmp_path, content), frames).message


class TestOtherFiles:
    @pytest.mark.parametrize(
        ("content", "words"),
        [
            ("", "not JSON"),
            ("{", "not JSON"),
            ('{"videos": NaN}', "NaN"),
            ("[1]", "results file"),
            ("3", "holds 3"),
            ("null", "holds None"),
            ("[" * 5000, "not JSON"),
        ],
    )
    def test_no_annotations_at_all(self, tmp_path, content, words):
        problems = validate(save(tmp_path, content))
        assert len(problems) == 1
        assert words in problems[0].message

    def test_an_empty_object_lacks_everything(self, tmp_path):
        messages = " ".join(p.message for p in validate(save(tmp_path, "{}")))
        assert all(word in messages for word in ("videos", "categories", "annotations"))

    def test_what_the_user_mistyped(self, tmp_path, path):
        with pytest.raises(InputError, match="cannot read"):
            validate(tmp_path / "nothing.json")
        with pytest.raises(InputError, match="does not exist"):
            validate(path, tmp_path / "nowhere")
        with pytest.raises(InputError, match="ytvis2019"):
            validate(path, None, "ytvis2020")


def test_several_defects_are_all_named(tmp_path):
    def edit(content):
        a(content).update(category_id=77, iscrowd="no")
        put(a(content)["areas"], 0, 3)
        v(content).update(length=7)

    kinds = {problem.kind for problem in found(tmp_path, edit)}
    assert kinds >= {"categories", "value", "area", "length"}


def test_masks_of_all_forms_are_the_same(tmp_path):
    square = np.zeros((1, H, W), bool)
    square[0, 2:6, 3:9] = True
    expected = encode_masks(square)[0]
    loose = {"size": [H, W], "counts": [3 * H + 2, *([4, 8] * 5), 4, H * W - 3 * H - 66]}
    assert compressed_mask(loose, H, W, "it") == compressed_mask(expected, H, W, "it") == expected
    assert compressed_mask([[3, 2, 9, 2, 9, 6, 3, 6]], H, W, "it")["size"] == [H, W]


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 60)
    | st.sampled_from([2**31, 2**40, -(2**53), 1e308, -0.5, "", "0", "P", "~~~", "../x", "\x00"])
    | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "size", "counts", "name", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value, path=()):
    """Every path to a value inside a JSON value."""
    yield path
    if isinstance(value, dict | list):
        children = value.items() if isinstance(value, dict) else enumerate(value)
        for key, child in children:
            yield from places(child, (*path, key))


PLACES = [p for p in places(valid_content()) if (p and p[0] != "categories") or len(p) < 3]


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.sampled_from(PLACES), JUNK, st.booleans()), min_size=1, max_size=3))
def test_nothing_crashes_whatever_the_file_holds(tmp_path, changes):
    content = copy.deepcopy(valid_content())
    for place, junk, remove in changes:
        content = replaced(content, place, junk, remove)
    (tmp_path / "frames").mkdir(exist_ok=True)
    problems = validate(save(tmp_path, content), tmp_path / "frames", "ytvis2019")
    assert all(isinstance(problem, Problem) for problem in problems)
    json.dumps([asdict(problem) for problem in problems])


def replaced(content, place, junk, remove):
    """The content with a value at a place replaced or removed, where the place still exists."""
    if not place:
        return junk
    inner = content
    try:
        for key in place[:-1]:
            inner = inner[key]
        if remove:
            del inner[place[-1]]
        else:
            inner[place[-1]] = junk
    except (KeyError, IndexError, TypeError):
        pass
    return content


@pytest.fixture
def other_size(frames):
    """The frames of both videos in another size, and one of them missing."""
    for file in frames.rglob("*.png"):
        Image.fromarray(np.zeros((5, 5, 3), np.uint8)).save(file)
    (frames / "bb" / "00003.png").unlink()
    return frames


def test_equal_problems_are_printed_as_one_group(path, other_size, capsys):
    arguments = ["validate", str(path), "--frames", str(other_size)]
    problems = validate(path, other_size)
    assert len(problems) == 8
    assert main(arguments) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "7 size problems alike:"
    for t, line in enumerate(lines[1:4]):
        assert line.startswith(f"  {path}, video 1: frame {t}, {other_size / 'aa'}")
        assert line.endswith("is 5x5; the video is 12x16")
    assert lines[4] == "  and 4 more"
    assert lines[5].startswith(f"{path}, video 2: frame 3 is missing")
    assert len(lines) == 7
    assert main([*arguments, "--all"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{problem.where}: {problem.message}" for problem in problems]
    assert main([*arguments, "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)) == len(problems)


def test_problems_of_several_sorts_stay_apart():
    other = [Problem("size", f"v{n}", m) for n, m in enumerate(("a 1", "b 2", "a [1, 2]"))]
    assert [len(group) for group in group_problems(other)] == [2, 1]
    assert problems_text([other[0]]) == "v0: a 1"
    assert problems_text([]) == "no problems found"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("frame 0 is missing: there is no file /x/aa/0.jpg",
         "frame 3 is missing: there is no file /x/b1/7.png (and in 3 more frames)"),
        ("has id 'a' instead of an integer", "has id \"it's\" instead of an integer"),
        ("has iscrowd [1, 2] instead of 0 or 1", "has iscrowd {'a': 3} instead of 0 or 1"),
        ("has area 2.5 but a mask of 3 pixels", "has area 1e9 but a mask of 0 pixels"),
    ],
)  # fmt: skip
def test_messages_that_differ_in_values_are_alike(one, other):
    problems = [Problem("file", "gt.json", message) for message in (one, other)]
    assert group_problems(problems) == [problems]
