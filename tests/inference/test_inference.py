"""The loop over one video, for clip methods and online ones: each frame is encoded once."""

from dataclasses import replace
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
from vis_bench.inference.loop import (
    ENCODE_FRAMES,
    InferencePlan,
    StoredFrames,
    predict_clips,
    track_video,
)
from vis_bench.inference.stages import StageClock
from vis_bench.measures.speed.settings import STAGE_NAMES
from vis_bench.method import ClipPrediction, FrameFeatures, OnlineMethod, VISMethod


class Probe(VISMethod):
    """Passes frames through and records the numbers of those that it is given."""

    def __init__(self):
        super().__init__()
        self.encoded: list[int] = []
        self.clips: list[list[int]] = []

    def encode_frames(self, frames_T3HW):
        numbers = frames_T3HW[:, 0, 0, 0].round().int().tolist()
        assert len(numbers) <= ENCODE_FRAMES
        self.encoded += numbers
        return FrameFeatures({"frames": frames_T3HW}, tuple(frames_T3HW.shape[-2:]))

    def predict_clip(self, features):
        frames_T3HW = features.maps["frames"]
        self.clips.append(frames_T3HW[:, 0, 0, 0].round().int().tolist())
        return ClipPrediction(torch.ones(1, 2), frames_T3HW[None, :, 1])


def numbered_frames(count):
    """Channel 0 holds the frame's number, channel 1 a brightness."""
    frames_T3HW = torch.zeros(count, 3, 4, 5)
    frames_T3HW[:, 0] = torch.arange(count)[:, None, None]
    frames_T3HW[:, 1] = torch.linspace(0.1, 0.9, count)[:, None, None]
    return frames_T3HW


@given(st.integers(1, 40), st.integers(1, 30), st.data())
@settings(max_examples=60, deadline=None)
def test_each_frame_is_encoded_once_and_each_clip_gets_its_frames(num_frames, length, data):
    stride = data.draw(st.integers(1, length))
    clips = clip_windows(num_frames, length, stride)
    probe = Probe()
    inputs = StoredFrames(numbered_frames(num_frames))
    seen = [clip for clip, _ in predict_clips(probe, inputs, clips)]
    assert seen == clips
    assert probe.encoded == list(range(num_frames))
    assert probe.clips == [list(range(c.start, c.stop)) for c in clips]


def test_only_the_frames_of_a_clip_are_held():
    num_frames, length = 60, 6
    most = 0

    class Watched(Probe):
        def predict_clip(self, features):
            nonlocal most
            most = max(most, features.maps["frames"].shape[0])
            return super().predict_clip(features)

    clips = clip_windows(num_frames, length, 2)
    for _ in predict_clips(Watched(), StoredFrames(numbered_frames(num_frames)), clips):
        pass
    assert most == length


def gray_video(length):
    frames = LazyFrames(length, lambda t: np.full((12, 16, 3), 200 + 5 * t, np.uint8))
    return Video(5, "gray", 12, 16, frames)


def plan(clip_length=4, clip_stride=2, resolution="native"):
    return InferencePlan(clip_length, clip_stride, resolution, torch.device("cpu"))


@pytest.mark.parametrize("length", [1, 3, 4, 9])
def test_tracks_have_the_videos_length_and_size(length):
    tracks = track_video(Probe(), gray_video(length), plan(), [7, 9])
    assert {(t.video_id, t.category_id) for t in tracks} == {(5, 7), (5, 9)}
    for track in tracks:
        assert [rle["size"] for rle in track.segmentations] == [[12, 16]] * length


def test_frames_are_resized_by_the_methods_rule():
    shapes = []

    class Sized(Probe):
        def encode_frames(self, frames_T3HW):
            shapes.append(tuple(frames_T3HW.shape))
            return super().encode_frames(frames_T3HW)

    track_video(Sized(), gray_video(2), plan(resolution=6), [1, 2])
    assert shapes == [(2, 3, 6, 8)]


def test_every_stage_is_timed():
    clock = StageClock()
    track_video(Probe(), gray_video(9), plan(), [1, 2], clock)
    assert set(clock.seconds) >= set(STAGE_NAMES)
    assert all(seconds > 0 for seconds in clock.seconds.values())


def test_no_gradients_are_kept():
    class Learns(Probe):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(()))

        def predict_clip(self, features):
            prediction = super().predict_clip(features)
            masks = prediction.mask_logits_NTHW * self.weight
            assert not masks.requires_grad
            return ClipPrediction(prediction.class_probs_NK, masks)

    assert track_video(Learns(), gray_video(3), plan(), [1, 2])


def test_reduced_precision_runs_under_autocast():
    class Multiplies(Probe):
        def predict_clip(self, features):
            assert torch.mm(torch.ones(2, 2), torch.ones(2, 2)).dtype == torch.bfloat16
            return super().predict_clip(features)

    reduced = InferencePlan(4, 2, "native", torch.device("cpu"), "bfloat16")
    assert track_video(Multiplies(), gray_video(3), reduced, [1, 2])


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


@pytest.mark.parametrize(("kind", "category_ids"), [(Probe, [1, 2]), (Counting, [1])])
def test_predictions_may_share_memory_with_those_of_the_next_clip(kind, category_ids):
    threshold = 2.95 if kind is Counting else 1.95  # of frame 6

    class Reuses(kind):
        memory: tuple = ()

        def predict_next(self, features, state):
            prediction, state = super().predict_next(features, state)
            new = prediction.class_probs_NK / 3, prediction.mask_logits_NTHW - threshold
            if not self.memory or self.memory[1].shape != new[1].shape:
                self.memory = tuple(map(torch.empty_like, new))
            probs_NK, logits_NTHW = (o.copy_(n) for o, n in zip(self.memory, new, strict=True))
            return replace(prediction, class_probs_NK=probs_NK, mask_logits_NTHW=logits_NTHW), state

    class Fresh(Reuses):
        def predict_next(self, features, state):
            self.memory = ()
            return super().predict_next(features, state)

    reused, fresh = (track_video(m(), gray_video(9), plan(), category_ids) for m in (Reuses, Fresh))
    assert fresh
    assert reused == fresh


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


def track_online(method, clip_length=4, clip_stride=2):
    return track_video(method, gray_video(9), plan(clip_length, clip_stride), [7])


class Bright(Counting):
    def encode_frames(self, frames_T3HW):
        return super().encode_frames(frames_T3HW.sigmoid())


@pytest.mark.parametrize(("length", "stride"), [(1, 1), (4, 2), (4, 4), (9, 1), ("whole", 1)])
def test_the_clip_plan_changes_nothing(length, stride):
    (one,), (other,) = track_online(Bright()), track_online(Bright(), length, stride)
    assert one.score == pytest.approx(other.score, abs=1e-6)
    assert one.segmentations == other.segmentations
    assert one.segmentations.num_masks == 9


def test_every_video_starts_anew():
    method = Bright()
    first, second = track_online(method), track_online(method)
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
        track_online(Faulty(change))
