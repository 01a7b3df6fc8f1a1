"""An online method sees every frame once, in order, and the clip plan changes nothing."""

from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vis_bench.data.frames import LazyFrames
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.inference.clips import clip_windows
from vis_bench.inference.loop import InferencePlan, StoredFrames, predict_clips, track_video
from vis_bench.method import ClipPrediction, FrameFeatures, OnlineMethod


class Counting(OnlineMethod):
    """Track 5 is everywhere; its probability is the mean of the frames' brightness so far."""

    def __init__(self):
        super().__init__()
        self.seen = []
        self.states = []

    def encode_frames(self, frames_T3HW):
        return FrameFeatures({"frames": frames_T3HW}, tuple(frames_T3HW.shape[-2:]))

    def predict_next(self, features, state):
        frames_T3HW = features.maps["frames"]
        self.seen.append(frames_T3HW[:, 0, 0, 0].round().int().tolist())
        self.states.append(state)
        state = state or {"sum": torch.zeros(()), "count": torch.zeros(())}
        state["sum"] += frames_T3HW[:, 1].mean((1, 2)).sum()
        state["count"] += len(features)
        prob_11 = (state["sum"] / state["count"]).view(1, 1)
        masks_1THW = frames_T3HW[None, :, 1] + 1
        return ClipPrediction(prob_11, masks_1THW, track_ids_N=[5]), state


def numbered_frames(count):
    frames_T3HW = torch.zeros(count, 3, 4, 5)
    frames_T3HW[:, 0] = torch.arange(count)[:, None, None]
    frames_T3HW[:, 1] = torch.linspace(0.1, 0.9, count)[:, None, None]
    return frames_T3HW


@given(st.integers(1, 30), st.integers(1, 20), st.data())
@settings(max_examples=60, deadline=None)
def test_every_frame_is_seen_once_and_in_order(num_frames, length, data):
    stride = data.draw(st.integers(1, length))
    clips = clip_windows(num_frames, length, stride)
    method = Counting()
    given_clips = [
        c for c, _ in predict_clips(method, StoredFrames(numbered_frames(num_frames)), clips)
    ]
    assert list(chain.from_iterable(method.seen)) == list(range(num_frames))
    assert [list(range(c.start, c.stop)) for c in given_clips] == method.seen
    assert [c.stop for c in given_clips] == [c.stop for c in clips]
    assert method.states[0] is None
    assert all(state is not None for state in method.states[1:])


def gray_video(length, number=1):
    frames = LazyFrames(length, lambda t: np.full((4, 5, 3), 60 + 10 * t, np.uint8))
    return Video(number, "gray", 4, 5, frames)


def track(method, length=9, clip_length=4, clip_stride=2):
    plan = InferencePlan(clip_length, clip_stride, "native", torch.device("cpu"))
    return track_video(method, gray_video(length), plan, [7])


class Bright(Counting):
    def encode_frames(self, frames_T3HW):
        return super().encode_frames(frames_T3HW.sigmoid())


@pytest.mark.parametrize(("length", "stride"), [(1, 1), (4, 2), (4, 4), (9, 1), ("whole", 1)])
def test_the_clip_plan_changes_nothing(length, stride):
    (one,), (other,) = track(Bright()), track(Bright(), clip_length=length, clip_stride=stride)
    assert one.score == pytest.approx(other.score, abs=1e-6)
    assert one.segmentations == other.segmentations
    assert one.segmentations.num_masks == 9


def test_every_video_starts_anew():
    method = Bright()
    first, second = track(method), track(method)
    assert first == second


class Faulty(Bright):
    def __init__(self, change):
        super().__init__()
        self.change = change

    def predict_next(self, features, state):
        return self.change(*super().predict_next(features, state))


def nameless(prediction, state):
    return ClipPrediction(prediction.class_probs_NK, prediction.mask_logits_NTHW), state


FAULTS = {
    "no state": (lambda p, s: p, "a ClipPrediction; expected a ClipPrediction and the state"),
    "no ids": (nameless, "a prediction without track_ids_N; expected a number for each"),
    "a list": (lambda p, s: (p, [s]), "a state of type list; expected a dict of tensors"),
    "a number": (lambda p, s: (p, {"n": 1}), "a state of type dict; expected a dict of tensors"),
    "nothing": (lambda p, s: (None, s), "a NoneType; expected a ClipPrediction"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_an_online_method_must_not_return(fault):
    change, message = FAULTS[fault]
    with pytest.raises(InputError, match=f"^method Faulty: predict_next returned {message}"):
        track(Faulty(change))
