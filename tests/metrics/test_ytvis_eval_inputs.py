"""Every malformed file ends in one sentence and exit code 2, and none ends the process."""

import copy
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile_calls import call
from paths import ROOT
from vis_bench.data.annotations import GroundTruth
from vis_bench.errors import InputError
from vis_bench.masks.rle import encode_masks
from vis_bench.metrics.ap import evaluate_files

HEIGHT, WIDTH = 6, 8


def mask_of(top, left, height=HEIGHT, width=WIDTH):
    mask = np.zeros((1, height, width), bool)
    mask[0, top : top + 3, left : left + 4] = True
    return encode_masks(mask)[0]


ANNOTATIONS = {
    "info": {},
    "videos": [
        {"id": 1, "height": HEIGHT, "width": WIDTH, "length": 2, "file_names": ["a/0.jpg"] * 2},
        {"id": 2, "height": HEIGHT, "width": WIDTH, "length": 3, "file_names": ["b/0.jpg"] * 3},
    ],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    "annotations": [
        {
            "id": 7,
            "video_id": 1,
            "category_id": 1,
            "iscrowd": 0,
            "areas": [12, None],
            "segmentations": [mask_of(1, 1), None],
        },
        {
            "id": 8,
            "video_id": 2,
            "category_id": 2,
            "iscrowd": 0,
            "areas": [12, 12, 24],
            "segmentations": [
                mask_of(0, 0),
                {"size": [6, 8], "counts": [12, 12, 24]},
                [[1, 1, 5, 1, 5, 5, 1, 5]],
            ],
        },
        {
            "id": 9,
            "video_id": 2,
            "category_id": 2,
            "iscrowd": 1,
            "areas": [12, 0, None],
            "segmentations": [mask_of(3, 4), [], {}],
        },
    ],
}
PREDICTIONS = [
    {"video_id": 1, "category_id": 1, "score": 0.9, "segmentations": [mask_of(1, 1), None]},
    {"video_id": 2, "category_id": 2, "score": 0.5, "segmentations": [mask_of(0, 1)] * 3},
    {"video_id": 2, "category_id": 1, "score": 1, "segmentations": [None, mask_of(2, 2), None]},
]


def edited(content, path, value):
    """A copy in which the value at a path of keys is another one, or gone where it is DELETED."""
    content = copy.deepcopy(content)
    *parents, last = path
    target = content
    for key in parents:
        target = target[key]
    if value is DELETED:
        del target[last]
    else:
        target[last] = value
    return content


DELETED = object()
MASK_0 = (0, "segmentations", 0)


def rle(counts, size=(HEIGHT, WIDTH)):
    return {"size": list(size), "counts": counts}


# Path, value and a part of the message; tests/masks/test_rle.py has the malformed masks.
BAD_PREDICTIONS = [
    ((0,), None, "entry 0 is None; expected an object"),
    ((1,), [], "entry 1 is []"),
    ((0, "video_id"), DELETED, "entry 0 (video None) has no 'video_id'"),
    ((0, "video_id"), "1", "has video_id '1'; expected an integer"),
    ((0, "video_id"), True, "has video_id True; expected an integer"),
    ((0, "video_id"), 10**40, "has video_id 1e+40; expected an integer"),
    ((0, "video_id"), 3, "has video_id 3; expected one of the 2 videos"),
    ((0, "category_id"), DELETED, "entry 0 (video 1) has no 'category_id'"),
    ((0, "category_id"), [1], "has category_id [1]; expected an integer"),
    ((0, "score"), DELETED, "has no 'score'"),
    ((0, "score"), "0.9", "has score '0.9'; expected a finite number"),
    ((0, "score"), True, "has score True; expected a finite number"),
    ((0, "segmentations"), DELETED, "has no 'segmentations'"),
    ((0, "segmentations"), None, "has segmentations None; expected a list"),
    (MASK_0, "0P1", "frame 0: the mask is '0P1'"),
    (MASK_0, [[1, 1, 5, 1, 5, 5]], "frame 0: the mask is a list (polygons?)"),
    (MASK_0, rle([12, 12, 24]), "frame 0: the mask is an uncompressed RLE"),
    (MASK_0, rle(None), "has counts of type NoneType; expected a compressed string"),
    (MASK_0, rle(""), "frame 0: the mask is a malformed RLE: it is empty"),
    (MASK_0, rle("<<I"), "malformed RLE: a run has a negative length"),
    (MASK_0, rle(mask_of(0, 0)["counts"], (8, 7)), "pixels instead of 56"),
    (MASK_0, rle(mask_of(0, 0)["counts"], (1 << 63, 2)), "below 2^32"),
    (MASK_0, rle("PPPP`0", (1 << 13, 1 << 12)), "malformed RLE"),
    ((2, "segmentations", 1), rle("<<"), "entry 2 (video 2), frame 1: the mask is a malformed RLE"),
    ((0, "segmentations"), [rle("PPPPPP2", (1 << 15, 1 << 15))] * 4, "over 4 frames are 2^32"),
]

