"""MaskTrack R-CNN on the frames of a golden file, with its weights."""

from dataclasses import replace

import numpy as np
import torch

import fill
from official_weights import build_on_meta, expected, filled_state, override
from vis_bench.data.video import Video
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.inference.preprocess import input_size, resize_frame, to_input
from vis_bench.masks.rle import RLE, decode

CATEGORIES = range(1, 41)


class Golden:
    """A golden file with the method that has its weights."""

    def __init__(self, case):
        self.arrays, self.facts = expected(f"masktrack_rcnn_r50_{case}")
        self.method = build_on_meta("masktrack_rcnn_r50")
        self.method.load_state_dict(self.state(), assign=True)
        self.method.prepare_for_inference()
        long, self.short = self.facts["resize_scale"]
        self.size_HW = self.facts["height"], self.facts["width"]
        self.method.input_format = replace(self.method.input_format, max_long_side=long)
        self.frames = [
            fill.frames(frame["index"] + 1, *self.size_HW, frame["seed"])[frame["index"]]
            for frame in self.facts["frames"]
        ]

    def state(self):
        """The weights, under MMDetection's names."""
        state = filled_state("masktrack_rcnn_r50")
        override(state, self.facts["weight_overrides"])
        return state

    def network_input(self, start=0, stop=None):
        form = self.method.input_format
        size_HW = input_size(*self.size_HW, self.short, form)
        assert size_HW == tuple(self.facts["resized"])
        frames = [resize_frame(f, size_HW, form.library) for f in self.frames[start:stop]]
        return to_input(frames, form)

    def tracks(self, length, method=None, **arithmetic):
        """Those of the golden's method, or of another one with its weights."""
        plan = InferencePlan(length, 1, self.short, torch.device("cpu"), **arithmetic)
        video = Video(1, "golden", *self.size_HW, self.frames)
        return track_video(method or self.method, video, plan, CATEGORIES)


def mask(code, size_HW):
    if code is None:
        return np.zeros(size_HW, bool)
    return decode(RLE(**code) if isinstance(code, dict) else code)


def overlaps(tracks, predictions, size_HW):
    """IoU of the masks of each pair of tracks in each frame; 1 where both are empty."""
    found = []
    for track, prediction in zip(tracks, predictions, strict=True):
        for codes in zip(track.segmentations, prediction["segmentations"], strict=True):
            one, other = (mask(code, size_HW) for code in codes)
            union = (one | other).sum()
            found.append((one & other).sum() / union if union else 1.0)
    return np.array(found)
