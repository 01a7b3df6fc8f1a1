"""Every form in which models return tracks, by hand; and the stand-in for their extension."""

import subprocess

import numpy as np
import pytest
import torch

from cuda_ops.ms_deform_attn import reference
from cuda_ops.ms_deform_attn.inputs import AttentionInputs
from methods.external_video.driver import DriverError, Session
from methods.external_video.driver.deformable import implementation, ms_deform_attn_forward
from methods.external_video.driver.detectron2_models import answered_entries
from other_pythons import MISSING, other_pythons
from paths import ROOT

T, SIZE = 3, (4, 6)
FIRST = np.zeros((T, *SIZE), bool)
FIRST[:, 1, 2:4] = True
FIRST[1] = False
SECOND = ~FIRST


class Answers:
    """A back end that returns one answer."""

    facts = {"resolutions": None}

    def __init__(self, answer):
        self.answer = answer

    def entries(self, frames, height, width, mark):
        return answered_entries(self.answer)


def tracks_of(answer):
    session = Session(Answers(answer), {"num_classes": 5, "device": "cpu"})
    frames = [np.zeros((2, 3, 3), np.uint8)] * T
    return list(session.run(frames, *SIZE))


def answer(**changes):
    return {
        "image_size": SIZE,
        "pred_scores": [0.25, 0.5],
        "pred_labels": [4, 0],
        "pred_masks": [torch.tensor(FIRST), torch.tensor(SECOND)],
        **changes,
    }


def with_none(masks):
    return [torch.tensor(mask) if mask.any() else None for mask in masks]


