"""Finds each class of the plain synthetic videos by its color: the worked example of a method.

There is nothing to train. In the plain variant of the synthetic data every class has one color
and no video shows a class twice, so the pixels of a color are the instance. On the full synthetic
set it shows what color alone is worth.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vis_bench.data.synthetic import plain_color
from vis_bench.method import ClipPrediction, FrameFeatures, TrackingRule, VISMethod

# Largest distance of a pixel from its class's color, in RGB with 0..255 per channel.
TOLERANCE = 60.0


class ColorKey(VISMethod):
    """One instance per class whose color appears in the clip."""

    tracking_rule = TrackingRule(min_score=0.01)

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        colors = torch.tensor([plain_color(1 + k) for k in range(num_classes)]).float()
        mean, std = torch.tensor(self.input_format.mean), torch.tensor(self.input_format.std)
        self.register_buffer("colors_K311", colors[:, :, None, None], persistent=False)
        self.register_buffer("mean_311", mean[:, None, None], persistent=False)
        self.register_buffer("std_311", std[:, None, None], persistent=False)

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """Map `nearness` (T, K, H, W) to the classes' colors; positive within the tolerance."""
        pixels_T3HW = 255 * (frames_T3HW * self.std_311 + self.mean_311)
        distance_TKHW = (pixels_T3HW[:, None] - self.colors_K311).square().sum(2).sqrt()
        nearness_TKHW = 1 - distance_TKHW / TOLERANCE
        return FrameFeatures({"nearness": nearness_TKHW}, tuple(frames_T3HW.shape[-2:]))

    def predict_clip(self, features: FrameFeatures) -> ClipPrediction:
        """Predict the classes whose color is in the clip, scored by their pixels' nearness."""
        nearness_KTHW = features.maps["nearness"].transpose(0, 1)
        inside_KTHW = nearness_KTHW > 0
        area_K = inside_KTHW.flatten(1).sum(1)
        nearness_K = (nearness_KTHW * inside_KTHW).flatten(1).sum(1) / area_K.clamp(min=1)
        seen = area_K > 0
        return ClipPrediction(torch.diag(nearness_K)[seen], nearness_KTHW[seen])


def build(*, num_classes: int) -> VISMethod:
    """The method for the classes of the synthetic data; it has no options and no weights."""
    return ColorKey(num_classes)
