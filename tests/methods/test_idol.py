"""IDOL: equal to the official code frame by frame and over videos, at every clip plan."""

import json
from functools import cache

import pytest
import torch
from torch.nn import functional as F

from methods import build_method
from methods.idol.model import padded_levels
from methods.idol.tracker import DROPPED, follow
from official_weights import (
    build_on_meta,
    filled_state,
    idol_case,
    relative_error,
    scenes,
    space_time_iou,
)
from vis_bench.contract import check_contract
from vis_bench.errors import InputError
from vis_bench.inference.checkpoint import WeightsFile, load_weights
from vis_bench.inference.clips import clip_windows
from vis_bench.inference.compiled import compiled
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.inference.preprocess import input_size, resize_frame, to_input
from vis_bench.masks.rle import decode
from vis_bench.measures.flops.video import ShapeCounter

CASES = ("idol_r50_a", "idol_r50_b", "idol_r50_ovis")
# The contract tests every cut; these are the ways from frames to tracks.
PLANS = [
    ("idol_r50_a", (4, 2)), ("idol_r50_b", (1, 1)), ("idol_r50_b", ("whole", 1)),
    ("idol_r50_ovis", (3, 1)),
]  # fmt: skip
SMALL = {"variant": "mini", "encoder_layers": 1, "decoder_layers": 2}


@cache
def official(name):
    with pytest.warns(UserWarning, match="36 tensors differ"):
        return idol_case(name)


def network_input(method, facts):
    video = scenes(facts)
    resolution = facts["min_size_test"]
    size_HW = input_size(video.height, video.width, resolution, method.input_format)
    assert list(size_HW) == facts["resized"]
    return to_input([resize_frame(f, size_HW) for f in video.frames], method.input_format)


@cache
def encoded(name):
    method, _, facts = official(name)
    with torch.inference_mode():
        return method.encode_frames(network_input(method, facts))


@pytest.mark.parametrize("name", CASES)
@torch.inference_mode()
def test_golden_network(name):
    method, arrays, facts = official(name)
    maps = encoded(name).maps
    probs_TQ, labels_TQ = maps["class_probs"].max(-1)
    torch.testing.assert_close(probs_TQ, arrays["max_scores"], rtol=0, atol=1e-4)
    likely = arrays["max_scores"] > 0.01
    assert torch.equal(labels_TQ[likely], arrays["argmax"][likely].long())
    torch.testing.assert_close(maps["boxes"], arrays["pred_boxes"], rtol=0, atol=1e-5)
    torch.testing.assert_close(maps["centers"][:2], arrays["reference_points"], rtol=0, atol=1e-5)
    assert relative_error(maps["queries"][:2, :24], arrays["decoder_hs"]) < 1e-4
    # In the padding, too, where the suppression of masks looks.
    assert relative_error(maps["mask_features"][:2], arrays["mask_features"]) < 1e-4
    assert sum(p.numel() for p in method.parameters()) == facts["params"]


@pytest.mark.parametrize("name", CASES)
@torch.inference_mode()
def test_golden_detections_and_identities(name):
    method, arrays, facts = official(name)
    features, memory, first_masks = encoded(name), None, []
    for t, wanted in enumerate(facts["per_frame"]):
        found, masks_NHW = method.detect(features, t)
        here = arrays["kept_frame"] == t
        logits_NK, embeddings_NC = arrays["pred_logits_kept"][here], arrays["embed_kept"][here]
        assert len(found.class_probs_NK) == len(wanted["after_mask_nms"])
        torch.testing.assert_close(found.class_probs_NK, logits_NK.sigmoid(), rtol=0, atol=1e-4)
        torch.testing.assert_close(found.embeddings_NC, embeddings_NC, rtol=1e-4, atol=1e-4)
        tracks, memory = follow(found, memory, method.new_score)
        assert tracks.identities_N.tolist() == [max(number, DROPPED) for number in wanted["ids"]]
        gone = [drop["dropped_id"] for drop in facts["dropped"] if drop["after_frame"] == t]
        assert len(tracks.withdrawn) == len(gone)
        first_masks += masks_NHW[:5] if t < 4 else []
    assert relative_error(torch.stack(first_masks), arrays["mask_logits_first_kept"]) < 1e-4


