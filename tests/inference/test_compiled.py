"""A compiled method gives the answers of the method; TF32 is set while something is measured."""

from contextlib import nullcontext, suppress

import numpy as np
import pytest
import torch
from torch.backends import cuda, cudnn

from methods import build_method
from paths import ROOT
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.inference import compiled as module
from vis_bench.inference import loop
from vis_bench.inference.checkpoint import WeightsFile, load_weights
from vis_bench.inference.compiled import (
    COMPILING_RUNS,
    CompiledMethod,
    check_compile,
    check_tf32,
    compiled,
    tf32_set,
)
from vis_bench.inference.loop import InferencePlan
from vis_bench.measures.speed.measure import compile_seconds, measure_speed, num_warmup
from vis_bench.measures.speed.regions import VideoRun, Workload
from vis_bench.measures.speed.settings import SpeedSettings
from vis_bench.method import ClipPrediction, FrameFeatures, OnlineMethod, VISMethod
from vis_bench.progress import Bars
from vis_bench.runs.config import load_cells

GPU = torch.device("cuda")
MINIS = ("ifc", "ms_sts", "seqformer")
# Fused loops add in another order: what float32 allows for after some hundred sums.
PROBABILITIES, LOGITS = 1e-4, 1e-3


@pytest.fixture
def traced_only(monkeypatch):
    """`torch.compile` without a compiler: PyTorch traces and runs the trace as it is."""
    real = torch.compile

    def trace(function, *, mode):
        return real(function, backend="eager")

    monkeypatch.setattr(torch, "compile", trace)


def mini(name):
    (cell,) = load_cells(ROOT / "configs" / f"{name}_mini_synthetic.yaml")
    method = build_method(name, num_classes=6, **cell.options)
    load_weights(method, WeightsFile.at(ROOT / cell.weights))
    method.prepare_for_inference()
    return method


def frames_of(count, height=64, width=96):
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(count))


def check_same(method, other, frames_T3HW):
    with torch.inference_mode():
        features, others = method.encode_frames(frames_T3HW), other.encode_frames(frames_T3HW)
        for name, tensor in features.maps.items():
            torch.testing.assert_close(others.maps[name], tensor, rtol=LOGITS, atol=LOGITS)
        one, two = method.predict_next(features, None)[0], other.predict_next(others, None)[0]
    assert len(one) == len(two)
    torch.testing.assert_close(two.class_probs_NK, one.class_probs_NK, rtol=0, atol=PROBABILITIES)
    scale = one.mask_logits_NTHW.abs().max().item() if len(one) else 1
    torch.testing.assert_close(
        two.mask_logits_NTHW, one.mask_logits_NTHW, rtol=0, atol=LOGITS * scale
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", MINIS)
def test_tracing_changes_no_answer(name, traced_only):
    """Of any number of frames: PyTorch traces the second number as a variable."""
    method = mini(name)
    other = compiled(method, "default")
    for count in (3, 1, 4):
        check_same(method, other, frames_of(count))


@pytest.mark.slow
@pytest.mark.parametrize("name", MINIS)
def test_compiling_changes_no_answer_beyond_rounding(name):
    method = mini(name)
    check_same(method, compiled(method, "default"), frames_of(3))


@pytest.mark.gpu
@pytest.mark.parametrize("mode", ["default", "cuda_graphs"])
@pytest.mark.parametrize("name", MINIS)
def test_compiling_on_a_gpu_changes_no_answer_beyond_rounding(name, mode):
    """Three times each: CUDA graphs are recorded in the second call and replayed in the third."""
    method = mini(name).to("cuda")
    other = compiled(method, mode)
    for count in (3, 1, 4) * COMPILING_RUNS:
        check_same(method, other, frames_of(count).cuda())


class Tiny(VISMethod):
    backbone_name = "tiny"
    reconstruction = True
    max_clip_length = 7
    num_checkpoint_entries = 11
    weights_source = "tiny.pth"

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(2.0))

    def encode_frames(self, frames_T3HW):
        return FrameFeatures({"mean": self.scale * frames_T3HW.mean(1)}, (8, 8))

    def predict_clip(self, features):
        masks_1THW = features.maps["mean"][None]
        return ClipPrediction(masks_1THW.mean((1, 2, 3))[:, None].sigmoid(), masks_1THW)

    def resolved_kernel_backend(self, device):
        return f"tiny on {device.type}"

    def resolved_kernel_build(self, device):
        return f"cc -O3 for {device.type}"


