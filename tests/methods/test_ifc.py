"""IFC: equal to the official code, clip by clip and over videos; every variant runs."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from methods import build_method
from methods.ifc.encoder import (
    DecomposedCommunication,
    FullCommunication,
    InterFrameCommunication,
    NoCommunication,
)
from methods.ifc.model import INPUT, R101_INPUT
from official_weights import expected, loaded, network_input, relative_error, space_time_iou, video
from paths import GOLDEN, ROOT
from run_case import QUIET, jobs_of
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.method import InputFormat, TrackingRule
from vis_bench.record.store import RecordStore
from vis_bench.runs.harness import run_jobs

SWAPPED = replace(INPUT, channel_order="BGR", mean=INPUT.mean[::-1], std=INPUT.std[::-1])
SMALL = {"backbone": "mini", "width": 64, "hidden": 32, "num_queries": 15}
NUM_CLASSES = 5
VARIANTS = [
    {"communication": "none"},
    {"communication": "full"},
    {"communication": "decomposed"},
    {"communication": "ifc"},
    {"communication": "ifc", "memory": "unified", "memory_tokens": 3},
    {"communication": "ifc", "memory_tokens": 1},
    {"communication": "ifc", "memory_tokens": 16},
]


def small(**options):
    torch.manual_seed(0)
    method = build_method("ifc", num_classes=NUM_CLASSES, **(SMALL | options))
    torch.nn.init.normal_(method.class_head.layers[-1].weight, std=1.0)
    torch.nn.init.constant_(method.class_head.layers[-1].bias[-1:], -10.0)
    return method.eval()


def frames_of(count, height=33, width=47):
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(count))


def plan(length, stride):
    return InferencePlan(length, stride, "native", torch.device("cpu"))


@pytest.fixture(scope="module")
def official():
    method = loaded("ifc_r50")
    arrays, facts = expected("ifc_r50")
    clip = network_input(facts["frames"])[facts["first_clip_frames"]]
    with torch.inference_mode():
        raw = method.encode_frames(clip)
        method.prepare_for_inference()
        prepared = method.encode_frames(clip)
    return method, arrays, facts, {"as built": raw, "prepared": prepared}


@pytest.mark.parametrize("state", ["as built", "prepared"])
@torch.inference_mode()
def test_golden_clip(official, state):
    method, arrays, _, features = official
    encoded = method.encode_clip(features[state])
    queries, _ = method.decode(features[state])
    logits = method.class_head(queries[-1])
    prediction = method.predict_clip(features[state])
    kept = arrays["valid_queries"]
    sizes = {
        "encoder_tokens": encoded.tokens_TSC,
        "memory_tokens": encoded.memory_TMC,
        "pred_logits": logits,
        "pred_masks": prediction.mask_logits_NTHW,
    }
    for name, tensor in sizes.items():
        assert relative_error(tensor, arrays[name]) < 1e-4, name
    probs = arrays["pred_logits"].softmax(-1)
    torch.testing.assert_close(logits.softmax(-1), probs, rtol=0, atol=1e-5)
    torch.testing.assert_close(prediction.class_probs_NK, probs[kept, :40], rtol=0, atol=1e-5)


def test_golden_size(official):
    method, _, facts, _ = official
    assert sum(p.numel() for p in method.parameters()) == facts["params"]


@pytest.mark.parametrize("stride", [1, 3])
def test_golden_video(official, stride):
    method, _, facts, _ = official
    assert_golden_video(method, facts, stride, tolerance=1e-5)


def assert_golden_video(method, facts, stride, tolerance):
    clip_plan = plan(facts["clip_length"], stride)
    tracks = track_video(method, video(facts["frames"]), clip_plan, range(40))
    wanted = facts["video_predictions_by_stride"][str(stride)]
    assert len(tracks) == wanted["num_predictions"]
    for track, prediction in zip(tracks, wanted["top"], strict=False):
        assert track.category_id == prediction["label"]
        assert track.score == pytest.approx(prediction["score"], abs=tolerance)
        assert space_time_iou(track.segmentations, prediction["segmentations"]) >= 0.999


@pytest.fixture(scope="module")
def official_r101():
    method = loaded("ifc_r101")
    method.prepare_for_inference()
    return method, json.loads((GOLDEN / "ifc_r101.json").read_text())


@pytest.mark.parametrize("stride", [1, 3])
def test_golden_video_with_resnet_101(official_r101, stride):
    """The authors' ResNet-101 configuration has another input and its strides elsewhere."""
    method, facts = official_r101
    assert_golden_video(method, facts, stride, tolerance=1e-4)


def test_resnet_101_with_the_colors_of_resnet_50_has_other_tracks(official_r101, monkeypatch):
    """The same weights, fed RGB in 0..1 over ImageNet's deviation."""
    method, facts = official_r101
    monkeypatch.setattr(method, "input_format", INPUT)
    clip_plan = plan(facts["clip_length"], 3)
    tracks = track_video(method, video(facts["frames"]), clip_plan, range(40))
    wanted = facts["video_predictions_by_stride"]["3"]
    assert len(tracks) > 2 * wanted["num_predictions"]
    for prediction in wanted["top"]:
        same_class = [t.segmentations for t in tracks if t.category_id == prediction["label"]]
        overlaps = [space_time_iou(track, prediction["segmentations"]) for track in same_class]
        assert max(overlaps, default=0) < 0.1


