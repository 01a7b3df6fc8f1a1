"""MS-STS's auxiliary discriminator (Thawakar et al., ECCV 2022, section 3.3): training only.

It sees frames, encoder features and a mask, and says for each place whether the mask is a ground
truth's ("real") or a prediction ("fake"); the method learns to be taken for real. A reconstruction:
the paper names the inputs and the aim; widths, depth and weights are this project's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

LEAK = 0.2
FRAME_CHANNELS = 3
MASK_CHANNELS = 1


class Discriminator(nn.Module):
    """Convolutions of stride 2 on a stride-8 grid down to a patch of logits.

    Args:
        width: channels of the encoder's features.
        hidden: channels of the first convolution; the second has twice as many.
    """

    def __init__(self, width: int, hidden: int = 64) -> None:
        super().__init__()
        inputs = FRAME_CHANNELS + width + MASK_CHANNELS
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, hidden, 3, stride=2, padding=1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(hidden, 2 * hidden, 3, stride=2, padding=1),
            ChannelNorm(2 * hidden),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(2 * hidden, 1, 3, padding=1),
        )

    def forward(self, frames_N3HW: Tensor, features_NCHW: Tensor, masks_N1HW: Tensor) -> Tensor:
        """Logits (N, 1, h, w) of "real"; all inputs on the features' grid, masks in 0..1."""
        return self.layers(torch.cat([frames_N3HW, features_NCHW, masks_N1HW], 1))


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of a map (N, C, H, W)."""

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """Keeps the shape."""
        return super().forward(maps_NCHW.movedim(1, -1)).movedim(-1, 1)


def adversarial_losses(
    discriminator: Discriminator, frames_T3HW: Tensor, features_TCHW: Tensor,
    predicted_MTHW: Tensor, wanted_MTHW: Tensor,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The losses of the method and of the discriminator.

    The method's term moves the method only, the discriminator's the discriminator only.

    Args:
        frames_T3HW: as the network got them.
        features_TCHW: the encoder's finest map.
        predicted_MTHW: mask probabilities of the matched queries.
        wanted_MTHW: their targets.

    Returns:
        How far predictions are from being taken for real, and how far the discriminator is from
        telling both apart; both 0 where M is 0.
    """
    if not len(predicted_MTHW):
        return predicted_MTHW.sum(), predicted_MTHW.sum()
    context = _context(frames_T3HW, features_TCHW, len(predicted_MTHW))
    fake_N1HW = _on_grid(predicted_MTHW, features_TCHW)
    real_N1HW = _on_grid(wanted_MTHW, features_TCHW)
    fixed = {name: value.detach() for name, value in discriminator.named_parameters()}
    seen_as = functional_call(discriminator, fixed, (*context, fake_N1HW))
    still = tuple(part.detach() for part in context)
    judged_real = discriminator(*still, real_N1HW)
    judged_fake = discriminator(*still, fake_N1HW.detach())
    return _entropy(seen_as, 1.0), (_entropy(judged_real, 1.0) + _entropy(judged_fake, 0.0)) / 2


def _context(frames_T3HW: Tensor, features_TCHW: Tensor, instances: int) -> tuple[Tensor, Tensor]:
    """Frames on the features' grid, and features, once for each instance."""
    small = F.interpolate(frames_T3HW, features_TCHW.shape[-2:], mode="area")
    return small.repeat(instances, 1, 1, 1), features_TCHW.repeat(instances, 1, 1, 1)


def _on_grid(masks_MTHW: Tensor, features_TCHW: Tensor) -> Tensor:
    """Masks (M * T, 1, H, W) on the features' grid."""
    return F.interpolate(masks_MTHW.flatten(0, 1)[:, None], features_TCHW.shape[-2:], mode="area")


def _entropy(logits: Tensor, wanted: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, wanted))