@pytest.mark.parametrize(("name", "plan"), PLANS)
def test_golden_tracks_at_every_clip_plan(name, plan):
    method, _, facts = official(name)
    inference = InferencePlan(*plan, facts["min_size_test"], torch.device("cpu"))
    categories = range(1, facts["num_classes"] + 1)
    check_tracks(track_video(method, scenes(facts), inference, categories), facts)


def check_tracks(tracks, facts):
    wanted = sorted(facts["predictions"], key=lambda prediction: -prediction["score"])
    assert [t.category_id for t in tracks] == [p["category_id"] for p in wanted]
    ious = []
    for track, prediction in zip(tracks, wanted, strict=True):
        assert track.score == pytest.approx(prediction["score"], abs=1e-4)
        golden = facts["tracks"][str(prediction["track"])]["segmentations"]
        filled = [n for n, mask in enumerate(golden) if mask is not None and decode(mask).any()]
        assert [n for n, mask in enumerate(track.segmentations) if mask is not None] == filled
        mine, theirs = ([masks[n] for n in filled] for masks in (track.segmentations, golden))
        ious.append(space_time_iou(mine, theirs) if filled else 1.0)
    assert min(ious) >= 0.99
    assert sum(ious) / len(ious) >= 0.999


def test_tracks_whose_masks_are_all_empty_are_kept():
    """As the authors write them; they are wrong answers."""
    _, _, facts = official("idol_r50_a")
    empty = [
        number
        for number, track in facts["tracks"].items()
        if not any(mask and decode(mask).any() for mask in track["segmentations"])
    ]
    assert empty
    assert {p["track"] for p in facts["predictions"]} >= {int(number) for number in empty}


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@torch.inference_mode()
def test_golden_network_with_folded_norms_and_each_kernel(backend):
    original, arrays, facts = official("idol_r50_a")
    with torch.device("meta"):
        method = build_method("idol", num_classes=40, kernel_backend=backend)
    method.load_state_dict(original.state_dict(), assign=True)
    method.prepare_for_inference()
    assert method.resolved_kernel_backend(torch.device("cpu")) == backend
    maps = method.encode_frames(network_input(method, facts)[:2]).maps
    probs_TQ = maps["class_probs"].amax(-1)
    torch.testing.assert_close(probs_TQ, arrays["max_scores"][:2], rtol=0, atol=1e-4)
    torch.testing.assert_close(maps["boxes"], arrays["pred_boxes"][:2], rtol=0, atol=1e-5)
    assert relative_error(maps["mask_features"], arrays["mask_features"]) < 1e-4


@torch.inference_mode()
def test_a_frame_does_not_depend_on_its_batch():
    """The authors feed ten frames at a time; one by one they are the same."""
    method, _, facts = official("idol_r50_b")
    frames_T3HW, together = network_input(method, facts), encoded("idol_r50_b")
    for t in (9, 10):
        alone = method.encode_frames(frames_T3HW[t : t + 1])
        for name, tensor in alone.maps.items():
            scale = together.maps[name].abs().max().item()
            torch.testing.assert_close(
                tensor, together.maps[name][t : t + 1], rtol=0, atol=1e-5 * scale
            )