def test_it_says_of_itself_what_the_method_says(traced_only):
    method = Tiny()
    method.remember_build("tiny", {"a": 1})
    other = compiled(method, "default")
    for name in (
        "online",
        "input_format",
        "tracking_rule",
        "backbone_name",
        "reconstruction",
        "max_clip_length",
        "num_checkpoint_entries",
        "weights_source",
        "num_params",
        "resolved_options",
        "registered_name",
        "method_source",
        "training",
    ):
        assert getattr(other, name) == getattr(method, name), name
    assert other.resolved_kernel_backend(torch.device("cpu")) == "tiny on cpu"
    assert other.resolved_kernel_build(torch.device("cpu")) == "cc -O3 for cpu"
    assert compiled(method, "none") is method


class Graph:
    """Stands for a CUDA graph: what it returns is overwritten by its next replay."""

    def __init__(self, function):
        self.function, self.kept = function, None

    def __call__(self, *inputs):
        new = self.function(*inputs)
        if self.kept is None:
            self.kept = new
        else:
            for old, fresh in zip(tensors_of(self.kept), tensors_of(new), strict=True):
                old.copy_(fresh)
        return self.kept


def tensors_of(output):
    if isinstance(output, FrameFeatures):
        return list(output.maps.values())
    prediction, state = output
    return [
        prediction.class_probs_NK,
        prediction.mask_logits_NTHW,
        prediction.boxes_NT4,
        *state.values(),
    ]


class TinyOnline(OnlineMethod):
    def encode_frames(self, frames_T3HW):
        return FrameFeatures({"mean": frames_T3HW.mean(1)}, (8, 8))

    def predict_next(self, features, state):
        seen = (state["seen"] if state else torch.zeros(())) + len(features)
        masks_1THW = features.maps["mean"][None] + seen
        boxes_1T4 = masks_1THW.new_full((1, len(features), 4), 0.5) * seen
        prediction = ClipPrediction(seen.view(1, 1) / 100, masks_1THW, boxes_1T4, [0])
        return prediction, {"seen": seen}


def test_what_a_cuda_graph_returns_outlives_its_next_replay(monkeypatch):
    begun = []
    monkeypatch.setattr(torch, "compile", lambda function, mode: Graph(function))
    monkeypatch.setattr(
        torch.compiler, "cudagraph_mark_step_begin", lambda: begun.append(len(begun))
    )
    plain, graphed = TinyOnline(), compiled(TinyOnline(), "cuda_graphs")
    clips = [frames_of(2, 8, 8) + step for step in range(3)]
    answers = []
    for method in (plain, graphed):
        state, found = None, []
        features = [method.encode_frames(clip) for clip in clips]
        for own in features:
            prediction, state = method.predict_next(own, state)
            found.append((own, prediction, state))
        answers.append(found)
    for one, two in zip(*answers, strict=True):
        for a, b in zip(tensors_of(one[0]), tensors_of(two[0]), strict=True):
            torch.testing.assert_close(a, b)
        for a, b in zip(tensors_of(one[1:]), tensors_of(two[1:]), strict=True):
            torch.testing.assert_close(a, b)
    assert len(begun) == 6


def test_more_shapes_than_the_limit_are_an_error_not_a_silent_fall_back(monkeypatch, traced_only):
    monkeypatch.setattr(module, "_MOST_GRAPHS", 1)
    other = CompiledMethod(Tiny(), "default")
    other.encode_frames(frames_of(2, 8, 8))
    with pytest.raises(Exception, match="recompile_limit"):
        [other.encode_frames(frames_of(count, 8, 8)) for count in (3, 1)]


def test_cuda_graphs_need_a_gpu():
    message = "compile is cuda_graphs, which needs a GPU; expected none or default on cpu"
    with pytest.raises(InputError, match=message):
        check_compile("cuda_graphs", torch.device("cpu"))


def test_a_machine_that_cannot_compile_is_found_out_at_once(monkeypatch):
    def refuse(function):
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(torch, "compile", refuse)
    monkeypatch.setattr(module, "_why_not", module._why_not.__wrapped__)
    check_compile("none", torch.device("cpu"))
    message = "compile is default, but torch.compile fails on cpu: RuntimeError.*no C.. compiler"
    with pytest.raises(InputError, match=message):
        check_compile("default", torch.device("cpu"))


