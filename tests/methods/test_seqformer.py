"""SeqFormer: equal to the official code, clip by clip and over videos, at any size and length."""

import pytest
import torch

from methods import build_method
from official_weights import expected, loaded, network_input, relative_error, space_time_iou, video
from vis_bench.errors import InputError
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.method import TrackingRule

SMALL = {"backbone": "mini", "width": 64, "hidden": 32, "num_queries": 20, "encoder_layers": 2}
NUM_CLASSES = 5


def small(**options):
    torch.manual_seed(0)
    defaults = SMALL | {"decoder_layers": 2} | options
    method = build_method("seqformer", num_classes=NUM_CLASSES, **defaults)
    for head in (*method.class_heads, *(head.layers[-1] for head in method.decoder.box_heads)):
        torch.nn.init.normal_(head.weight, std=0.5)
        torch.nn.init.zeros_(head.bias)
    for name, parameter in method.named_parameters():
        if name.endswith(("sampling_offsets.weight", "attention_weights.weight")):
            torch.nn.init.normal_(parameter, std=0.1)
    return method.eval()


def frames_of(count, height=33, width=47):
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(count))


def whole(length="whole", stride=1):
    return InferencePlan(length, stride, "native", torch.device("cpu"))


@pytest.fixture(scope="module", params=["r50", "swin_l"])
def official(request):
    name = f"seqformer_{request.param}"
    with pytest.warns(UserWarning, match="36 tensors differ"):
        method = loaded(name)
    arrays, facts = expected(name)
    frames = network_input(facts["frames"])
    with torch.inference_mode():
        raw = method.encode_frames(frames)
        method.prepare_for_inference()
        prepared = method.encode_frames(frames)
    return method, arrays, facts, {"as built": raw, "prepared": prepared}


@pytest.mark.parametrize("state", ["as built", "prepared"])
@torch.inference_mode()
def test_golden_clip(official, state):
    method, arrays, _, features = official
    output = method.decode(features[state], last_boxes=True)[-1]
    logits = method.class_logits(output, -1)
    masks = method.masks(output, features[state], arrays["mask_queries"])
    sizes = {
        "encoder_memory": features[state].maps["memory"][:, ::4],
        "decoder_hs": output.instances_QC,
        "decoder_hs_box": output.box_queries_TQC[:, :32],
        "pred_logits": logits,
        "pred_masks": masks,
    }
    for name, tensor in sizes.items():
        assert relative_error(tensor, arrays[name]) < 1e-4, name
    probs = arrays["pred_logits"].sigmoid()
    torch.testing.assert_close(logits.sigmoid(), probs, rtol=0, atol=1e-5)
    torch.testing.assert_close(output.boxes_TQ4, arrays["pred_boxes"], rtol=0, atol=1e-5)


def test_golden_size(official):
    method, _, facts, _ = official
    assert sum(p.numel() for p in method.parameters()) == facts["params"]


def test_golden_predictions(official):
    method, _, facts, _ = official
    tracks = track_video(method, video(facts["frames"]), whole(), range(1, 41))
    wanted = facts["predictions"]
    assert [t.category_id for t in tracks] == [p["category_id"] for p in wanted]
    for track, prediction in zip(tracks, wanted, strict=True):
        assert track.score == pytest.approx(prediction["score"], abs=1e-5)
        assert space_time_iou(track.segmentations, prediction["segmentations"]) >= 0.999


METHOD = small()


def with_boxes(clip):
    return METHOD.predict_clip(METHOD.encode_frames(clip), boxes=True)


@torch.inference_mode()
def test_boxes_are_there_for_those_who_ask():
    """Without them a clip costs a pass of the last box head less, and is answered the same."""
    clip = frames_of(2)
    prediction, asked = METHOD(clip), with_boxes(clip)
    assert prediction.boxes_NT4 is None
    assert asked.boxes_NT4.shape == (len(asked), 2, 4)
    assert torch.equal(prediction.mask_logits_NTHW, asked.mask_logits_NTHW)
    assert torch.equal(prediction.class_probs_NK, asked.class_probs_NK)


@torch.inference_mode()
def test_order_of_the_frames_changes_nothing_else():
    """An instance gathers over time by a weighted sum, which knows no order."""
    clip, order = frames_of(4), torch.tensor([2, 0, 3, 1])
    forwards, shuffled = with_boxes(clip), with_boxes(clip[order])
    torch.testing.assert_close(
        shuffled.class_probs_NK, forwards.class_probs_NK, rtol=1e-4, atol=1e-5
    )
    for name in ("mask_logits_NTHW", "boxes_NT4"):
        wanted = getattr(forwards, name)[:, order]
        torch.testing.assert_close(getattr(shuffled, name), wanted, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_best_pairs_of_all_columns_choose_the_queries():
    method = small(top_k=15)
    features = method.encode_frames(frames_of(2))
    prediction = method.predict_clip(features, boxes=True)
    output = method.decode(features, last_boxes=True)[-1]
    probs = method.class_logits(output, -1).sigmoid()
    pairs = [(p.item(), q) for q, row in enumerate(probs) for p in row]
    best = [q for _, q in sorted(pairs, key=lambda pair: -pair[0])[:15]]
    chosen = list(dict.fromkeys(best))
    assert len(chosen) < 15  # a query may be among the best with several columns
    torch.testing.assert_close(prediction.class_probs_NK, probs[chosen, 1:-1])
    torch.testing.assert_close(
        prediction.mask_logits_NTHW, method.masks(output, features, torch.arange(20))[chosen]
    )
    torch.testing.assert_close(prediction.boxes_NT4, output.boxes_TQ4[:, chosen].transpose(0, 1))


@torch.inference_mode()
def test_extra_columns_choose_queries_but_are_no_category():
    method = small(top_k=3)
    method.class_heads[-1].bias[0] += 50
    prediction = method(frames_of(2))
    assert len(prediction) == 3
    assert prediction.class_probs_NK.shape[1] == NUM_CLASSES


def test_asking_for_more_pairs_than_there_are():
    method = small(num_queries=1, top_k=50)
    with torch.inference_mode():
        assert len(method(frames_of(1))) == 1
    with pytest.raises(InputError, match="top_k is 0"):
        small(top_k=0)


def test_a_clips_queries_are_the_methods_own_number():
    method = small(top_k=3)
    method.tracking_rule = TrackingRule(top_k=None)
    with torch.inference_mode():
        assert 1 <= len(method(frames_of(2))) <= 3


def test_bfloat16_keeps_the_places_precise():
    """Under autocast only products lose precision: boxes move by less than 2 % of the frame."""
    clip = frames_of(2)
    with torch.inference_mode():
        exact = METHOD.decode(METHOD.encode_frames(clip), last_boxes=True)[-1].boxes_TQ4
        with torch.autocast("cpu", dtype=torch.bfloat16):
            features = METHOD.encode_frames(clip)
            output = METHOD.decode(features, last_boxes=True)[-1]
            masks = METHOD.masks(output, features, torch.arange(3))
    assert output.boxes_TQ4.dtype == masks.dtype == torch.float32
    assert (output.boxes_TQ4 - exact).abs().mean() < 0.02
