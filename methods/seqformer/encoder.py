"""The deformable transformer encoder (Zhu et al., 2021, section 4.1), one frame at a time.

SeqFormer runs it on each frame by itself (Wu et al., 2022, section 3.1), so overlapping clips
share its output.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from methods.layers.checkpoint import rename_on_load
from methods.layers.deformable_attention import DeformableAttention, FeatureLevels
from methods.layers.transformer import ENCODER_LAYER_NAMES, FeedForward


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
        """Keeps the shape (T, S, C)."""
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