THING_0 = ("annotations", 0)
BAD_ANNOTATIONS = [
    (("videos",), DELETED, "has no 'videos'"),
    (("videos",), "many", "has videos 'many'; expected a list of objects"),
    (("videos",), {"1": {"objects": {}}}, "has videos as an object, like meta.json"),
    (("videos", 0), 1, "videos[0] is 1; expected an object"),
    (("videos", 0, "id"), DELETED, "videos[0] has no 'id'"),
    (("videos", 0, "id"), "1", "videos[0] has id '1'; expected an integer"),
    (("videos", 0, "id"), 2, "videos[1] repeats id 2"),
    (("videos", 0, "height"), DELETED, "video 1 has height and width [None, 8]"),
    (("videos", 0, "width"), "8", "has height and width [6, '8']"),
    (("videos", 0, "width"), 1 << 31, "below 2^24"),
    (("videos", 0, "length"), "2", "has length '2'"),
    (("videos", 0, "length"), 1 << 63, "expected a whole number of frames"),
    (("videos", 0, "file_names"), 5, "has file_names 5; expected a list"),
    (("categories",), DELETED, "has no 'categories'"),
    (("categories", 0), "cat", "categories[0] is 'cat'"),
    (("categories", 0, "id"), 2, "categories[1] repeats id 2"),
    (("annotations",), DELETED, "has no annotations, like the public valid.json"),
    (("annotations",), {}, "has annotations {}; expected a list of objects"),
    ((*THING_0,), None, "annotations[0] is None; expected an object"),
    ((*THING_0, "id"), 0, "annotations[0] has id 0"),
    ((*THING_0, "id"), 8, "annotations[1] repeats id 8"),
    ((*THING_0, "id"), DELETED, "annotations[0] has no 'id'"),
    ((*THING_0, "video_id"), "1", "annotations[0] has video_id '1'"),
    ((*THING_0, "iscrowd"), 0.5, "annotation 7 (video 1) has iscrowd 0.5; expected 0, 1, true"),
    ((*THING_0, "areas"), 5, "annotation 7 (video 1) has areas 5; expected a list"),
    ((*THING_0, "areas", 0), "12", "frame 0 has area '12'"),
    ((*THING_0, "areas", 0), -1, "frame 0 has area -1"),
    ((*THING_0, "areas", 1), 10**300, "frame 1 has area 1e+300"),
    ((*THING_0, "segmentations"), DELETED, "has no 'segmentations'"),
    ((*THING_0, "segmentations", 0), 1, "annotation 7 (video 1), frame 0: the mask is 1"),
    ((*THING_0, "segmentations", 0), rle("<<"), "annotation 7 (video 1), frame 0: the mask is a"),
    ((*THING_0, "segmentations", 0), rle([12, 12]), "runs that add up to 24 pixels"),
    ((*THING_0, "segmentations", 0), rle([48], (6, 8.0)), "has size [6, 8.0]"),
    ((*THING_0, "segmentations", 0), [[0, 0, 1e6, 1e6] * 9], "edges of over"),
]

