"""The golden file of the methods on Hugging Face's transformers, and methods with its weights."""

import json

import numpy as np
import torch

import fill
from methods import build_method
from paths import GOLDEN
from vis_bench.data.video import Video
from vis_bench.masks.rle import decode

# What this project's options are called in transformers' configs.
VIDEOMT_OPTIONS = {
    "hidden": "hidden_size", "layers": "num_hidden_layers", "heads": "num_attention_heads",
    "query_layers": "num_blocks", "num_queries": "num_queries", "image_size": "image_size",
    "patch_size": "patch_size", "register_tokens": "num_register_tokens",
}  # fmt: skip


def goldens():
    arrays = np.load(GOLDEN / "videomt_tiny.npz")
    return arrays, json.loads((GOLDEN / "videomt_tiny.json").read_text())


def videomt_options(case):
    options = {name: case["config"][theirs] for name, theirs in VIDEOMT_OPTIONS.items()}
    return {**options, "pad_to": case["pad_to_multiple_of"]}


def built_videomt(case, **changes):
    options = {**videomt_options(case), **changes}
    return build_method("videomt", num_classes=case["config"]["num_labels"], **options)


def filled(shapes, overrides):
    """Deterministic weights by key, with what the golden file says is multiplied."""
    state = {key: torch.from_numpy(np.asarray(fill.tensor(key, s))) for key, s in shapes.items()}
    for key, change in overrides.items():
        state[key] = state[key] * float(change.removeprefix("multiplied by "))
    return state


def filled_for(method, case):
    """A method with the case's weights, in evaluation mode."""
    shapes = {key: tensor.shape for key, tensor in method.state_dict().items()}
    method.load_state_dict(filled(shapes, case["weight_overrides"]))
    return method.eval()


def golden_video(case):
    """The case's frames: one clip, or single frames of several seeds."""
    spec = case["frames"]
    seeds = spec.get("seeds", [spec.get("seed")])
    clips = [fill.frames(spec["t"], spec["h"], spec["w"], seed) for seed in seeds]
    return Video(1, "golden", spec["h"], spec["w"], list(np.concatenate(clips)))


def assert_golden_tracks(tracks, case):
    """Classes and scores in order, masks with IoU of 0.999; tracks without masks are dropped."""
    size_HW = [case["frames"]["h"], case["frames"]["w"]]
    wanted = [p for p in case["predictions"] if any(counts for counts in p["counts"])]
    assert len(tracks) == len(wanted)
    for track, prediction in zip(tracks, wanted, strict=True):
        assert track.category_id == prediction["label"]
        assert abs(track.score - prediction["score"]) < 1e-5
        assert len(track.segmentations) == len(prediction["counts"])
        common = union = 0
        for mask, counts in zip(track.segmentations, prediction["counts"], strict=True):
            one = np.zeros(size_HW, bool) if mask is None else decode(mask)
            other = (
                decode({"size": size_HW, "counts": counts}) if counts else np.zeros(size_HW, bool)
            )
            common, union = common + (one & other).sum(), union + (one | other).sum()
        assert common >= 0.999 * union
