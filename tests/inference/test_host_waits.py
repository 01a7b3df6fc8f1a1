"""How often the host waits for the device: per clip a few times, whatever the video holds.

On a machine without a GPU a stand-in counts; on one with a GPU PyTorch itself does.
"""

import warnings

import numpy as np
import pytest
import torch

from methods import build_method
from stand_in_device import OnDevice, StandInDevice
from vis_bench.contract import check_values
from vis_bench.data.video import Video
from vis_bench.inference.clips import clip_windows
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.inference.preprocess import to_input
from vis_bench.inference.tracker import ClipTracker
from vis_bench.method import ClipPrediction, InputFormat, TrackingRule

NUM_FRAMES, K, H, W = 9, 3, 12, 16
CATEGORIES = [1, 2, 3]
# Reading the probabilities (with the check of all values), matching, and the masks' changes, for
# which the host waits twice: for their number and for the places.
READ, MATCH, MASKS = 1, 1, 2


def predictions(clips, num_instances=4):
    random = torch.Generator().manual_seed(0)
    return [
        ClipPrediction(
            torch.rand(num_instances, K, generator=random),
            torch.randn(num_instances, len(clip), H, W, generator=random),
        )
        for clip in clips
    ]


def tracked(clips, clip_predictions, after_clip=lambda: None):
    tracker = ClipTracker(TrackingRule(), NUM_FRAMES, 2 * H, 2 * W)
    starts = [*(clip.start for clip in clips[1:]), NUM_FRAMES]
    for clip, prediction, next_start in zip(clips, clip_predictions, starts, strict=True):
        tracker.update(clip, check_values(build_method("color_key", num_classes=K), prediction))
        tracker.close_frames(next_start)
        after_clip()
    return tracker.tracks(1, CATEGORIES)


@pytest.mark.parametrize(("length", "stride"), [(5, 1), (4, 2), (3, 3)])
def test_the_tracker_waits_as_often_whatever_clips_share(length, stride):
    clips = clip_windows(NUM_FRAMES, length, stride)
    given = predictions(clips)
    expected = tracked(clips, given)
    marks = [0]
    with StandInDevice() as device:
        there = [
            ClipPrediction(OnDevice(p.class_probs_NK), OnDevice(p.mask_logits_NTHW)) for p in given
        ]
        found = tracked(clips, there, lambda: marks.append(len(device.waits)))
    assert found == expected
    assert found
    overlaps = MATCH if length > stride else 0
    assert np.diff(marks).max() == READ + overlaps + MASKS


def test_frames_go_to_the_device_without_waiting():
    frames = [np.full((4, 6, 3), n, np.uint8) for n in range(3)]
    with StandInDevice() as device:
        found = to_input(frames, InputFormat(channel_order="BGR"), "cuda:0").held
    assert device.waits == []
    assert torch.equal(found, to_input(frames, InputFormat(channel_order="BGR")))


def moving_square(num_frames=NUM_FRAMES):
    frames = np.full((num_frames, 48, 64, 3), 90, np.uint8)
    for t in range(num_frames):
        frames[t, 10:30, 4 + 4 * t : 24 + 4 * t] = (230, 25, 75)
    return Video(1, "square", 48, 64, list(frames))


# A clip's waits beyond those of the tracker are the method's own; each has a reason.
METHODS = {
    # Which colors are in the clip: two indices of booleans.
    "color_key": ({}, READ + MATCH + MASKS + 2),
    # Masks wait for the end of the video, where only those of emitted tracks are encoded.
    "color_follow": ({}, READ),
    # Which queries are objects.
    "ifc": ({"variant": "mini"}, READ + MATCH + MASKS + 1),
}


def run(method, device, after_clip=lambda: None):
    plan = InferencePlan(4, 1, "native", torch.device(device))
    return track_video(method, moving_square(), plan, CATEGORIES, after_clip=after_clip)


@pytest.mark.parametrize("name", METHODS)
def test_a_whole_method_waits_a_few_times_for_each_clip(name):
    options, limit = METHODS[name]
    torch.manual_seed(0)
    method = build_method(name, num_classes=K, **options)
    method.prepare_for_inference()
    expected = run(method, "cpu")
    marks = [0]
    with StandInDevice() as device:
        device.move(method)
        found = run(method, "cuda:0", lambda: marks.append(len(device.waits)))
    assert len(found) == len(expected) > 0
    if name.startswith("color"):  # the others' attention runs on another kernel there
        assert found == expected
    assert max(np.diff(marks)) <= limit


def test_tensors_on_different_devices_do_not_meet():
    with StandInDevice(), pytest.raises(RuntimeError, match="on the same device"):
        torch.ones(2, device="cuda") + torch.ones(2)


@pytest.mark.gpu
@pytest.mark.parametrize("name", METHODS)
def test_pytorch_counts_no_more_waits_on_a_gpu(name):
    options, limit = METHODS[name]
    torch.manual_seed(0)
    method = build_method(name, num_classes=K, **options).cuda()
    method.prepare_for_inference()
    run(method, "cuda")  # builds kernels and fills caches
    clips = len(clip_windows(NUM_FRAMES, 4, 1))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            run(method, "cuda")
        finally:
            torch.cuda.set_sync_debug_mode("default")
    waits = [w for w in caught if "synchronizing CUDA operation" in str(w.message)]
    # An online method's masks are encoded at the end of the video, clip by clip.
    assert len(waits) <= clips * limit + MASKS * (clips if method.online else 1)