# Files that are no JSON, or not of the right kind; the same for both files.
DEEP = b"[" * 100_000 + b"]" * 100_000
NOT_JSON = {
    "empty": (b"", "is not JSON"),
    "truncated": (json.dumps(PREDICTIONS).encode()[:-40], "is not JSON"),
    "not UTF-8": (b'[{"video_id": "\xff\xfe"}]', "is not JSON"),
    "UTF-16": (json.dumps(PREDICTIONS).encode("utf-16"), "is not JSON"),
    "zero bytes": (bytes(100), "is not JSON"),
    "deeply nested": (DEEP, "is not JSON"),
    "two values": (b"[] []", "is not JSON"),
    "NaN": (b'[{"score": NaN}]', "holds NaN, which JSON does not allow"),
    "Infinity": (b'[\n{"score": -Infinity}]', "line 2 holds Infinity"),
    "overflow": (b'[{"score": 1e400}]', "is not JSON"),
    "a lone surrogate": (b'["\\ud800"]', "is not JSON"),
    "a number": (b"5", "holds 5; expected"),
    "a string": (b'"results"', "holds 'results'; expected"),
    "null": (b"null", "holds None; expected"),
}


@pytest.fixture
def evaluated(tmp_path):
    """Runs `eval` on two file contents; returns exit code, standard output and error."""

    def evaluate(annotations, predictions):
        for name, content in (("gt.json", annotations), ("results.json", predictions)):
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            (tmp_path / name).write_bytes(data)
        paths = ["--annotations", tmp_path / "gt.json", "--predictions", tmp_path / "results.json"]
        return call("eval", *paths)

    return evaluate


def assert_one_sentence(outcome, file_name, message):
    code, out, err = outcome
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert file_name in err
    assert message in err
    assert len(err) < 400


def test_the_files_that_are_broken_below_are_whole(evaluated):
    code, out, err = evaluated(ANNOTATIONS, PREDICTIONS)
    assert code == 0, err
    assert err == ""
    assert "AP75" in out


@pytest.mark.parametrize(("path", "value", "message"), BAD_PREDICTIONS)
def test_malformed_predictions(evaluated, path, value, message):
    outcome = evaluated(ANNOTATIONS, edited(PREDICTIONS, path, value))
    assert_one_sentence(outcome, "results.json", message)


@pytest.mark.parametrize(("path", "value", "message"), BAD_ANNOTATIONS)
def test_malformed_annotations(evaluated, path, value, message):
    outcome = evaluated(edited(ANNOTATIONS, path, value), PREDICTIONS)
    assert_one_sentence(outcome, "gt.json", message)


@pytest.mark.parametrize("kind", NOT_JSON)
@pytest.mark.parametrize("which", ["gt.json", "results.json"])
def test_files_that_are_no_json(evaluated, kind, which):
    content, message = NOT_JSON[kind]
    files = (content, PREDICTIONS) if which == "gt.json" else (ANNOTATIONS, content)
    assert_one_sentence(evaluated(*files), which, message)


def test_files_in_each_others_place(evaluated):
    outcome = evaluated(PREDICTIONS, PREDICTIONS)
    assert_one_sentence(outcome, "gt.json", "a JSON list (a results file?)")
    outcome = evaluated(ANNOTATIONS, ANNOTATIONS)
    assert_one_sentence(outcome, "results.json", "a JSON object (an annotations file?)")


