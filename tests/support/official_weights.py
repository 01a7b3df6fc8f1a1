"""Methods with the weights that the golden files were made with, and what those files hold.

See `fill` for how they were made. `*.keys.json` are the keys and shapes of the official files.
"""

import json

import numpy as np
import torch

import fill
from methods import build_method, method_names
from paths import GOLDEN
from vis_bench.data.video import Video
from vis_bench.masks.rle import decode

NUM_CLASSES = 40
# Checkpoints of the authors whose keys and shapes are in the golden files.
OFFICIAL = [
    "seqformer_r50", "seqformer_r101", "seqformer_x101", "seqformer_swin_l", "ifc_r50", "ifc_r101",
    "vistr_r50", "vistr_r101", "masktrack_rcnn_r50", "idol_r50",
]  # fmt: skip


def keys(name):
    return json.loads((GOLDEN / f"{name}.keys.json").read_text())


def expected(name):
    arrays = np.load(GOLDEN / f"{name}.npz")
    return (
        {key: torch.from_numpy(arrays[key]) for key in arrays},
        json.loads((GOLDEN / f"{name}.json").read_text()),
    )


def filled_state(name, *, overrides=True):
    """The content of an official checkpoint's "model" entry, with deterministic values."""
    state = {
        key: torch.from_numpy(np.asarray(fill.tensor(key, shape)))
        for key, shape in keys(name).items()
    }
    if overrides and name.startswith("ifc_"):  # as the JSON names them: some queries are kept
        state["detr.class_embed.layers.1.weight"] *= 6.0
        state["detr.class_embed.layers.1.bias"][-1] += 10.0
    return state


def override(state, overrides):
    """Applies a golden file's `weight_overrides`, in their order, to a filled state."""
    for key, change in overrides.items():
        if change.startswith("multiplied by "):
            state[key] *= float(change.removeprefix("multiplied by "))
        elif " at index " in change:  # "plus 6.892 at index 40 (background) only"
            words = change.split()
            state[key][int(words[4])] += float(words[1])
        elif change.startswith("plus "):
            state[key] += float(change.removeprefix("plus "))
        else:
            assert change.startswith("last entry "), change
            state[key][-1] += float(change.rsplit("increased by ", 1)[1])


def build_on_meta(name):
    """The method of a checkpoint's name, without memory for its weights."""
    method = next(method for method in method_names() if name.startswith(f"{method}_"))
    backbone = name.removeprefix(f"{method}_")
    with torch.device("meta"):
        return build_method(method, num_classes=NUM_CLASSES, backbone=backbone)


def loaded(name):
    method = build_on_meta(name)
    method.load_state_dict(filled_state(name), assign=True)
    return method.eval()


def idol_case(name):
    """IDOL with the weights of one of its golden files, the file's arrays and its facts."""
    arrays, facts = expected(name)
    state = filled_state("idol_r50")
    for key in [key for key in state if ".class_embed." in key]:
        shape = [facts["num_classes"], *state[key].shape[1:]]
        state[key] = torch.from_numpy(fill.tensor(key, shape))
    override(state, facts["weight_overrides"])
    variant = "r50_ovis" if facts["config"].startswith("ovis") else "r50"
    with torch.device("meta"):
        method = build_method("idol", num_classes=facts["num_classes"], variant=variant)
    method.load_state_dict(state, assign=True)
    return method.eval(), arrays, facts


def video(spec, video_id=1):
    frames = fill.frames(spec["t"], spec["h"], spec["w"], spec["seed"])
    return Video(video_id, "golden", spec["h"], spec["w"], list(frames))


def scenes(facts):
    """The video of a golden file whose `frames` are single ones of many clips."""
    height, width = facts["height"], facts["width"]
    frames = [
        fill.frames(place["index"] + 1, height, width, place["seed"])[place["index"]]
        for place in facts["frames"]
    ]
    return Video(1, "golden", height, width, frames)


def network_input(spec):
    """The golden file's frames, normalized: (T, 3, H, W)."""
    frames = torch.from_numpy(fill.frames(spec["t"], spec["h"], spec["w"], spec["seed"]))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return ((frames / 255 - mean) / std).permute(0, 3, 1, 2)


def relative_error(actual, wanted):
    """Largest difference over the largest wanted value."""
    return ((actual - wanted).abs().max() / wanted.abs().max()).item()


def space_time_iou(one, other):
    """Intersection over union of two mask tubes; a missing mask is an empty one."""
    common = union = 0
    for a, b in zip(one, other, strict=True):
        mask_b = decode(b)
        mask_a = decode(a) if a is not None else np.zeros_like(mask_b)
        common += (mask_a & mask_b).sum()
        union += (mask_a | mask_b).sum()
    return common / union
