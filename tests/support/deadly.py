"""`color_key`, but for videos that end the process that infers them."""

import os
import signal
from dataclasses import replace
from pathlib import Path

from methods.color_key import ColorKey
from vis_bench.inference.loop import ENCODE_FRAMES
from vis_bench.inference.preprocess import to_input


class Deadly(ColorKey):
    """Ends its process for the video of mark `poison`, unless the file `once` exists.

    `shift` is added to its masks.
    """

    def __init__(self, num_classes, poison=None, once=None, shift=0):
        super().__init__(num_classes)
        self.weights_source = "a test"  # so that records say which videos it was trained on
        self.poison = poison
        self.once = once
        self.shift = shift

    def encode_frames(self, frames_T3HW):
        if self.poison is not None and abs(float(frames_T3HW.mean()) - self.poison) < 1e-6:
            self._strike()
        return super().encode_frames(frames_T3HW)

    def predict_clip(self, features):
        found = super().predict_clip(features)
        masks = found.mask_logits_NTHW.float() + self.shift
        return replace(found, mask_logits_NTHW=masks) if self.shift else found

    def _strike(self):
        if self.once is not None:
            try:
                Path(self.once).touch(exist_ok=False)
            except FileExistsError:
                return
        os.kill(os.getpid(), signal.SIGKILL)


def mark_of(video):
    """Mean of the video's first chunk of frames, as the network gets them."""
    frames = [video.frames[t] for t in range(min(ENCODE_FRAMES, video.length))]
    return float(to_input(frames, ColorKey.input_format).mean())


def build(name, *, num_classes, **options):
    """Stands for `methods.build_method`."""
    return Deadly(num_classes, **options)
