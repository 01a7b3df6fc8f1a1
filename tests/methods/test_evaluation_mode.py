"""Methods and the modules that they hide are in evaluation mode, or the contract is broken."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from vis_bench.contract import check_contract
from vis_bench.errors import InputError
from vis_bench.evaluation_mode import put_in_evaluation
from vis_bench.method import ClipPrediction, FrameFeatures, OnlineMethod, VISMethod
from vis_bench.runs.build import GuardedMethod
from vis_bench.video_method import TrackPrediction, VideoMethod


class Stubborn(nn.Dropout):
    """Refuses every usual way out of training mode."""

    def train(self, mode=True):
        raise NotImplementedError

    def eval(self):
        return self


class Frozen(nn.Dropout):
    training = property(lambda self: True, lambda self, mode: None)


class Slots:
    __slots__ = ("part",)

    def __init__(self, part):
        self.part = part


GLOBAL, IN_CLASS = nn.Dropout(), nn.Dropout()


def closure(part):
    return lambda: part


# Attributes that hide a module, and are no modules.
HIDING = {
    "list": lambda part: [part],
    "dict of tuples": lambda part: {"parts": ({"inner": part},)},
    "closure": closure,
    "closure in a partial": lambda part: partial(closure(part), 1),
    "bound method": lambda part: part.forward,
    "object": lambda part: SimpleNamespace(inner=SimpleNamespace(part=part)),
    "slots": Slots,
    "default": lambda part: lambda x, part=part: part(x),
}


class Clips(VISMethod):
    """Each frame is a map, of which `part` makes mask logits."""

    shared = [IN_CLASS]

    def __init__(self, part=None, hide=None):
        super().__init__()
        self.hidden = part if hide is None else hide(part)
        self.part = closure(part)

    def prepare_for_inference(self):
        """Forget to call `eval`."""

    def encode_frames(self, frames_T3HW):
        return FrameFeatures({"maps": frames_T3HW[:, :1]}, tuple(frames_T3HW.shape[-2:]))

    def predict_clip(self, features):
        logits_T1HW = self.part()(features.maps["maps"])
        return ClipPrediction(logits_T1HW.new_full((1, 2), 0.5), logits_T1HW.transpose(0, 1))


class Online(OnlineMethod, Clips):
    def predict_next(self, features, state):
        """Use the part from the second clip on."""
        maps = features.maps["maps"]
        logits_T1HW = torch.cat([self.part()(own[None]) for own in maps])
        probs = logits_T1HW.new_full((1, 2), 0.5)
        return ClipPrediction(probs, logits_T1HW.transpose(0, 1), track_ids_N=[0]), {"seen": probs}


class Whole(VideoMethod):
    def __init__(self, part):
        super().__init__()
        self.part = closure(part)

    def predict_video(self, frames, video, mark):
        values_THW = torch.stack([torch.as_tensor(frame).float().mean(-1) for frame in frames])
        logits = self.part()(values_THW[:, None])[:, 0]
        masks = nn.functional.interpolate(logits[None], (video.height, video.width))[0] > 0
        yield TrackPrediction(0, 0.5, masks)


@pytest.mark.parametrize("name", HIDING)
def test_hidden_modules_are_put_in_evaluation(name):
    part = nn.Sequential(nn.Dropout(), Stubborn())
    put_in_evaluation(Clips(part, HIDING[name]))
    assert not any(module.training for module in part.modules())


@pytest.mark.parametrize("overridden", ["train", "eval"])
def test_a_method_is_put_in_evaluation_whatever_it_overrides(overridden):
    method = Clips(nn.Dropout())
    method.__class__ = type("Own", (Clips,), {overridden: lambda self, *mode: self})
    for _ in range(2):  # before each use
        method.training = GLOBAL.training = IN_CLASS.training = True
        with GuardedMethod(method).calling():
            assert not any((method.training, GLOBAL.training, IN_CLASS.training))


def test_a_module_that_stays_in_training_mode_is_refused():
    with pytest.raises(InputError, match="Frozen"):
        put_in_evaluation(Clips(Frozen(), lambda part: [part]))


@pytest.mark.parametrize("kind", [Clips, Online, Whole])
@pytest.mark.parametrize("part", [lambda: nn.BatchNorm2d(1), lambda: nn.Dropout(0.5)])
def test_the_contract_fails_where_outputs_depend_on_training_mode(kind, part):
    """In batch statistics nothing is random."""
    with pytest.raises(AssertionError):
        check_contract(kind(part()), 2)
    method = kind(part())
    put_in_evaluation(method)
    check_contract(method, 2)


def test_a_part_that_switches_its_mode_breaks_the_contract():
    class Switching(Clips):
        def predict_clip(self, features):
            self.part().train()
            return super().predict_clip(features)

    norm = nn.BatchNorm2d(1, momentum=0.0).eval()
    with pytest.raises(AssertionError, match="evaluation mode"):
        check_contract(Switching(norm), 2)
