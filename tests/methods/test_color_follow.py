"""The worked example of an online method: where following a color works, and the loop around it."""

import numpy as np
import torch

from methods import build_method
from vis_bench.data.datasets import load_dataset
from vis_bench.data.frames import LazyFrames
from vis_bench.data.results_file import Results
from vis_bench.data.synthetic import plain_color
from vis_bench.data.video import Video
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.masks.rle import decode
from vis_bench.metrics.ap import evaluate

NUM_FRAMES = 12


def drifting_video():
    """A square of the first class's color, which gets 25 brighter or darker from frame to frame."""
    color = np.array(plain_color(1), float)
    step = 25 * np.where(color < 128, 1, -1) / np.sqrt(3)

    def load(t):
        frame_HW3 = np.full((20, 30, 3), 255 if color.sum() < 380 else 0, np.uint8)
        frame_HW3[5:12, t + 2 : t + 9] = np.clip(color + step * t, 0, 255).round()
        return frame_HW3

    return Video(1, "drift", 20, 30, LazyFrames(NUM_FRAMES, load))


def track(name, video, clip_length=1, clip_stride=1, num_classes=6):
    plan = InferencePlan(clip_length, clip_stride, "native", torch.device("cpu"))
    method = build_method(name, num_classes=num_classes)
    return track_video(method, video, plan, range(1, num_classes + 1))


def test_follows_a_color_that_drifts_away():
    (found,) = track("color_follow", drifting_video(), num_classes=1)
    for t, rle in enumerate(found.segmentations):
        wanted = np.zeros((20, 30), bool)
        wanted[5:12, t + 2 : t + 9] = True
        np.testing.assert_array_equal(decode(rle), wanted)


def test_a_fixed_color_loses_it():
    (found,) = track("color_key", drifting_video(), "whole", num_classes=1)
    assert 0 < found.segmentations.num_masks < NUM_FRAMES / 2


def test_ap_on_the_plain_set():
    dataset = load_dataset("synthetic", "val", plain=True)
    videos = dataset.videos[:3]
    tracks = [t for video in videos for t in track("color_follow", video)]
    assert evaluate(dataset.ground_truth(videos), Results.of(tracks)).summary()["ap"] > 0.9
