"""Multiply-adds counted on values: those of shapes, and refusals of what PyTorch does not see."""

import ctypes

import numpy as np
import pytest
import torch

from methods import build_method
from vis_bench.errors import InputError
from vis_bench.inference.loop import InferencePlan
from vis_bench.inference.preprocess import to_input
from vis_bench.measures.flops.counter import count_watched
from vis_bench.measures.flops.values import (
    CONVENTION_NOMINAL,
    Origins,
    count_nominal_on_values,
    measure_flops_on_values,
)
from vis_bench.measures.flops.video import ShapeCounter, count_nominal
from vis_bench.video_method import TrackPrediction, VideoMethod

PLAN = InferencePlan("whole", 1, 32, torch.device("cpu"))
K = 3


class Whole(VideoMethod):
    """A clip method that predicts whole videos."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner
        self.input_format = inner.input_format

    def predict_video(self, frames, video, mark):
        prediction = self.inner(to_input(list(frames), self.inner.input_format))
        score, category = prediction.class_probs_NK[0].max(-1)
        masks_THW = prediction.mask_logits_NTHW[0, :, :1, :1] > 0
        masks_THW = masks_THW.expand(-1, video.height, video.width)
        yield TrackPrediction(int(category), float(score), masks_THW)


class Called(VideoMethod):
    """Calls a function; no tracks."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def predict_video(self, frames, video, mark):
        self.function(torch.from_numpy(np.stack(frames)))
        return iter(())


@pytest.mark.parametrize("name", ["seqformer", "ifc"])
def test_values_and_shapes_give_the_same_count(name):
    torch.manual_seed(0)
    inner = build_method(name, num_classes=K, variant="mini")
    inner.prepare_for_inference()
    with torch.device("meta"):
        shapes = build_method(name, num_classes=K, variant="mini")
        shapes.to("meta").prepare_for_inference()
    expected = count_nominal(ShapeCounter(shapes), PLAN, name).clip.all
    counted = count_nominal_on_values(Whole(inner), PLAN, K, name).video.all
    # Masks are made for the queries that are kept: of shapes, for all.
    kept = counted.within("inner.mask_head") / max(1, expected.within("mask_head"))
    assert 0 <= kept <= 1
    assert counted.total - counted.within("inner.mask_head") == (
        expected.total - expected.within("mask_head")
    )
    fields = measure_flops_on_values(Whole(inner), PLAN, K)
    assert fields["flop_convention"] == CONVENTION_NOMINAL
    assert fields["gflops_per_clip"] == counted.total / 1e9 == 36 * fields["gflops_per_frame"]


def extension(source, target):
    """Writes behind PyTorch's back, as another compiled extension does."""
    ctypes.memmove(target.data_ptr(), source.data_ptr(), target.numel() * target.element_size())
    return target


def product(frames_THW):
    return frames_THW @ frames_THW


ALLOWED = {
    "empty that is copied to": lambda x: product(torch.empty_like(x).copy_(x)),
    "empty that is filled": lambda x: product(x) + torch.empty_like(x).fill_(3),
    "zeros": lambda x: product(x) + torch.zeros(4, 4),
    "infinities": lambda x: product(x) + torch.full((4, 4), float("-inf")),
    "a view of zeros that is written": lambda x: product(_written(torch.zeros(2, 36, 4, 4), x)),
    "a new tensor": lambda x: product(x) * torch.tensor([1.0, 2, 3, 4]),
    "an array": lambda x: product(x) * torch.from_numpy(np.ones(4)),
    "an empty shape": lambda x: product(x).reshape(-1)[:0].sum() + torch.empty(0).sum(),
}


def count_of(function):
    frames_THW = torch.rand(36, 4, 4)
    return count_watched(torch.nn.Module(), lambda: function(frames_THW), Origins().follow)[1].total


def _written(zeros, values):
    zeros[0] = values
    return zeros[0]


@pytest.mark.parametrize("what", ALLOWED)
def test_ordinary_code_is_counted(what):
    assert count_of(ALLOWED[what]) == 36 * 4**3


REFUSED = {
    "into empty": lambda x: product(extension(x, torch.empty_like(x))),
    "into zeros": lambda x: product(extension(x, x.new_zeros(x.shape))),
    "into zeros by zero_": lambda x: product(extension(x, torch.empty_like(x).zero_())),
    "into a view": lambda x: product(extension(x, torch.zeros(72, 4, 4)[36:])),
    "into ones, read later": lambda x: product(x) + extension(x, torch.ones_like(x)).relu(),
    "of its own memory": lambda x: product(torch.from_dlpack(np.ones((36, 4, 4), np.float32))),
}


@pytest.mark.parametrize("how", REFUSED)
def test_memory_that_no_operator_wrote_refuses_the_count(how):
    with pytest.raises(InputError, match="compiled extension"):
        count_of(REFUSED[how])


def test_a_count_of_nothing_is_refused():
    with pytest.raises(InputError, match="0"):
        measure_flops_on_values(Called(lambda x: x.relu()), PLAN, K)


def test_the_reason_of_a_method_is_given_before_it_runs():
    method = Called(None)
    method.not_counted = "it runs elsewhere"
    with pytest.raises(InputError, match="it runs elsewhere"):
        measure_flops_on_values(method, PLAN, K)


def test_freed_memory_is_not_taken_for_what_lies_there_next():
    def call():
        total = torch.zeros(4, 4)
        for _ in range(50):
            blank = torch.empty(4, 4)
            del blank
            total = total + torch.from_numpy(np.ones((4, 4), np.float32)) @ total
        return total

    _, macs = count_watched(torch.nn.Module(), call, Origins().follow)
    assert macs.total == 50 * 4**3
