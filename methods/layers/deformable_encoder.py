"""The encoder of Deformable DETR (Zhu et al., 2021, section 4.1), one frame at a time: a backbone's
maps become tokens of four levels, which attend to each other.

SeqFormer and IDOL run it on each frame by itself, so overlapping clips share its output.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from methods.layers.checkpoint import rename_on_load
from methods.layers.deformable_attention import DeformableAttention, FeatureLevels
from methods.layers.maps import sine_position_encoding
from methods.layers.transformer import ENCODER_LAYER_NAMES, FeedForward

STRIDES = (8, 16, 32, 64)
GROUPS = 32
POSITION_OFFSET = -0.5


class LevelProjection(nn.Module):
    """Brings a backbone's maps to one width, and adds a coarser level by a convolution of stride 2
    (Zhu et al., 2021, supplement A.2).
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        same = [nn.Conv2d(inputs, width, 1) for inputs in channels]
        coarser = nn.Conv2d(channels[-1], width, 3, stride=2, padding=1)
        self.levels = nn.ModuleList(
            nn.Sequential(conv, nn.GroupNorm(GROUPS, width)) for conv in (*same, coarser)
        )
        for conv, _ in self.levels:
            nn.init.xavier_uniform_(conv.weight)
            nn.init.zeros_(conv.bias)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps (T, width, ...), finest first."""
        return [level(x) for level, x in zip(self.levels, [*maps, maps[-1]], strict=True)]


def level_positions(levels: FeatureLevels, level_embedding_LC: Tensor, like: Tensor) -> Tensor:
    """Sine position plus a learned embedding per level: (S, C), dtype and device as `like`."""
    channels = level_embedding_LC.shape[-1]
    encoded = [
        sine_position_encoding(
            grid, channels, offset=POSITION_OFFSET, valid=levels.valid_of(level), like=like
        )
        for level, grid in enumerate(levels.shapes_L2)
    ]
    rows = zip(encoded, level_embedding_LC, strict=True)
    return torch.cat([(level + row).flatten(0, 1) for level, row in rows])


class DeformableEncoderLayer(nn.Module):
    """Deformable self-attention over all levels of a frame, then feed-forward; post-norm."""

    def __init__(self, attention: DeformableAttention, width: int, hidden: int) -> None:
        super().__init__()
        self.self_attention = attention
        self.self_attention_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width, hidden)
        rename_on_load(self, ENCODER_LAYER_NAMES)

    def forward(
        self, tokens_TSC: Tensor, position_SC: Tensor, centers_S2: Tensor, levels: FeatureLevels
    ) -> Tensor:
        """Keep the shape (T, S, C)."""
        mixed = self.mix(tokens_TSC, position_SC, centers_S2, levels)
        return self.feed_forward(self.self_attention_norm(tokens_TSC + mixed))

    def mix(
        self, tokens_TSC: Tensor, position_SC: Tensor, centers_S2: Tensor, levels: FeatureLevels
    ) -> Tensor:
        """Update of the tokens before the first norm."""
        placed = tokens_TSC + position_SC
        return self.self_attention(placed, centers_S2[None], tokens_TSC, levels)


class DeformableEncoder(nn.Module):
    """A stack of layers."""

    def __init__(self, layers: Sequence[DeformableEncoderLayer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, tokens_TSC: Tensor, position_SC: Tensor, levels: FeatureLevels) -> Tensor:
        """The frames' memory (T, S, C)."""
        centers_S2 = levels.centers(tokens_TSC)
        for layer in self.layers:
            tokens_TSC = layer(tokens_TSC, position_SC, centers_S2, levels)
        return tokens_TSC
