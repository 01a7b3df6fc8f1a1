"""BatchNorm whose statistics no longer change, as in every backbone here."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.layers.state_dict_names import drop_on_load

EPSILON = 1e-5


class FrozenBatchNorm2d(nn.Module):
    """Scales and shifts each channel by constants: (x - mean) / sqrt(var + 1e-5) * weight + bias.

    All four are buffers: they are loaded, never trained.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        drop_on_load(self, "num_batches_tracked")

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """The two constants per channel that the four buffers amount to."""
        scale = self.weight * (self.running_var + EPSILON).rsqrt()
        return scale, self.bias - self.running_mean * scale

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        scale, shift = self.scale_and_shift()
        return maps_NCHW * scale[:, None, None] + shift[:, None, None]


class ConvNorm(nn.Module):
    """A convolution that keeps the size (but for its stride), then frozen BatchNorm."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.norm: nn.Module = FrozenBatchNorm2d(out_channels)

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        return self.norm(self.conv(maps_NCHW))

    @torch.no_grad()
    def fold(self) -> None:
        """Moves the normalization into the convolution's weights, in float64; equal outputs.

        The shift becomes a buffer, as it was before, so that parameters count as they did.
        """
        if not isinstance(self.norm, FrozenBatchNorm2d):
            return
        scale, shift = self.norm.double().scale_and_shift()
        weight = self.conv.weight
        folded = weight.double() * scale[:, None, None, None]
        self.conv.weight = nn.Parameter(folded.to(weight.dtype))
        del self.conv.bias
        self.conv.register_buffer("bias", shift.to(weight.dtype))
        self.norm = nn.Identity()


def fold_batch_norms(module: nn.Module) -> None:
    """Folds every `ConvNorm` below a module."""
    for child in module.modules():
        if isinstance(child, ConvNorm):
            child.fold()


def relu(maps: Tensor) -> Tensor:
    """ReLU that writes into its input, whose value nobody needs afterwards."""
    return F.relu(maps, inplace=True)
