"""A method that breaks a rule of the interface is named with the rule, and nothing hangs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from vis_bench.contract import check_values
from vis_bench.data.frames import LazyFrames
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.method import ClipPrediction, FrameFeatures, VISMethod

NUM_FRAMES, CLASSES = 10, [7, 9]


class Steady(VISMethod):
    def __init__(self, features=None, prediction=None):
        super().__init__()
        self.change_features = features or (lambda features: features)
        self.change_prediction = prediction or (lambda prediction: prediction)
        self.calls = 0

    def encode_frames(self, frames_T3HW):
        self.calls += 1
        assert self.calls < 100, "endless"
        size_HW = tuple(frames_T3HW.shape[-2:])
        return self.change_features(FrameFeatures({"frames": frames_T3HW}, size_HW))

    def predict_clip(self, features):
        masks_1THW = torch.ones(1, len(features), 4, 5)
        return self.change_prediction(ClipPrediction(torch.full((1, 2), 0.5), masks_1THW))


def track(method, num_frames=NUM_FRAMES):
    frames = LazyFrames(num_frames, lambda t: np.zeros((4, 5, 3), np.uint8))
    plan = InferencePlan("whole", 1, "native", torch.device("cpu"))
    return track_video(method, Video(1, "v", 4, 5, frames), plan, CLASSES)


def no_frames(features):
    return FrameFeatures({"frames": features.maps["frames"][:0]}, features.frame_size_HW)


def no_maps(features):
    features.maps.clear()
    return features


def other_map(features):
    name = "first" if len(features) == 8 else "second"
    return FrameFeatures({name: features.maps["frames"]}, features.frame_size_HW)


FEATURE_FAULTS = {
    "no frames": (no_frames, "features of 0 frames; expected 8"),
    "no maps": (no_maps, "features of 0 frames; expected 8"),
    "one frame less": (lambda f: f.frames(0, len(f) - 1), "features of 7 frames; expected 8"),
    "a tensor": (lambda f: f.maps["frames"], "a Tensor; expected FrameFeatures"),
    "other maps": (other_map, r"maps {'second': \(3, 4, 5\)}; expected {'first': \(3, 4, 5\)}"),
}


@pytest.mark.parametrize("fault", FEATURE_FAULTS)
def test_features_that_break_a_rule(fault):
    change, message = FEATURE_FAULTS[fault]
    with pytest.raises(InputError, match=f"^method Steady: encode_frames returned {message}"):
        track(Steady(features=change))


def edited(**changes):
    def change(prediction):
        values = {
            "class_probs_NK": prediction.class_probs_NK,
            "mask_logits_NTHW": prediction.mask_logits_NTHW,
        }
        return ClipPrediction(**{key: changes.get(key, lambda v: v)(values[key]) for key in values})

    return change


def one_value(value):
    def change(tensor):
        tensor = tensor.clone()
        tensor.view(-1)[-1] = value
        return tensor

    return change


NOT_FINITE = "mask_logits_NTHW with NaN or infinity; expected finite logits"
PREDICTION_FAULTS = {
    "None": (lambda p: None, "a NoneType; expected a ClipPrediction"),
    "frames": (edited(mask_logits_NTHW=lambda m: m[:, 1:]), "masks of 9 frames; expected 10"),
    "booleans": (edited(mask_logits_NTHW=lambda m: m > 0), "mask_logits_NTHW of torch.bool"),
    "classes": (edited(class_probs_NK=lambda p: p[:, :1]), "1 classes; expected 2"),
    "above 1": (edited(class_probs_NK=one_value(1.5)), "class_probs_NK from 0.5 to 1.5; expected"),
    "below 0": (edited(class_probs_NK=one_value(-1.0)), "class_probs_NK from -1 to 0.5; expected"),
    "nan": (edited(class_probs_NK=one_value(float("nan"))), "class_probs_NK from nan to nan"),
    "mask nan": (edited(mask_logits_NTHW=one_value(float("nan"))), NOT_FINITE),
    "mask inf": (edited(mask_logits_NTHW=one_value(float("-inf"))), NOT_FINITE),
}


@pytest.mark.parametrize("fault", PREDICTION_FAULTS)
def test_predictions_that_break_a_rule(fault):
    change, message = PREDICTION_FAULTS[fault]
    with pytest.raises(InputError, match=f"^method Steady: predict_clip returned {message}"):
        track(Steady(prediction=change))


SOUND = {
    "nothing changed": edited(),
    "no instances": edited(class_probs_NK=lambda p: p[:0], mask_logits_NTHW=lambda m: m[:0]),
    "rounded above 1": edited(class_probs_NK=one_value(1.000001)),
    "sums beyond the largest number": edited(mask_logits_NTHW=lambda m: m * 3e38),
    "half precision": edited(mask_logits_NTHW=lambda m: (m * 6e4).half()),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_predictions_pass(name):
    tracks = track(Steady(prediction=SOUND[name]))
    assert len(tracks) == (0 if name == "no instances" else 2)


def test_the_registered_name_is_used_where_there_is_one():
    method = Steady(prediction=edited(class_probs_NK=lambda p: p[:, :1]))
    method.remember_build("steady_name", {})
    with pytest.raises(InputError, match=r"^method steady_name: predict_clip returned 1 classes"):
        track(method)


class Tally(TorchDispatchMode):
    """Bytes that operators read and write, and how often values reach the host."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        result = op(*args, **(kwargs or {}))
        if not op.is_view:
            tensors = [t for t in (*args, result) if isinstance(t, torch.Tensor)]
            self.bytes += sum(t.numel() * t.element_size() for t in tensors)
        return result


def test_the_checks_read_the_masks_once():
    prediction = ClipPrediction(torch.rand(20, 40), torch.randn(20, 5, 90, 160))
    with Tally() as tally:
        checked = check_values(Steady(), prediction, 40)
    masks = prediction.mask_logits_NTHW.nbytes
    assert masks <= tally.bytes < 1.02 * masks
    assert torch.equal(checked.class_probs_NK, prediction.class_probs_NK)
    assert checked.mask_logits_NTHW is prediction.mask_logits_NTHW


def test_a_clip_method_does_not_name_tracks():
    def named(prediction):
        return replace(prediction, track_ids_N=[1])

    message = "predict_clip returned track_ids_N; expected none from a method that is not an Online"
    with pytest.raises(InputError, match=f"^method Steady: {message}"):
        track(Steady(prediction=named))
