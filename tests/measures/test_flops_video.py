"""What a whole video costs: the clip plan, sharing between clips, and the modules."""

from itertools import combinations

import pytest
import torch
from torch import nn

from methods import build_method
from vis_bench.data.video import Video
from vis_bench.inference.clips import clip_windows
from vis_bench.inference.loop import ENCODE_FRAMES, InferencePlan, StoredFrames, predict_clips
from vis_bench.measures.flops.counter import MacCount, count_macs
from vis_bench.measures.flops.video import ShapeCounter, measure_flops, module_tree
from vis_bench.method import ClipPrediction, FrameFeatures, OnlineMethod, VISMethod

SIZE_HW = (64, 96)
MINI = {
    "ifc": {"backbone": "mini", "width": 32, "heads": 4, "hidden": 64, "num_queries": 6},
    "seqformer": {"backbone": "mini", "width": 32, "heads": 4, "hidden": 64, "num_queries": 12,
                  "encoder_layers": 1, "decoder_layers": 2},
    "ms_sts": {"backbone": "mini", "width": 64, "heads": 4, "hidden": 32, "num_queries": 6,
               "encoder_layers": 1, "decoder_layers": 2, "ms_sts_width": 16},
}  # fmt: skip


def build(name, device, **options):
    torch.manual_seed(0)
    with torch.device(device):
        method = build_method(name, num_classes=5, **MINI[name], **options)
    method.prepare_for_inference()
    return method


