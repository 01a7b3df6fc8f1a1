"""Predicted memory against what PyTorch's allocator handed out on a CPU, tensors alone."""

import json

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from methods import build_method
from methods.layers import transformer
from run_case import bare, bare_on_meta
from vis_bench.cli import main
from vis_bench.errors import InputError
from vis_bench.inference.clips import Clip
from vis_bench.inference.loop import predict_clips
from vis_bench.measures.flops.counter import count_watched
from vis_bench.measures.memory.predicted import (
    RATIOS,
    LiveTensors,
    MemoryPredictor,
    PredictedMemory,
)
from vis_bench.runs.build import Recipe
from vis_bench.runs.config import Cell, DatasetConfig

CPU = torch.device("cpu")
# Smaller frames are left out: there a CPU's convolutions, which reorder weights into buffers of
# their own, take more than the activations.
CASES = {
    "ifc mini": ({"variant": "mini"}, [((96, 160), 4), ((192, 320), 12)]),
    "seqformer mini": ({"variant": "mini"}, [((96, 160), 4), ((192, 320), 12)]),
    "ms_sts mini": ({"variant": "mini"}, [((96, 160), 4), ((192, 320), 12)]),
    "ifc r50": ({"backbone": "r50"}, [((192, 320), 4), ((192, 352), 4)]),
    "seqformer r50": ({"backbone": "r50"}, [((192, 320), 4), ((192, 352), 4)]),
}


def cell_of(method, **options):
    return Cell(method=method, options=options, dataset=DatasetConfig(name="ytvis2019"))


class RandomFrames:
    def __init__(self, size_HW):
        self.size_HW = size_HW

    def take(self, num_frames):
        return torch.rand(num_frames, 3, *self.size_HW)


def measured(method, size_HW, num_frames):
    """The most bytes that PyTorch's CPU allocator had handed out at once during a clip."""
    activities = [ProfilerActivity.CPU]
    with torch.inference_mode(), profile(activities=activities, profile_memory=True) as profiler:
        for _ in predict_clips(method, RandomFrames(size_HW), [Clip(0, num_frames)]):
            pass
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


@pytest.mark.parametrize("name", CASES)
def test_the_peak_is_that_of_the_allocator_within_the_stated_ratios(name, monkeypatch):
    # A CPU passes tokens through the feed-forward in pieces, and a GPU all at once.
    monkeypatch.setattr(transformer, "CPU_TOKENS", 1 << 30)
    options, sizes = CASES[name]
    cell = cell_of(name.split()[0], **options)
    shapes = bare_on_meta(cell)
    method = bare(Recipe.without_data(build_method, cell).load(CPU))
    weights = {x.data_ptr(): x.nbytes for x in (*method.parameters(), *method.buffers())}
    for size_HW, num_frames in sizes:
        predicted = MemoryPredictor(shapes, size_HW).clip(num_frames)
        assert predicted.weights == pytest.approx(sum(weights.values()), rel=0.001)
        ratio = max(predicted.encode, predicted.predict) / measured(method, size_HW, num_frames)
        assert RATIOS[0] <= ratio <= RATIOS[1], (size_HW, num_frames)


class Halves(nn.Module):
    """Holds its input, a copy of it, and then a sum of half the size."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1000))

    def forward(self, x):
        doubled = x * self.weight
        half = doubled[:500]  # a view, which takes nothing
        return half + 1


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_live_tensors_are_counted_once_and_dropped(device):
    module = Halves().to(device)
    live = LiveTensors(module)
    x = torch.empty(1000, device=device)
    out, _ = count_watched(module, module, live.follow, x)
    assert live.peak == 4000 + 4000 + 2000
    del x, out
    y = torch.empty(10, device=device)
    count_watched(module, torch.neg, live.follow, y)
    assert sum(size for _, size in live._alive.values()) == 80


def test_the_longest_clip_is_the_last_that_fits():
    cell = cell_of("ifc", variant="mini")
    predictor = MemoryPredictor(bare_on_meta(cell), (64, 96))
    for frames in (3, 11):
        limit = predictor.clip(frames).peak
        longest = predictor.longest(limit)
        assert longest >= frames
        assert predictor.clip(longest).peak <= limit < predictor.clip(longest + 1).peak
    assert predictor.longest(predictor.clip(1).peak - 1) == 0


@pytest.mark.parametrize(
    ("method", "most", "takes_more"), [("vistr", 36, False), ("masktrack_rcnn", 32, True)]
)
def test_longer_clips_than_the_method_takes_are_not_looked_for(method, most, takes_more):
    cell = cell_of(method, backbone="r50")
    predictor = MemoryPredictor(bare_on_meta(cell), (64, 96))
    assert (predictor.most, predictor.takes_more) == (most, takes_more)
    predictor.clip = lambda frames: PredictedMemory(0, frames, 0)
    assert predictor.longest(1 << 50) == most
    assert predictor.longest(7) == 7


def test_the_peak_adds_the_weights_to_the_greater_stage():
    assert PredictedMemory(weights=10, encode=5, predict=7).peak == 17
    assert PredictedMemory(weights=10, encode=9, predict=7).peak == 19


def test_a_method_of_whole_videos_is_refused():
    class Whole(nn.Module):
        whole_video, registered_name = True, "mine"

    with pytest.raises(InputError, match="mine cannot be predicted"):
        MemoryPredictor(Whole(), (64, 96))


def test_the_command_predicts(capsys):
    command = ["flops", "ifc_mini_synthetic", "--memory", "--set", "clip_length=[2, 3]"]
    command += ["--set", "resolution=64", "--set", "precision=[float32, bfloat16]"]
    assert main([*command, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["clip_length"] for row in rows] == [2, 3]
    for row in rows:
        stages = row["encode_bytes"], row["predict_bytes"]
        assert row["peak_bytes"] == row["weight_bytes"] + max(stages)
        assert row["predicted"] is True
        assert list(row["longest_clip"]) == ["8 GiB", "24 GiB", "80 GiB"]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert "0.9 to 1.05" in text
