"""Prompts and options of SAM 3 Video, and which of them are refused."""

import json
import re
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from PIL import Image

from sam3_case import (
    ARRAYS,
    CASES,
    NAMES,
    frames_of,
    loaded,
    mini,
    named,
    predicted,
    spied,
)
from vis_bench.data.datasets import load_dataset
from vis_bench.errors import InputError

pytestmark = pytest.mark.extra("transformers")


@pytest.mark.parametrize("name", CASES)
def test_golden_tokens(name):
    method = mini()
    method.take_categories(named(name))
    assert torch.equal(method.prompts.ids_PS, torch.from_numpy(ARRAYS[f"{name}/input_ids"]))


def test_only_the_categories_that_a_video_asks_for_are_prompted():
    """Prompts do not see each other: each gets the tracks of a session of its own."""
    case = CASES["video"]
    method = loaded("video", nms=False, rules={"max_num_objects": 10_000})
    detections = spied(method.model, "run_detection")
    alone = predicted(method, case, frames_of(case)[:3], asked=[2])
    assert {len(found) for found in detections} == {1}
    together = predicted(method, case, frames_of(case)[:3])
    own = [track for track in together.values() if track[0] == 2]
    assert {category for category, *_ in alone.values()} == {2}
    assert len(own) == len(alone) < len(together)
    for (_, score, masks), (_, other, others) in zip(alone.values(), own, strict=True):
        assert score == pytest.approx(other, abs=1e-5)
        for one, two in zip(masks, others, strict=True):
            assert (one is None) == (two is None)
            assert one is None or (one != two).sum() <= 2
    assert predicted(method, case, asked=[]) == {}


def test_annotations_say_which_categories_a_video_asks_for(tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    Image.new("RGB", (8, 6)).save(frames / "0.png")
    video = {"width": 8, "height": 6, "length": 1, "file_names": ["0.png"]}
    pairs = [(1, 7), (1, 9), (1, 9)]
    content = {
        "videos": [{"id": number, **video} for number in (1, 2)],
        "categories": [{"id": number, "name": f"a thing {number}"} for number in (9, 7, 8)],
        "annotations": [],
        "video_np_pairs": [{"video_id": v, "category_id": c} for v, c in pairs],
    }
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    dataset = load_dataset("mine", "val", annotations=path, frames=frames)
    assert [video.asked for video in dataset.videos] == [{7, 9}, set()]
    del content["video_np_pairs"]
    path.write_text(json.dumps(content))
    dataset = load_dataset("mine", "val", annotations=path, frames=frames)
    assert [video.asked for video in dataset.videos] == [None, None]


def phrases_with(**options):
    method = mini(**options)
    method.take_categories(NAMES)
    return list(method._prompts.phrases), method.digested["prompts"]


def test_phrases(tmp_path):
    path = tmp_path / "phrases.json"
    path.write_text(json.dumps({"Dog": "small dog"}))
    plain, digest = phrases_with()
    assert plain == ["giant panda", "Dog", "cat"]
    from_file, other = phrases_with(phrases=str(path))
    assert from_file == ["giant panda", "small dog", "cat"]
    assert phrases_with(phrases={"Dog": "small dog"}) == (from_file, other)
    assert digest != other
    assert "phrases" in mini().place_options


@pytest.mark.parametrize(
    ("phrases", "message"),
    [
        ({"cow": "cow"}, "a phrase for 'cow', which is not a category"),
        ({"Dog": "cat"}, "categories Dog and cat have the same phrase, 'cat'"),
        ({"Dog": "a" * 31}, "of category Dog has 33 tokens; expected at most 32"),
        ({"Dog": " "}, "expected an object, class name -> phrase"),
        ("nothing.json", "nothing.json"),
    ],
)
def test_phrases_that_cannot_prompt_are_refused(phrases, message):
    with pytest.raises(InputError, match=re.escape(message)):
        phrases_with(phrases=phrases)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "images"}, "mode is 'images'; expected one of: video, stream"),
        ({"pairing": "none"}, "pairing is 'none'; expected one of: correct, transformers"),
        ({"nms": 1}, "nms is 1; expected true or false"),
        ({"num_prompts": 4}, "num_prompts is 4; expected a whole number from 1 to 3"),
        ({"rules": {"nms": 0.1}}, "rules has 'nms'; expected one of: assoc_iou_thresh"),
        ({"rules": {"hotstart_dup_thresh": 20}}, "hotstart_dup_thresh (20) must be <="),
        ({"image_size": 100}, "image_size is 100; expected a multiple of 14"),
        ({"config": {"widths": 3}}, "config has 'widths'; expected one of: assoc_iou_thresh"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        mini(**options)


def test_another_size_of_the_input():
    method = mini("cpu", image_size=140)
    method.take_categories(NAMES)
    assert (
        predicted(method, {"height": 60, "width": 80}, np.zeros((2, 140, 140, 3), np.uint8)) == {}
    )
    assert method.resolved_options["image_size"] == 140
    method.check_resolution(140)
    with pytest.raises(InputError, match="resolution is 112; expected 140"):
        method.check_resolution(112)


def test_compiled_code_that_cannot_be_loaded_is_refused():
    if find_spec("kernels"):
        pytest.skip("the package kernels is installed, whose code a hub has")
    with pytest.raises(InputError, match="could not load its cv-utils kernel"):
        mini(kernels=True).prepare_for_inference()