MASK = mask_of(1, 1)
OF_IMAGE = {"image_id": 1, "category_id": 1, "score": 0.9, "segmentation": MASK}
OF_IMAGES = {
    "image results": [OF_IMAGE],
    "with a box": [{**OF_IMAGE, "bbox": [0, 0, 4, 4]}],
    "with a track": [{**OF_IMAGE, "track_id": 1}],
    "and a video": [{**OF_IMAGE, "video_id": 1}],
    "of a video's frame": [{**PREDICTIONS[0], "segmentation": MASK, "segmentations": None}],
    "without image": [
        {"video_id": 1, "frame_id": 0, **{k: v for k, v in OF_IMAGE.items() if k != "image_id"}}
    ],
    "and both masks": [{**OF_IMAGE, "segmentations": [MASK, None]}],
    "and all keys": [{**OF_IMAGE, "segmentations": [MASK], "video_id": 1}],
    "behind a track": [PREDICTIONS[0], OF_IMAGE],
    "before a track": [OF_IMAGE, PREDICTIONS[0]],
    "without segmentation": [{**PREDICTIONS[0], "image_id": 1, "video_id": None}],
}


@pytest.mark.parametrize("kind", OF_IMAGES)
def test_results_of_images_are_no_results_of_videos(evaluated, kind):
    assert_one_sentence(evaluated(ANNOTATIONS, OF_IMAGES[kind]), "results.json", "expected")


def test_a_track_that_names_an_image_too_is_a_track(evaluated):
    tracks = [{**track, "image_id": 1} for track in PREDICTIONS]
    assert evaluated(ANNOTATIONS, tracks) == evaluated(ANNOTATIONS, PREDICTIONS)


@pytest.mark.parametrize("name", ["folder", "video.txt", "gt.json", "coco.json"])
def test_other_forms_name_the_command_that_reads_them(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "video.txt").write_text("1 1001 1 6 8 PPP")
    (tmp_path / "gt.json").write_text(json.dumps(ANNOTATIONS))
    (tmp_path / "coco.json").write_text(json.dumps({"images": [], "annotations": []}))
    path = tmp_path / name
    with pytest.raises(InputError, match=f"vis-bench convert {path} OUT --to results"):
        evaluate_files(tmp_path / "gt.json", path)


DOUBTS = {
    "doubled": (PREDICTIONS * 2, ["every track stands twice", "3 of 6", "entry 3"]),
    "three times": (PREDICTIONS * 3, ["every track stands 3 times", "6 of 9"]),
    "other scores": ([*PREDICTIONS, {**PREDICTIONS[0], "score": 0.1}], ["1 of 4", "entry 3"]),
    "other class": ([*PREDICTIONS, {**PREDICTIONS[0], "category_id": 2}], []),
    "empty tracks": ([*PREDICTIONS, *[{**PREDICTIONS[0], "segmentations": [None] * 2}] * 2], []),
    "half": (PREDICTIONS[:1], ["1 of 2 videos"]),
    "all": (PREDICTIONS, []),
}


@pytest.mark.parametrize("kind", DOUBTS)
def test_doubtful_predictions_are_named_with_their_number(tmp_path, kind):
    predictions, words = DOUBTS[kind]
    (tmp_path / "gt.json").write_text(json.dumps(ANNOTATIONS))
    (tmp_path / "r.json").write_text(json.dumps(predictions))
    found = evaluate_files(tmp_path / "gt.json", tmp_path / "r.json").warnings
    assert len(found) == bool(words)
    assert all(word in found[0] for word in words)


def test_a_video_without_objects_needs_no_prediction(tmp_path):
    content = copy.deepcopy(ANNOTATIONS)
    content["annotations"] = [{**own, "iscrowd": 1} for own in content["annotations"][1:]]
    content["annotations"].append(ANNOTATIONS["annotations"][0])
    (tmp_path / "gt.json").write_text(json.dumps(content))
    (tmp_path / "r.json").write_text(json.dumps(PREDICTIONS[:1]))
    [only_crowds] = evaluate_files(tmp_path / "gt.json", tmp_path / "r.json").warnings
    assert "(dog: 2)" in only_crowds


