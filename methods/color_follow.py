"""Follows each class of the plain synthetic videos by its color: the worked example of an online
method.

There is nothing to train. A track per class starts with the class's color; in every frame its
pixels are those nearest to the color that it had in the frame before, so that it follows an object
whose color drifts away from where it began.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vis_bench.data.synthetic import plain_color
from vis_bench.method import ClipPrediction, FrameFeatures, OnlineMethod, State, TrackingRule

# Largest distance of a pixel from its track's last color, between normalized pixels.
TOLERANCE = 1.0


class ColorFollow(OnlineMethod):
    """One track per class, numbered like the class, with probability 0 until its color is seen."""

    tracking_rule = TrackingRule(min_score=0.01)

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        mean_3, std_3 = (torch.tensor(x) for x in (self.input_format.mean, self.input_format.std))
        colors_K3 = torch.tensor([plain_color(1 + k) for k in range(num_classes)]) / 255
        self.register_buffer("colors_K3", (colors_K3 - mean_3) / std_3, persistent=False)

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """The frames themselves; tracks' colors are known only frame after frame."""
        return FrameFeatures({"frames": frames_T3HW}, tuple(frames_T3HW.shape[-2:]))

    def predict_next(
        self, features: FrameFeatures, state: State | None
    ) -> tuple[ClipPrediction, State]:
        """Find each track's pixels frame by frame, and update its color from them."""
        zeros_K = self.colors_K3.new_zeros(len(self.colors_K3))
        state = state or {"color_K3": self.colors_K3, "nearness_K": zeros_K, "area_K": zeros_K}
        masks = []
        for pixels_3HW in features.maps["frames"]:
            nearness_KHW = _nearness(pixels_3HW, state["color_K3"])
            state = _updated(state, pixels_3HW, nearness_KHW)
            masks.append(nearness_KHW)
        # Nearness averaged over all pixels that the track has had so far.
        score_K = state["nearness_K"] / state["area_K"].clamp(min=1)
        ids = range(len(score_K))
        return ClipPrediction(torch.diag(score_K), torch.stack(masks, 1), track_ids_N=ids), state


def _nearness(pixels_3HW: Tensor, color_K3: Tensor) -> Tensor:
    """Nearness (K, H, W) of pixels to tracks' colors; positive within the tolerance, and only for
    the nearest track.
    """
    distance_KHW = (pixels_3HW - color_K3[:, :, None, None]).square().sum(1).sqrt()
    nearest_HW = distance_KHW.amin(0)
    nearness_KHW = 1 - distance_KHW / TOLERANCE
    return nearness_KHW.where(distance_KHW == nearest_HW, nearness_KHW.clamp(max=0))


def _updated(state: State, pixels_3HW: Tensor, nearness_KHW: Tensor) -> State:
    inside_KHW = (nearness_KHW > 0).float()
    area_K = inside_KHW.flatten(1).sum(1)
    sum_K3 = inside_KHW.flatten(1) @ pixels_3HW.flatten(1).T
    seen_K1 = area_K[:, None] > 0
    return {
        "color_K3": torch.where(seen_K1, sum_K3 / area_K.clamp(min=1)[:, None], state["color_K3"]),
        "nearness_K": state["nearness_K"] + (nearness_KHW * inside_KHW).flatten(1).sum(1),
        "area_K": state["area_K"] + area_K,
    }


def build(*, num_classes: int) -> OnlineMethod:
    """The method for the classes of the synthetic data; it has no options and no weights."""
    return ColorFollow(num_classes)
