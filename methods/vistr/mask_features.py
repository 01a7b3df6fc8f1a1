"""VisTR's mask features of one instance in single frames (Wang et al., 2021, section 3.4).

The instance's attention maps are fused with the frame's encoded map, brought to stride 4 with the
backbone's finer maps, and passed through a deformable convolution.

Shape letters: F frames, C channels of the encoded map, M attention heads.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.layers.deformable_convolution import DeformableConv2d
from methods.layers.state_dict_names import rename_on_load

GROUPS = 8
KERNEL = 3
# Frames at stride 4 that are in work at once; bounds the peak memory.
STRIDE_4_FRAMES = 6


class MaskFeatures(nn.Module):
    """A map of `channels` at stride 4 for every frame.

    The first convolution is linear, so the part of it that belongs to the encoded map is shared by
    all instances of a frame: `shared`.

    Args:
        width: C.
        heads: M.
        lateral_channels: of the backbone's maps at strides 16, 8 and 4.
    """

    def __init__(self, width: int, heads: int, lateral_channels: Sequence[int]) -> None:
        super().__init__()
        self.width = width
        self.channels = width // 16
        fused, stride_16, stride_8, stride_4 = width + heads, width // 2, width // 4, width // 8
        self.fuse = nn.Conv2d(fused, fused, 3, padding=1)
        self.fuse_norm = nn.GroupNorm(GROUPS, fused)
        self.conv_32 = nn.Conv2d(fused, stride_16, 3, padding=1)
        self.norm_32 = nn.GroupNorm(GROUPS, stride_16)
        self.lateral_16 = nn.Conv2d(lateral_channels[0], stride_16, 1)
        self.conv_16 = nn.Conv2d(stride_16, stride_8, 3, padding=1)
        self.norm_16 = nn.GroupNorm(GROUPS, stride_8)
        self.lateral_8 = nn.Conv2d(lateral_channels[1], stride_8, 1)
        self.conv_8 = nn.Conv2d(stride_8, stride_4, 3, padding=1)
        self.norm_8 = nn.GroupNorm(GROUPS, stride_4)
        self.lateral_4 = nn.Conv2d(lateral_channels[2], stride_4, 1)
        self.offsets = nn.Conv2d(stride_4, 2 * KERNEL * KERNEL, 1)
        self.deformable = DeformableConv2d(stride_4, self.channels, KERNEL)
        self.norm_4 = nn.GroupNorm(GROUPS, self.channels)
        rename_on_load(
            self,
            [
                (r"lay1\.", "fuse."),
                (r"gn1\.", "fuse_norm."),
                (r"lay2\.", "conv_32."),
                (r"gn2\.", "norm_32."),
                (r"adapter1\.", "lateral_16."),
                (r"lay3\.", "conv_16."),
                (r"gn3\.", "norm_16."),
                (r"adapter2\.", "lateral_8."),
                (r"lay4\.", "conv_8."),
                (r"gn4\.", "norm_8."),
                (r"adapter3\.", "lateral_4."),
                (r"conv_offset\.", "offsets."),
                (r"dcn\.", "deformable."),
                (r"gn5\.", "norm_4."),
            ],
        )

    def shared(self, encoded_FCHW: Tensor) -> Tensor:
        """What all instances of a frame have in common in the first convolution."""
        weight = self.fuse.weight[:, : self.width]
        return F.conv2d(encoded_FCHW, weight, self.fuse.bias, padding=1)

    def forward(
        self, attention_FMHW: Tensor, shared: Tensor, lateral_16: Tensor, lateral_8: Tensor,
        lateral_4: Tensor,
    ) -> Tensor:  # fmt: skip
        """Features (F, channels, H/4, W/4) of one instance.

        Args:
            attention_FMHW: the instance's attention maps, at stride 32.
            shared: see there, of the same frames.
            lateral_16, lateral_8, lateral_4: the backbone's maps behind the convolutions of these
                names, of the same frames.
        """
        maps = shared + F.conv2d(attention_FMHW, self.fuse.weight[:, self.width :], padding=1)
        maps = F.relu(self.fuse_norm(maps), inplace=True)
        maps = F.relu(self.norm_32(self.conv_32(maps)), inplace=True)
        maps = _add_upsampled(lateral_16, maps)
        maps = F.relu(self.norm_16(self.conv_16(maps)), inplace=True)
        maps = _add_upsampled(lateral_8, maps)
        maps = F.relu(self.norm_8(self.conv_8(maps)), inplace=True)
        pieces = zip(maps.split(STRIDE_4_FRAMES), lateral_4.split(STRIDE_4_FRAMES), strict=True)
        return torch.cat([self._at_stride_4(_add_upsampled(fine, maps)) for maps, fine in pieces])

    def _at_stride_4(self, maps: Tensor) -> Tensor:
        deformed = self.deformable(maps, self.offsets(maps))
        return F.relu(self.norm_4(deformed), inplace=True)


def _add_upsampled(fine: Tensor, coarse: Tensor) -> Tensor:
    return fine + F.interpolate(coarse, size=fine.shape[-2:], mode="nearest")