class PerFrameCost(VISMethod):
    """10 multiply-adds per frame in the shared part, 7 per frame and clip in the other."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Linear(5, 2, bias=False)
        self.head = nn.Linear(7, 1, bias=False)

    def encode_frames(self, frames_T3HW):
        tokens = self.backbone(frames_T3HW.new_zeros(len(frames_T3HW), 5))
        return FrameFeatures({"tokens": tokens}, tuple(frames_T3HW.shape[-2:]))

    def predict_clip(self, features):
        frames = len(features)
        masks = self.head(features.maps["tokens"].new_zeros(frames, 7)).view(1, frames, 1, 1)
        return ClipPrediction(masks.new_zeros(1, 3), masks)


@pytest.fixture
def counter():
    return ShapeCounter(PerFrameCost().to("meta"))


@pytest.mark.parametrize(
    ("num_frames", "length", "stride", "clips"),
    [
        (36, 5, 1, 32),
        (36, 5, 5, 8),
        (36, 36, 1, 1),
        (7, 5, 3, 2),
        (3, 5, 1, 1),
        (20, "whole", 1, 1),
    ],
)
def test_every_frame_is_encoded_once_and_predicted_once_per_clip(
    counter, num_frames, length, stride, clips
):
    windows = clip_windows(num_frames, length, stride)
    count = counter.count_video(SIZE_HW, windows)
    assert (count.num_frames, count.num_clips) == (num_frames, clips)
    assert count.encode.total == 10 * num_frames
    assert count.predict.total == 7 * sum(len(clip) for clip in windows)
    assert count.per_frame == (count.encode.total + count.predict.total) / num_frames


def test_multiply_adds_per_frame_are_over_frames_of_videos_and_not_of_clips():
    """Clips of 5 every 3: of 12 frames 4 clips, the last one cut to 3; of 7 frames 2."""
    plan = InferencePlan(5, 3, "native", torch.device("cpu"))
    videos = [Video(n, f"v{n}", *SIZE_HW, [None] * n) for n in (12, 7)]
    clips = [clip for own in videos for clip in plan.clips(own.length)]
    fields = measure_flops(PerFrameCost().to("meta"), videos, plan)
    used = 10 * 19 + 7 * sum(map(len, clips))
    assert sum(map(len, clips)) > 19
    assert fields["gflops_per_frame"] == pytest.approx(used / 19 / 1e9, rel=1e-12)
    assert fields["gflops_per_clip"] == pytest.approx(5 * 17 / 1e9, rel=1e-12)


def test_a_clip_by_itself_shares_nothing(counter):
    assert counter.count_clip(SIZE_HW, 5).all.total == 5 * 17


def test_long_videos_are_counted_without_running_every_clip(counter):
    calls = []
    predict = counter.method.predict_clip
    counter.method.predict_clip = lambda features: calls.append(1) or predict(features)
    count = counter.count_video(SIZE_HW, clip_windows(2000, 5, 1))
    assert count.predict.total == 7 * 5 * 1996
    assert len(calls) == 1


class OnlineCost(OnlineMethod):
    """Per frame 10 multiply-adds in the shared part, 7 more, and 3 per frame remembered."""

    def __init__(self, memory=1):
        super().__init__()
        self.backbone = nn.Linear(5, 2, bias=False)
        self.head = nn.Linear(7, 1, bias=False)
        self.updater = nn.Linear(3, 1, bias=False)
        self.memory = memory
        self.calls = 0

    def encode_frames(self, frames_T3HW):
        frames = len(frames_T3HW)
        tokens = self.backbone(frames_T3HW.new_zeros(frames, 5))
        return FrameFeatures({"tokens": tokens}, tuple(frames_T3HW.shape[-2:]))

    def predict_next(self, features, state):
        self.calls += 1
        tokens = features.maps["tokens"]
        for token_C in tokens:
            self.head(token_C.new_zeros(1, 7))
            if state is not None:
                self.updater(state["last"])
                last = torch.cat([state["last"], token_C.new_zeros(1, 3)])
            else:
                last = token_C.new_zeros(1, 3)
            state = {"last": last[-self.memory :]}
        masks = tokens.new_zeros(1, len(tokens), 1, 1)
        return ClipPrediction(tokens.new_zeros(1, 3), masks, track_ids_N=[0]), state


@pytest.mark.parametrize(("length", "stride"), [(1, 1), (5, 1), (5, 3), (5, 5), ("whole", 1)])
@pytest.mark.parametrize("memory", [1, 4])
def test_an_online_methods_cost_is_the_same_for_every_clip_plan(length, stride, memory):
    """Frame t multiplies what it remembers: min(t, memory) rows of 3."""
    method = OnlineCost(memory).to("meta")
    count = ShapeCounter(method).count_video(SIZE_HW, clip_windows(12, length, stride))
    assert count.encode.total == 10 * 12
    assert count.predict.total == 7 * 12 + 3 * sum(min(t, memory) for t in range(12))


def test_each_shape_of_the_state_is_executed_once():
    method = OnlineCost(memory=4).to("meta")
    ShapeCounter(method).count_video(SIZE_HW, clip_windows(2000, 1, 1))
    assert method.calls == 5


def keep_all_queries(method):
    """Makes IFC keep every query, which is what a count on shapes assumes."""
    with torch.no_grad():
        method.class_head.layers[-1].bias[-1] = -100.0
    return method


@pytest.mark.parametrize("communication", ["none", "full", "decomposed", "ifc"])
def test_ifc_on_shapes_equals_ifc_executed(communication):
    executed = keep_all_queries(build("ifc", "cpu", communication=communication))
    assert_same_cost(executed, build("ifc", "meta", communication=communication))


@pytest.mark.parametrize("name", ["seqformer", "ms_sts"])
def test_a_method_on_shapes_equals_the_same_executed(name):
    assert_same_cost(build(name, "cpu", top_k=1), build(name, "meta", top_k=1))


PARTS = ("inter_scale", "intra_scale", "temporal_decoder")


@pytest.mark.parametrize(
    "parts", [off for count in (1, 2, 3) for off in combinations(PARTS, count)], ids=str
)
def test_ms_sts_without_some_parts_on_shapes_equals_the_same_executed(parts):
    options = {"top_k": 1, **dict.fromkeys(parts, False)}
    on_shapes = build("ms_sts", "meta", **options)
    assert_same_cost(build("ms_sts", "cpu", **options), on_shapes)
    whole, less = (
        ShapeCounter(method).count_clip(SIZE_HW, 3).all.total
        for method in (build("ms_sts", "meta", top_k=1), on_shapes)
    )
    assert less < whole


def test_ms_sts_without_its_parts_costs_what_seqformer_costs():
    torch.manual_seed(0)
    sizes = {key: value for key, value in MINI["ms_sts"].items() if key != "ms_sts_width"}
    parts = dict.fromkeys(PARTS, False)
    with torch.device("meta"):
        methods = [
            build_method("seqformer", num_classes=5, **sizes),
            build_method("ms_sts", num_classes=5, **sizes, **parts),
        ]
    costs = [ShapeCounter(method).count_clip(SIZE_HW, 5).all.total for method in methods]
    assert costs[0] == costs[1] > 0


def assert_same_cost(executed, on_shapes):
    clips = clip_windows(ENCODE_FRAMES + 3, ENCODE_FRAMES + 1, 2)
    inputs = StoredFrames(torch.rand(clips[-1].stop, 3, *SIZE_HW))
    macs = count_macs(executed, lambda: list(predict_clips(executed, inputs, clips)))[1]
    counted = ShapeCounter(on_shapes).count_video(SIZE_HW, clips).all
    for name, _ in executed.named_modules():
        assert counted.within(name) == macs.within(name), name
    assert counted.within("backbone") > 0


@pytest.mark.parametrize("name", MINI)
def test_selecting_makes_the_count_an_upper_bound(name):
    executed, frames = build(name, "cpu"), torch.rand(3, 3, *SIZE_HW)
    macs = count_macs(executed, executed, frames)[1]
    counted = ShapeCounter(build(name, "meta")).count_clip(SIZE_HW, 3).all
    assert counted.total >= macs.total > 0.5 * counted.total
    assert counted.assumed_ops
    assert not macs.assumed_ops


@pytest.mark.parametrize("backend", ["auto", "reference", "cpu", "cuda", "triton"])
def test_every_kernel_backend_costs_the_same(backend):
    """Deformable attention counts 5 per sampled channel of 4 heads, 4 levels and 4 points."""
    method = build("seqformer", "meta", kernel_backend=backend)
    counted = ShapeCounter(method).count_clip(SIZE_HW, 2).all
    queries = sum((64 // s) * -(-96 // s) for s in (8, 16, 32, 64))
    encoder, decoder = 2 * queries, 2 * MINI["seqformer"]["num_queries"]
    operator = counted.by_op()["cuda_ops.ms_deform_attn"]
    assert operator == 5 * (encoder + 2 * decoder) * 4 * 4 * (32 // 4) * 4


def test_tree_adds_up_and_keeps_what_has_parameters():
    method = PerFrameCost()
    counts = [MacCount({"backbone": {"mm": 30}}), MacCount({"head": {"mm": 14}, "": {"bmm": 2}})]
    root = module_tree(method, counts, (3, 2), name="toy")
    assert (root.name, root.num_params, root.macs) == ("toy", 17, (10.0, 8.0))
    assert [(c.name, c.num_params, c.macs) for c in root.children] == [
        ("backbone", 10, (10.0, 0.0)),
        ("head", 7, (0.0, 7.0)),
        ("(itself)", 0, (0.0, 1.0)),
    ]
    assert [level for level, _ in root.walk(1)] == [0, 1, 1, 1]
    assert root.as_json()["children"][0]["macs"] == [10.0, 0.0]
