"""IFC's spatial decoder (Hwang et al., 2021, section 3.1, "Spatial decoder").

It brings the encoded stride-32 tokens to stride 8 with the backbone's finer maps, and a mask is
the product of its features with a vector made from the instance's query.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.layers.checkpoint import rename_on_load
from methods.layers.maps import add_upsampled
from methods.layers.transformer import MLP

GROUPS = 32


class SpatialDecoder(nn.Module):
    """Features per frame at stride 8, and masks from them.

    Args:
        width: channels throughout.
        stride_8_channels, stride_16_channels: of the backbone's maps.
    """

    def __init__(self, width: int, stride_8_channels: int, stride_16_channels: int) -> None:
        super().__init__()
        self.conv_32 = nn.Conv2d(width, width, 3, padding=1)
        self.norm_32 = nn.GroupNorm(GROUPS, width)
        self.lateral_16 = nn.Conv2d(stride_16_channels, width, 1)
        self.conv_16 = nn.Conv2d(width, width, 3, padding=1)
        self.norm_16 = nn.GroupNorm(GROUPS, width)
        self.lateral_8 = nn.Conv2d(stride_8_channels, width, 1)
        self.conv_8 = nn.Conv2d(width, width, 3, padding=1)
        self.norm_8 = nn.GroupNorm(GROUPS, width)
        self.depthwise = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.pointwise = nn.Conv2d(width, width, 1)
        self.mask_weights = MLP(width, width, width, 3)
        rename_on_load(
            self,
            [
                (r"lay1\.", "conv_32."),
                (r"gn1\.", "norm_32."),
                (r"adapter1\.", "lateral_16."),
                (r"lay2\.", "conv_16."),
                (r"gn2\.", "norm_16."),
                (r"adapter2\.", "lateral_8."),
                (r"lay3\.", "conv_8."),
                (r"gn3\.", "norm_8."),
                (r"out_lay\.", ""),
                (r"convert_to_weight\.", "mask_weights."),
            ],
        )

    def forward(self, encoded_TCHW: Tensor, lateral_16: Tensor, lateral_8: Tensor) -> Tensor:
        """Mask features (T, C, H/8, W/8) of encoded stride-32 maps.

        Args:
            lateral_16, lateral_8: the backbone's maps behind `self.lateral_16` and
                `self.lateral_8`; they depend on single frames only.
        """
        maps = self.norm_32(self.conv_32(encoded_TCHW))
        maps = self.norm_16(self.conv_16(add_upsampled(lateral_16, maps)))
        maps = self.norm_8(self.conv_8(add_upsampled(lateral_8, maps)))
        maps = F.relu(self.depthwise(F.relu(maps, inplace=True)), inplace=True)
        return F.relu(self.pointwise(maps), inplace=True)

    def masks(self, features_TCHW: Tensor, queries_NC: Tensor) -> Tensor:
        """Mask logits (N, T, H/8, W/8) of N instances in every frame."""
        weights_NC = self.mask_weights(queries_NC)
        return torch.einsum("nc,tchw->nthw", weights_NC, features_TCHW)