@pytest.mark.parametrize("counts", ["<<", "o" * 99, "<<I"])
def test_the_process_itself_survives(tmp_path, counts):
    bad = edited(PREDICTIONS, MASK_0, rle(counts))
    for name, content in (("gt.json", ANNOTATIONS), ("results.json", bad)):
        (tmp_path / name).write_text(json.dumps(content))
    command = [sys.executable, ROOT / "run_bench.py", "eval"]
    command += ["--annotations", tmp_path / "gt.json", "--predictions", tmp_path / "results.json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert_one_sentence((done.returncode, done.stdout, done.stderr), "results.json", "malformed")


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([0, -1, 1, 1 << 32, 1 << 63, 10**20, "<<h0", "PPPPPP", mask_of(0, 0)]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["id", "size", "counts", "video_id"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def paths_of(content, path=()):
    yield path
    if isinstance(content, dict | list):
        for key in content if isinstance(content, dict) else range(len(content)):
            yield from paths_of(content[key], (*path, key))


def fuzzed(content):
    paths = st.sampled_from([path for path in paths_of(content) if path])
    return st.builds(lambda path, junk: edited(content, path, junk), paths, st.just(DELETED) | JUNK)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@given(fuzzed(ANNOTATIONS), fuzzed(PREDICTIONS), st.sampled_from(["gt", "results", "both"]))
@settings(max_examples=600, deadline=None)
def test_junk_anywhere_is_evaluated_or_refused(folder, annotations, predictions, which):
    contents = {
        "gt.json": annotations if which != "results" else ANNOTATIONS,
        "results.json": predictions if which != "gt" else PREDICTIONS,
    }
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content))
    evaluate_or_refuse(folder)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_bytes_are_evaluated_or_refused(folder, data):
    for name, content in (("gt.json", ANNOTATIONS), ("results.json", PREDICTIONS)):
        damaged = bytearray(json.dumps(content).encode())
        for _ in range(data.draw(st.integers(0, 3))):
            start = data.draw(st.integers(0, len(damaged)))
            stop = data.draw(st.sampled_from([start, start + 1, start + 5, len(damaged)]))
            damaged[start:stop] = data.draw(st.binary(max_size=3))
        (folder / name).write_bytes(damaged)
    evaluate_or_refuse(folder)


def evaluate_or_refuse(folder):
    try:
        numbers = evaluate_files(folder / "gt.json", folder / "results.json").summary()
    except InputError as error:
        message = str(error)
    else:
        assert all(-1 <= number <= 1 for number in numbers.values())
        return
    assert "\n" not in message
    assert "gt.json" in message or "results.json" in message


def warned(evaluated, annotations, predictions):
    code, _, err = evaluated(annotations, predictions)
    assert code == 0, err
    return err


def with_categories(*categories):
    return [p | {"category_id": k} for p, k in zip(PREDICTIONS, categories, strict=True)]


@pytest.mark.parametrize("areas", [DELETED, None])
def test_areas_that_a_file_does_not_have_are_those_of_its_masks(evaluated, areas):
    """Areas decide which objects are small; the file's are those of its masks."""
    annotations = edited(ANNOTATIONS, (*THING_0, "areas"), [12, None])
    _, expected, _ = evaluated(annotations, PREDICTIONS)
    code, out, err = evaluated(edited(annotations, (*THING_0, "areas"), areas), PREDICTIONS)
    assert (code, out, err) == (0, expected, "")
    assert (
        GroundTruth.of(annotations).objects
        == GroundTruth.of(edited(annotations, (*THING_0, "areas"), areas)).objects
    )


def test_coco_with_tracks_is_named_with_the_way_out(evaluated, tmp_path):
    (tmp_path / "gt.json").write_text(json.dumps(ANNOTATIONS))
    code, _, err = call("convert", tmp_path / "gt.json", tmp_path / "coco.json", "--to", "coco")
    assert code == 0, err
    content = json.loads((tmp_path / "coco.json").read_text())
    assert_one_sentence(evaluated(content, PREDICTIONS), "gt.json", "vis-bench convert FILE OUT")
    code, out, _ = call("validate", tmp_path / "gt.json")
    assert code == 1
    assert "vis-bench convert FILE OUT --to ytvis" in out
    assert len(out.splitlines()) == 1
    assert call("convert", tmp_path / "gt.json", tmp_path / "back.json", "--to", "ytvis")[0] == 0
    assert evaluated(json.loads((tmp_path / "back.json").read_text()), PREDICTIONS)[0] == 0


def test_category_ids_that_count_from_zero(evaluated):
    outcome = evaluated(ANNOTATIONS, with_categories(0, 1, 0))
    message = "has category ids from 0 to 1 where those of"
    assert_one_sentence(outcome, "results.json", message)
    assert "run from 1 to 2" in outcome[2]


@pytest.mark.parametrize("ids", [(91, 92, 91), (-1, -1, -1), (0, 9, 9)])
def test_category_ids_of_which_the_annotations_list_none(evaluated, ids):
    outcome = evaluated(ANNOTATIONS, with_categories(*ids))
    message = f"has category ids from {min(ids)} to {max(ids)} where those of"
    assert_one_sentence(outcome, "results.json", message)
    assert "run from 1 to 2" in outcome[2]


def test_an_unknown_category_is_left_out_with_a_warning(evaluated):
    err = warned(evaluated, ANNOTATIONS, with_categories(1, 2, 9))
    assert "predictions left out because their category is not in" in err
    assert ": 1 of 3 (the first is" in err
    assert "entry 2 (video 2) with category_id 9" in err


SMALL = mask_of(0, 0, 3, 4)


def test_masks_of_half_the_size(evaluated):
    predictions = [p | {"segmentations": [SMALL, None]} for p in PREDICTIONS]
    outcome = evaluated(ANNOTATIONS, predictions)
    assert_one_sentence(outcome, "results.json", "holds no mask of its video's size")
    assert "entry 0 (video 1), frame 0 has size [3, 4]; expected [6, 8]" in outcome[2]


def test_some_masks_of_another_size(evaluated):
    err = warned(evaluated, ANNOTATIONS, edited(PREDICTIONS, MASK_0, SMALL))
    assert "since they differ in size from their video's ground truth: 1 (the first" in err


def test_lists_shorter_and_longer_than_the_video(evaluated):
    predictions = edited(PREDICTIONS, (1, "segmentations"), [mask_of(0, 1)])
    err = warned(evaluated, ANNOTATIONS, predictions)
    assert "predictions with fewer masks than their video has frames" in err
    assert ": 1 (the first is" in err
    assert "entry 1 (video 2) with 1 for 3" in err
    predictions = edited(PREDICTIONS, (1, "segmentations"), [mask_of(0, 1)] * 5)
    assert "predictions with more masks" in warned(evaluated, ANNOTATIONS, predictions)


def test_what_the_annotations_leave_out(evaluated):
    annotations = edited(ANNOTATIONS, ("annotations", 0, "video_id"), 5)
    assert "the first is annotation 7 with video_id 5" in warned(
        evaluated, annotations, PREDICTIONS
    )
    annotations = edited(ANNOTATIONS, ("annotations", 0, "category_id"), 5)
    assert "annotation 7 with category_id 5" in warned(evaluated, annotations, PREDICTIONS)
    annotations = edited(ANNOTATIONS, ("annotations", 0, "areas"), [12])
    assert "annotations whose areas differ in length" in warned(evaluated, annotations, PREDICTIONS)


def test_each_warning_is_one_line(evaluated):
    predictions = edited(with_categories(1, 2, 9), (1, "segmentations"), [mask_of(0, 1)])
    err = warned(evaluated, ANNOTATIONS, predictions)
    assert [line.split(":")[0] for line in err.splitlines()] == ["warning", "warning"]
