"""VidEoMT's mask head, and the blocks that enlarge the patches to a map of pixels.

Parameters have the names of transformers' `VideomtForUniversalSegmentation`.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class MaskHead(nn.Module):
    """A perceptron of three layers: queries -> the vectors that masks are products with."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, channels)
        self.fc2 = nn.Linear(channels, channels)
        self.fc3 = nn.Linear(channels, channels)

    def forward(self, queries_QC: Tensor) -> Tensor:
        return self.fc3(F.gelu(self.fc2(F.gelu(self.fc1(queries_QC)))))


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of a map."""

    def forward(self, map_1CHW: Tensor) -> Tensor:
        return super().forward(map_1CHW.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class UpscaleLayer(nn.Module):
    """Double the sides of a map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.ConvTranspose2d(channels, channels, 2, 2)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.layernorm2d = ChannelNorm(channels, eps=1e-6)

    def forward(self, map_1CHW: Tensor) -> Tensor:
        return self.layernorm2d(self.conv2(F.gelu(self.conv1(map_1CHW))))


class Upscale(nn.Module):
    """Several `UpscaleLayer`s."""

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        self.block = nn.Sequential(*(UpscaleLayer(channels) for _ in range(layers)))

    def forward(self, map_1CHW: Tensor) -> Tensor:
        return self.block(map_1CHW)