def run_of(seconds):
    return VideoRun(seconds, [seconds], {})


def test_compile_seconds_are_what_the_first_runs_took_longer():
    timed = [[run_of(s) for s in (1, 2, 3)], [run_of(5)]]
    warm = [run_of(s) for s in (32, 45, 2, 5, 3, 5)]
    assert compile_seconds(warm, timed) == pytest.approx(30 + 40 + 0 + 0 + 1 + 0)
    assert compile_seconds([run_of(0.5)], timed) == 0
    assert compile_seconds([], timed) == 0


def test_every_video_is_compiled_before_anything_is_timed(traced_only):
    speed = SpeedSettings(warmup=1)
    assert num_warmup(Tiny(), speed, 4) == 1
    assert num_warmup(compiled(Tiny(), "default"), speed, 4) == 4 * COMPILING_RUNS
    many = SpeedSettings(warmup=100)
    assert num_warmup(compiled(Tiny(), "default"), many, 4) == 100


@pytest.mark.slow
def test_the_machines_compiler_is_used():
    check_compile("default", torch.device("cpu"))
    method = compiled(Tiny(), "default")
    plan = InferencePlan(2, 1, "native", torch.device("cpu"))
    fields = measure_speed(
        Workload(method, plan, [1]),
        [tiny_video()],
        SpeedSettings(repetitions=2, seconds=0),
        Bars(quiet=True),
    )
    assert fields["compile_seconds"] > 10 / fields["fps"]
    assert fields["num_warmup"] == COMPILING_RUNS


def tiny_video():
    return Video(1, "v", 8, 8, [np.full((8, 8, 3), t, np.uint8) for t in range(4)])


def switches():
    return cuda.matmul.allow_tf32, cudnn.allow_tf32


def precisions():
    return (
        cuda.matmul.fp32_precision,
        cudnn.conv.fp32_precision,
        cudnn.rnn.fp32_precision,
        torch.get_float32_matmul_precision(),
    )


@pytest.mark.parametrize("enabled", [False, True])
@pytest.mark.parametrize("users", [None, False, True])
def test_tf32_is_set_and_restored_where_a_measurement_fails(users, enabled):
    untouched = switches()
    if users is not None:
        cuda.matmul.allow_tf32 = cudnn.allow_tf32 = users
    before, exact = switches(), precisions()
    try:
        with suppress(RuntimeError), tf32_set(enabled):
            assert switches() == (enabled, enabled)
            raise RuntimeError("out of memory")
        assert (switches(), precisions()) == (before, exact)
    finally:
        if users is not None:
            cuda.matmul.allow_tf32, cudnn.allow_tf32 = untouched


@pytest.mark.parametrize("tf32", [False, True])
def test_a_plan_sets_tf32_around_inference_alone_and_not_for_a_cpu(monkeypatch, tf32):
    monkeypatch.setattr(loop.torch, "autocast", lambda *_, **__: nullcontext())
    before = switches()
    for device, expected in ((GPU, (tf32, tf32)), (torch.device("cpu"), before)):
        plan = InferencePlan(5, 1, 360, device, tf32=tf32)
        assert switches() == before
        with plan.arithmetic():
            assert switches() == expected
        assert switches() == before


def test_a_cpu_has_no_tf32():
    with pytest.raises(InputError, match=r"tf32 is true.*on cpu"):
        check_tf32(torch.device("cpu"))


@pytest.mark.parametrize(("capability", "refused"), [((7, 5), True), ((8, 0), False)])
def test_only_ampere_and_later_have_tf32(monkeypatch, capability, refused):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    if not refused:
        check_tf32(GPU)
        return
    with pytest.raises(InputError, match=r"compute capability 7\.5; expected .* 8\.0"):
        check_tf32(GPU)


@pytest.mark.gpu
def test_on_a_gpu_tf32_rounds_products():
    """10 bits of mantissa: an error of about 1e-3 where float32 has 1e-6."""
    generator = torch.Generator(GPU).manual_seed(0)
    left, right = (torch.randn(512, 512, device=GPU, generator=generator) for _ in range(2))
    exact = left.double() @ right.double()
    errors = []
    for enabled in (False, True):
        with tf32_set(enabled):
            errors.append(((left @ right).double() - exact).abs().max() / exact.abs().max())
    assert errors[0] < 1e-5 < 1e-4 < errors[1]
