"""The small SAM 3 Video models of the tests, their cases and how they are run."""

import json

import numpy as np
import torch

import fill
from methods import build_method
from paths import GOLDEN
from vis_bench.inference.preprocess import resize_frame, to_input
from vis_bench.video_method import VideoInfo

ARRAYS = np.load(GOLDEN / "sam3_video_tiny.npz")
FILE = json.loads((GOLDEN / "sam3_video_tiny.json").read_text())
CASES = FILE["cases"]
CPU = torch.device("cpu")
NAMES = ["giant_panda", "Dog", "cat"]


def fill_weights(model):
    """The golden's weights."""
    state = {key: fill.tensor(key, tuple(t.shape)) for key, t in model.state_dict().items()}
    state = {key: torch.from_numpy(np.asarray(value)) for key, value in state.items()}
    for key, how, number in FILE["weight_overrides"]:
        state[key] = state[key] + number if how == "plus" else state[key] * number
    model.load_state_dict(state)
    return model.eval()


def named(name):
    return [prompt.replace(" ", "_") for prompt in CASES[name]["prompts"]]


def loaded(name, **options):
    options = {"mode": CASES[name]["mode"], "config": CASES[name]["config"], **options}
    method = build_method("sam3_video", num_classes=len(named(name)), **options)
    fill_weights(method.model)
    method.take_categories(named(name))
    method.prepare_for_inference()
    return method


def frames_of(case):
    return fill.frames(case["num_frames"], case["height"], case["width"], case["seed"])


def predicted(method, case, frames=None, asked=None):
    """Category, score and masks of each object."""
    frames = frames_of(case) if frames is None else frames
    if method.online:
        return streamed(method, case, frames, asked)
    video = VideoInfo(1, "golden", case["height"], case["width"], len(frames), asked)
    with torch.inference_mode():
        tracks = list(method.predict_video(frames, video, lambda name: None))
    return {t.track_id: (t.category, t.score, list(t.masks)) for t in tracks}


def streamed(method, case, frames, asked=None, clip_length=1):
    """As `predicted`, of clips."""
    method.begin_video(case["height"], case["width"], asked)
    found, state = {}, None
    side = (method.resolved_options["image_size"],) * 2
    for start in range(0, len(frames), clip_length):
        resized = [resize_frame(frame, side) for frame in frames[start : start + clip_length]]
        with torch.inference_mode():
            features = method.encode_frames(to_input(resized, method.input_format, CPU))
            prediction, state = method.predict_next(features, state)
        assert prediction.binary
        rows = prediction.class_probs_NK, prediction.mask_logits_NTHW.numpy()
        for number, probs_K, masks_THW in zip(prediction.track_ids_N, *rows, strict=True):
            assert (probs_K > 0).sum() == 1
            score, category = (value.item() for value in probs_K.max(0))
            *held, masks = found.setdefault(number, (category, score, [None] * len(frames)))
            assert held == [category, score]
            masks[start : start + len(masks_THW)] = [m if m.any() else None for m in masks_THW]
    return dict(sorted(found.items()))


def mini(device="meta", **options):
    """Without values where none are computed."""
    with torch.device(device):
        return build_method("sam3_video", num_classes=len(NAMES), variant="mini", **options)


def assert_equal(found, other):
    assert found.keys() == other.keys()
    for number, (category, score, masks) in found.items():
        assert (category, score) == other[number][:2]
        for one, two in zip(masks, other[number][2], strict=True):
            assert (one is None) == (two is None)
            assert one is None or np.array_equal(one, two)


def spied(model, name):
    """The list to which each call of a model's step will add what it returns."""
    found, step = [], getattr(model, name)

    def spy(*args, **kwargs):
        found.append(step(*args, **kwargs))
        return found[-1]

    setattr(model, name, spy)
    return found