def test_padding_masks_are_nearest_samples():
    """At every size that the published settings can pad: strides 8, 16 and 32 sample the mask of
    the padded frame, stride 64 samples that of stride 8.
    """
    for length in (*range(1, 700, 7), 720, 853, 1333):
        padded = -(-length // 32) * 32
        hidden = (torch.arange(padded) >= length).float()[None, None]
        levels = padded_levels((length, 32))
        masks = [F.interpolate(hidden, padded // stride) for stride in (8, 16, 32)]
        masks.append(F.interpolate(masks[0], -(-padded // 64)))
        assert [rows for rows, _ in levels.shapes_L2] == [mask.shape[-1] for mask in masks]
        valid_L2 = levels.valid_L2 or levels.shapes_L2
        assert [rows for rows, _ in valid_L2] == [int((mask == 0).sum()) for mask in masks]


def small(**options):
    """A small method whose random scores, boxes and looks differ, so that tracks come and go."""
    torch.manual_seed(0)
    method = build_method("idol", num_classes=6, **(SMALL | options))
    torch.nn.init.normal_(method.class_heads[-1].weight, std=0.3)
    torch.nn.init.constant_(method.class_heads[-1].bias, -2.0)
    for head in method.decoder.box_heads:
        torch.nn.init.normal_(head.layers[-1].weight, std=0.3)
    for name, parameter in method.named_parameters():
        if name.endswith(("sampling_offsets.weight", "attention_weights.weight")):
            torch.nn.init.normal_(parameter, std=0.1)
    return method.eval()


def test_contract_with_many_tracks():
    method = small()
    with torch.inference_mode():
        assert len(method(torch.randn(4, 3, 64, 96))) > 2
    check_contract(method, 6, ((1, 1), (33, 47), (64, 96)))


def test_flops_are_counted_and_equal_for_every_clip_plan():
    """Masks of all queries are an upper bound. Frames that are encoded together share the first
    layer's queries, which are the same for all.
    """
    with torch.device("meta"):
        method = small()
    counts = [
        ShapeCounter(method).count_video((48, 80), clip_windows(5, *plan))
        for plan in ((1, 1), (3, 2), ("whole", 1))
    ]
    assert counts[0].predict.total == counts[1].predict.total == counts[2].predict.total > 0
    assert counts[0].all.total >= counts[1].all.total >= counts[2].all.total
    assert "aten.nonzero" in counts[0].predict.assumed_ops


@torch.inference_mode()
def test_bfloat16_keeps_scores_and_places():
    """Under autocast only the encoder's products lose precision."""
    method, frames = small(), torch.randn(2, 3, 64, 96)
    exact = method.encode_frames(frames)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = method.encode_frames(frames)
        prediction = method.predict_clip(features)
    for name in ("class_probs", "boxes", "queries", "centers"):
        assert features.maps[name].dtype == torch.float32
    assert prediction.mask_logits_NTHW.dtype == torch.float32
    assert (features.maps["boxes"] - exact.maps["boxes"]).abs().mean() < 0.02
    assert (features.maps["class_probs"] - exact.maps["class_probs"]).abs().mean() < 0.02


@pytest.mark.slow
@torch.inference_mode()
def test_compiling_changes_no_answer_beyond_rounding():
    method = small()
    other = compiled(method, "default")
    for count in (3, 1):
        frames = torch.randn(count, 3, 64, 96, generator=torch.Generator().manual_seed(count))
        one, two = (
            method.predict_clip(method.encode_frames(frames)),
            other.predict_clip(other.encode_frames(frames)),
        )
        assert list(one.track_ids_N) == list(two.track_ids_N)
        torch.testing.assert_close(one.class_probs_NK, two.class_probs_NK, rtol=0, atol=1e-4)
        torch.testing.assert_close(one.mask_logits_NTHW, two.mask_logits_NTHW, rtol=1e-3, atol=1e-2)


def test_a_missing_tensor_is_named(tmp_path):
    method = build_method("idol", num_classes=6, **SMALL)
    state = method.state_dict()
    del state["embedding_head.layers.1.weight"]
    torch.save({"model": state}, tmp_path / "idol.pth")
    with pytest.raises(InputError, match=r"embedding_head\.layers\.1\.weight"):
        load_weights(
            build_method("idol", num_classes=6, **SMALL), WeightsFile.at(tmp_path / "idol.pth")
        )


@pytest.mark.parametrize("other", ["seqformer", "ifc"])
def test_an_idol_checkpoint_is_told_from_others(other, tmp_path):
    torch.save({"model": filled_state("idol_r50")}, tmp_path / "idol.pth")
    with pytest.raises(InputError, match="an IDOL checkpoint"):
        load_weights(build_on_meta(f"{other}_r50"), WeightsFile.at(tmp_path / "idol.pth"))


def test_ovis_has_its_own_thresholds():
    names = ("mask_iou", "new_score")
    resolved = {
        variant: json.loads(json.dumps(dict(build_on(variant).resolved_options)))
        for variant in ("r50", "r101", "swin_l", "r50_ovis", "r101_ovis", "swin_l_ovis")
    }
    for variant, options in resolved.items():
        wanted = (0.3, 0.3) if variant.endswith("ovis") else (0.5, 0.2)
        assert tuple(options[name] for name in names) == wanted
    with pytest.raises(InputError, match=r"mask_iou is 1\.5; expected a number"):
        build_method("idol", num_classes=6, **SMALL, mask_iou=1.5)


def build_on(variant):
    with torch.device("meta"):
        return build_method("idol", num_classes=6, variant=variant)