@pytest.mark.slow
def test_ap_with_other_colors(tmp_path):
    """Of the bundled mini model, whose training had RGB over ImageNet's deviation."""
    text = "base: ifc_mini_synthetic\nmeasure: [accuracy]\n"
    aps = []
    for form in (INPUT, SWAPPED, R101_INPUT):

        def build(*arguments, form=form, **options):
            method = build_method(*arguments, **options)
            method.input_format = form
            return method

        (tmp_path / f"{len(aps)}").mkdir()
        jobs = jobs_of(tmp_path / f"{len(aps)}", text, build=build, limit=24)
        [record] = run_jobs(jobs, RecordStore(tmp_path / f"{len(aps)}"), QUIET).records
        aps.append(round(100 * record.ap, 1))
    assert aps == pytest.approx([65.7, 65.4, 0.3], abs=0.2)


@pytest.mark.parametrize("options", VARIANTS, ids=str)
@torch.inference_mode()
def test_order_of_the_frames_changes_nothing_else(options):
    """No encoder knows when a frame was; the decoder sums over all tokens."""
    method, clip, order = small(**options), frames_of(4), torch.tensor([2, 0, 3, 1])
    forwards, shuffled = method(clip), method(clip[order])
    torch.testing.assert_close(
        shuffled.class_probs_NK, forwards.class_probs_NK, rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(
        shuffled.mask_logits_NTHW, forwards.mask_logits_NTHW[:, order], rtol=1e-3, atol=1e-4
    )


@torch.inference_mode()
def test_queries_that_see_no_object_are_left_out():
    method = small()
    queries, mask_features = method.decode(method.encode_frames(frames_of(2)))
    logits = method.class_head(queries[-1])
    margins = logits[:, :NUM_CLASSES].amax(-1) - logits[:, NUM_CLASSES]
    method.class_head.layers[-1].bias[NUM_CLASSES] += margins.sort().values[9:11].mean()
    probs = method.class_head(queries[-1]).softmax(-1)
    kept = [q for q in range(15) if probs[q].argmax() != NUM_CLASSES]
    assert len(kept) == 5
    prediction = method(frames_of(2))
    torch.testing.assert_close(prediction.class_probs_NK, probs[kept, :NUM_CLASSES])
    masks = method.spatial_decoder.masks(mask_features, queries[-1])
    torch.testing.assert_close(prediction.mask_logits_NTHW, masks[kept], rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_nothing_found():
    method = small()
    method.class_head.layers[-1].bias[NUM_CLASSES] += 1000
    prediction = method(frames_of(2))
    assert len(prediction) == 0
    assert prediction.mask_logits_NTHW.shape == (0, 2, 5, 6)
    images = np.zeros((4, 33, 47, 3), dtype=np.uint8)
    clip = Video(1, "black", 33, 47, list(images))
    assert track_video(method, clip, plan(2, 1), range(1, 6)) == []


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_every_layer_trains(options):
    method = small(**options).train()
    queries, mask_features = method.decode(method.encode_frames(frames_of(2)))
    loss = 0.0
    for layer in queries:
        loss = loss + method.class_head(layer).square().sum()
        loss = loss + method.spatial_decoder.masks(mask_features, layer).square().mean()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in method.parameters())


PEAKS = """
import resource, sys
import numpy as np, torch
from methods import build_method
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.data.video import Video

torch.manual_seed(0)
torch.set_num_threads(1)
method = build_method(
    "ifc", num_classes=3, backbone="mini", hidden=64, encoder_layers=2, decoder_layers=1,
    num_queries=12,
)
torch.nn.init.constant_(method.class_head.layers[-1].bias[-1:], -10.0)
method.prepare_for_inference()
image = np.random.default_rng(0).integers(0, 256, (120, 208, 3), dtype=np.uint8)
plan = InferencePlan(10, 8, "native", torch.device("cpu"))
for length in (30, 360):
    tracks = track_video(method, Video(1, "v", 120, 208, [image] * length), plan, range(1, 4))
    assert tracks
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_does_not_grow_with_the_video():
    """330 frames more may take 120 MB more; kept features alone would take 180 MB."""
    done = subprocess.run(
        [sys.executable, "-c", PEAKS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    short, long = map(int, done.stdout.split())
    assert long - short < 120


@pytest.mark.parametrize(
    ("communication", "kind"),
    [
        ("none", NoCommunication),
        ("full", FullCommunication),
        ("decomposed", DecomposedCommunication),
        ("ifc", InterFrameCommunication),
    ],
)
def test_communication_chooses_the_encoder(communication, kind):
    assert type(small(communication=communication).encoder) is kind


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("backbone", "swin_l", "one of: r50, r101, x101, mini"),
        ("communication", "some", "one of: none, full, decomposed, ifc"),
        ("memory", "shared", "one of: decomposed, unified"),
        ("memory_tokens", -1, "a whole number from 0 to 16"),
        ("memory_tokens", 17, "a whole number from 0 to 16"),
    ],
)
def test_refused_options(option, value, expected):
    with pytest.raises(InputError, match=f"{option} is {value!r}; expected {expected}"):
        small(**{option: value})


def test_input_of_resnet_101_is_bgr_in_bytes():
    with torch.device("meta"):
        r50, r101 = (
            build_method("ifc", num_classes=3, backbone=backbone) for backbone in ("r50", "r101")
        )
    assert r101.backbone_name == "r101"
    assert r101.tracking_rule == TrackingRule(match_threshold=0.05, min_score=0.01)
    assert r50.input_format == InputFormat(long_side="round", max_long_side=1333)
    assert r101.input_format == InputFormat(
        channel_order="BGR",
        full_value=255.0,
        mean=(103.530, 116.280, 123.675),
        std=(1, 1, 1),
        long_side="round",
        max_long_side=1333,
    )