FORMS = {
    "lists": {},
    "one_tensor": {"pred_masks": torch.tensor(np.stack([FIRST, SECOND]))},
    "one_array": {"pred_masks": np.stack([FIRST, SECOND])},
    "lists_with_none": {"pred_masks": [with_none(FIRST), with_none(SECOND)]},
    "zeros_and_ones": {"pred_masks": torch.tensor(np.stack([FIRST, SECOND])).to(torch.uint8)},
    "tensors": {"pred_scores": torch.tensor([0.25, 0.5]), "pred_labels": torch.tensor([4, 0])},
    "numpy": {"pred_scores": np.float32([0.25, 0.5]), "pred_labels": np.int64([4, 0])},
    "single_elements": {"pred_scores": [torch.tensor([0.25]), np.float64(0.5)]},
    "boxes": {"pred_boxes": [None, None], "task": "vis"},
    "with_gradient": {"pred_scores": torch.tensor([0.25, 0.5], requires_grad=True)},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_tracks(form):
    tracks = tracks_of(answer(**FORMS[form]))
    assert [(track.category, track.score, track.track_id) for track in tracks] == [
        (4, 0.25, None),
        (0, 0.5, None),
    ]
    assert [type(track.score) for track in tracks] == [float, float]
    for track, masks in zip(tracks, (FIRST, SECOND), strict=True):
        assert len(track.masks) == T
        for mask, expected in zip(track.masks, masks, strict=True):
            found = np.zeros(SIZE, bool) if mask is None else mask
            assert found.dtype == bool
            assert np.array_equal(found, expected)


def test_the_answer_may_be_a_list_of_one():
    assert len(tracks_of([answer()])) == 2


@pytest.mark.parametrize(
    "masks", [[], None, torch.zeros(0, T, *SIZE), torch.zeros(0), np.zeros((0, T, *SIZE), bool)]
)
def test_nothing_is_found(masks):
    assert tracks_of(answer(pred_scores=[], pred_labels=[], pred_masks=masks)) == []


def test_an_absent_track_has_no_masks():
    [track] = tracks_of(answer(pred_scores=[0.5], pred_labels=[1], pred_masks=[None]))
    assert track.masks == [None] * T


def test_one_mask_under_two_classes_and_one_entry_twice():
    masks = torch.tensor(np.stack([FIRST] * 3))
    tracks = tracks_of(answer(pred_scores=[0.5] * 3, pred_labels=[1, 2, 2], pred_masks=masks))
    assert [track.category for track in tracks] == [1, 2, 2]
    assert np.array_equal(tracks[0].masks, tracks[2].masks)


def test_ids_come_along():
    assert [track.track_id for track in tracks_of(answer(pred_ids=[7, 7]))] == [7, 7]
    assert [track.track_id for track in tracks_of(answer(pred_ids=torch.tensor([3, 9])))] == [3, 9]


REFUSED = {
    "task": ({"task": "vps"}, "task is 'vps'"),
    "label": ({"pred_labels": [4, 5]}, "entry 1 has label 5; expected 0..4"),
    "negative_label": ({"pred_labels": [-1, 0]}, "label -1"),
    "fraction": ({"pred_labels": [0.5, 1]}, "label 0.5.*whole"),
    "nan": ({"pred_scores": [float("nan"), 1]}, "score nan"),
    "infinite": ({"pred_scores": torch.tensor([1.0, float("inf")])}, "entry 1 has score inf"),
    "words": ({"pred_scores": ["high", 1]}, "score 'high'"),
    "two_scores": ({"pred_scores": torch.ones(2, 3)}, "score tensor"),
    "few_labels": ({"pred_labels": [1]}, "2 scores, 1 labels"),
    "few_masks": ({"pred_masks": torch.zeros(1, T, *SIZE)}, "1 entries of masks"),
    "few_ids": ({"pred_ids": [1]}, "1 ids"),
    "few_frames": ({"pred_masks": torch.zeros(2, T - 1, *SIZE) > 0}, "2 masks.*one per frame, 3"),
    "size": ({"pred_masks": torch.zeros(2, T, 6, 4) > 0}, r"\(6, 4\); expected \(4, 6\)"),
    "flat": ({"pred_masks": torch.zeros(2, *SIZE) > 0}, "entry 0 has 4 masks"),
    "floats": ({"pred_masks": torch.zeros(2, T, *SIZE)}, "float32; expected bool"),
    "levels": ({"pred_masks": torch.full((2, T, *SIZE), 255)}, "values 255 to 255"),
    "text": ({"pred_masks": [3, 4]}, "a int as masks"),
    "no_scores": ({"pred_scores": None}, "0 scores, 2 labels"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_everything_else_is_refused_in_a_sentence(case):
    changes, problem = REFUSED[case]
    with pytest.raises(DriverError, match=problem):
        tracks_of(answer(**changes))


@pytest.mark.parametrize("wrong", [None, [answer(), answer()], "text", {"pred_scores": []}])
def test_another_answer_is_refused(wrong):
    with pytest.raises(DriverError, match="expected"):
        tracks_of(wrong)


IMPLEMENTATIONS = [ms_deform_attn_forward, implementation("cpu")[0]]


def problem(dtype, seed=0):
    """Arguments of the extension: value, shapes, starts, locations, weights, im2col_step."""
    generator = torch.Generator().manual_seed(seed)
    shapes = torch.tensor([[5, 7], [3, 4], [1, 2]])
    starts = torch.tensor([0, 35, 47])
    value = torch.randn(2, 49, 4, 8, generator=generator, dtype=dtype)
    locations = torch.rand(2, 11, 4, 3, 2, 2, generator=generator, dtype=dtype) * 1.6 - 0.3
    weights = torch.rand(2, 11, 4, 3, 2, generator=generator, dtype=dtype)
    return value, shapes, starts, locations, weights, 64


@pytest.mark.parametrize("forward", IMPLEMENTATIONS, ids=["plain", "kernels"])
def test_both_stand_ins_are_the_definition(forward):
    arguments = problem(torch.float64)
    value, shapes, starts, locations, weights, _ = arguments
    sides = shapes.flatten().tolist()
    inputs = AttentionInputs(value, sides, starts.tolist(), locations, weights)
    output = forward(*arguments)
    assert output.shape == (2, 11, 32)
    torch.testing.assert_close(output, reference.forward(inputs), rtol=0, atol=1e-12)


@pytest.mark.parametrize("forward", IMPLEMENTATIONS, ids=["plain", "kernels"])
@pytest.mark.parametrize("value", [torch.float16, torch.bfloat16, torch.float32])
def test_stand_ins_take_the_types_that_autocast_hands_over(forward, value):
    exact = problem(torch.float64)
    arguments = [x.to(value) if x.is_floating_point() else x for x in exact[:3]]
    for locations, weights in ((torch.float32, torch.float32), (value, torch.float32)):
        output = forward(*arguments, exact[3].to(locations), exact[4].to(weights), 64)
        assert output.dtype == value
    torch.testing.assert_close(
        forward(*arguments, exact[3].float(), exact[4].float(), 64).double(),
        ms_deform_attn_forward(*exact),
        rtol=0.02,
        atol=0.05,
    )


def test_an_older_python_gives_the_same_and_refuses_the_same():
    pythons = [*other_pythons()]
    if not pythons:
        pytest.skip(MISSING.format("numpy"))
    script, folder = ROOT / "tests/support/driver_in_old_python.py", ROOT / "methods/external_video"
    for python in pythons:
        subprocess.run([python, str(script), str(folder)], check=True)


def test_reduced_precision_is_on_while_the_model_runs():
    class Looks(Answers):
        def entries(self, frames, height, width, mark):
            self.seen = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")
            return iter(())

    back_end = Looks(None)
    session = Session(back_end, {"num_classes": 5, "device": "cpu"})
    assert [*session.run([np.zeros((2, 3, 3), np.uint8)], *SIZE, precision="bfloat16")] == []
    assert back_end.seen == (True, torch.bfloat16)
    assert not torch.is_autocast_enabled("cpu")
