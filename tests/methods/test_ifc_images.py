"""IFC on single images: equal to the official code, with memory tokens and without."""

import json

import pytest
import torch

import fill
from methods import build_method
from official_weights import filled_state, override
from paths import GOLDEN
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.masks.rle import area, decode
from vis_bench.method import ImageRule, TrackingRule

FACTS = json.loads((GOLDEN / "ifc_r50_coco.json").read_text())
RUNS = {f"{run['memory_tokens']} tokens, {run['resolution']}": run for run in FACTS["runs"]}
NUM_CLASSES = 80


def checkpoint(memory_tokens):
    state = filled_state("ifc_r50_coco", overrides=False)
    if memory_tokens == 0:
        for key, shape in FACTS["keys_without_memory"].items():
            state[key] = torch.zeros(shape)
    override(state, FACTS["weight_overrides_by_memory_tokens"][str(memory_tokens)])
    return state


def built(memory_tokens, **options):
    with torch.device("meta"):
        return build_method(
            "ifc", num_classes=NUM_CLASSES, memory_tokens=memory_tokens, mode="image", **options
        )


@pytest.fixture(scope="module")
def methods():
    loaded = {}
    for memory_tokens in (8, 0):
        method = built(memory_tokens)
        method.load_state_dict(checkpoint(memory_tokens), assign=True)
        method.prepare_for_inference()
        loaded[memory_tokens] = method
    return loaded


def image(facts):
    frames = fill.frames(1, facts["height"], facts["width"], facts["seed"])
    return Video(facts["id"], "golden", facts["height"], facts["width"], list(frames))


def predicted(method, resolution, facts):
    plan = InferencePlan(1, 1, resolution, torch.device("cpu"))
    return track_video(method, image(facts), plan, FACTS["coco_category_ids"])


def differing_pixels(mask, other):
    """Another number of threads changes mask logits by up to 5e-5 here: where they are almost 0,
    pixels turn.
    """
    return int((decode(mask) != decode(other)).sum())


@pytest.mark.parametrize("name", RUNS)
def test_golden_predictions(methods, name):
    run = RUNS[name]
    for facts in FACTS["images"]:
        wanted = run["images"][str(facts["id"])]["predictions"]
        tracks = predicted(methods[run["memory_tokens"]], run["resolution"], facts)
        assert [track.category_id for track in tracks] == [p["category_id"] for p in wanted]
        assert [t.score for t in tracks] == pytest.approx([p["score"] for p in wanted], abs=1e-4)
        for track, prediction in zip(tracks, wanted, strict=True):
            assert track.video_id == facts["id"]
            [mask] = track.segmentations
            assert differing_pixels(mask, prediction["segmentation"]) <= max(3, 0.001 * area(mask))


@pytest.mark.parametrize("memory_tokens", [8, 0])
def test_golden_sizes(memory_tokens):
    """The official code keeps and counts layers that 0 tokens have no use for."""
    method = built(memory_tokens)
    unused = 0
    if memory_tokens == 0:
        unused = sum(
            tensor.numel() for key, tensor in checkpoint(0).items() if ".bus_layers." in key
        )
    published = FACTS["params_by_memory_tokens"][str(memory_tokens)]
    assert method.num_params + unused == published
    entries = sum(tensor.numel() for tensor in checkpoint(memory_tokens).values())
    assert method.num_checkpoint_entries == entries


def test_without_memory_a_checkpoint_with_memory_is_refused():
    with pytest.raises(RuntimeError, match=r"Unexpected key.*memory_bus"):
        built(0).load_state_dict(checkpoint(8), assign=True)
    with pytest.raises(RuntimeError, match=r"size mismatch.*memory_tokens_MC"):
        built(8).load_state_dict(checkpoint(0), assign=True)


def test_without_memory_is_no_communication():
    options = {"backbone": "mini", "width": 64, "hidden": 32, "num_queries": 15}
    torch.manual_seed(0)
    without = build_method("ifc", num_classes=5, memory_tokens=0, **options).eval()
    none = build_method("ifc", num_classes=5, communication="none", **options).eval()
    none.load_state_dict(without.state_dict())
    frames_T3HW = torch.rand(3, 3, 33, 47)
    with torch.inference_mode():
        one, other = without(frames_T3HW), none(frames_T3HW)
    assert torch.equal(one.class_probs_NK, other.class_probs_NK)
    assert torch.equal(one.mask_logits_NTHW, other.mask_logits_NTHW)


def test_the_mode_is_a_rule_of_the_method():
    images = built(8)
    assert images.tracking_rule == ImageRule(max_instances=100)
    assert images.max_clip_length == 1
    with torch.device("meta"):
        videos = build_method("ifc", num_classes=NUM_CLASSES)
    assert isinstance(videos.tracking_rule, TrackingRule)
    assert videos.max_clip_length is None
    with pytest.raises(InputError, match="mode is 'photo'; expected one of: video, image"):
        build_method("ifc", num_classes=5, mode="photo")
