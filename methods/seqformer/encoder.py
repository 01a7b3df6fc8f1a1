"""The deformable transformer encoder (Zhu et al., 2021, section 4.1), one frame at a time.

SeqFormer runs it on each frame by itself (Wu et al., 2022, section 3.1), so overlapping clips
share its output.
"""

from __future__ import annotations

from torch import Tensor, nn

from methods.layers.deformable_attention import DeformableAttention
from methods.layers.feature_levels import FeatureLevels
from methods.layers.feed_forward import FeedForward
from methods.layers.state_dict_names import rename_on_load


class DeformableEncoderLayer(nn.Module):
    """Deformable self-attention over all levels of a frame, then feed-forward; post-norm."""

    def __init__(self, attention: DeformableAttention, width: int, hidden: int) -> None:
        super().__init__()
        self.self_attention = attention
        self.self_attention_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width, hidden)
        rename_on_load(
            self,
            [
                (r"self_attn\.", "self_attention."),
                (r"norm1\.", "self_attention_norm."),
                (r"(linear\d\.)", r"feed_forward.\1"),
                (r"norm2\.", "feed_forward.norm."),
            ],
        )

    def forward(
        self, tokens_TSC: Tensor, position_SC: Tensor, centers_S2: Tensor, levels: FeatureLevels
    ) -> Tensor:
        """Keeps the shape (T, S, C)."""
        mixed = self.mix(tokens_TSC, position_SC, centers_S2, levels)
        return self.feed_forward(self.self_attention_norm(tokens_TSC + mixed))

    def mix(
        self, tokens_TSC: Tensor, position_SC: Tensor, centers_S2: Tensor, levels: FeatureLevels
    ) -> Tensor:
        """What is added to the tokens before the first norm."""
        placed = tokens_TSC + position_SC
        return self.self_attention(placed, centers_S2[None], tokens_TSC, levels)


class DeformableEncoder(nn.Module):
    """A stack of layers."""

    def __init__(self, layers: list[DeformableEncoderLayer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, tokens_TSC: Tensor, position_SC: Tensor, levels: FeatureLevels) -> Tensor:
        """The frames' memory (T, S, C)."""
        centers_S2 = levels.centers(tokens_TSC)
        for layer in self.layers:
            tokens_TSC = layer(tokens_TSC, position_SC, centers_S2, levels)
        return tokens_TSC
