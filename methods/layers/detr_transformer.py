"""DETR's post-norm transformer layers (supplement, figure 10), which IFC and VisTR keep."""

from __future__ import annotations

from torch import Tensor, nn

from methods.layers.attention import MultiHeadAttention
from methods.layers.feed_forward import FeedForward
from methods.layers.state_dict_names import rename_on_load


class TransformerEncoderLayer(nn.Module):
    """Self-attention and feed-forward, each with a residual and a norm behind it.

    The position is added to queries and keys, never to values.
    """

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(width, heads)
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

    def forward(self, tokens_NC: Tensor, position_NC: Tensor | None = None) -> Tensor:
        """Keeps the shape (..., N, C); attention runs over N."""
        placed = _placed(tokens_NC, position_NC)
        attended = self.self_attention(placed, placed, tokens_NC)
        return self.feed_forward(self.self_attention_norm(tokens_NC + attended))

    def weights_of(self, first: int, tokens_NC: Tensor, position_NC: Tensor | None) -> Tensor:
        """What the tokens from `first` on attend to: (..., heads, N - first, N)."""
        placed = _placed(tokens_NC, position_NC)
        return self.self_attention.weights(placed[..., first:, :], placed)


class TransformerDecoderLayer(nn.Module):
    """Self-attention among queries, cross-attention to a memory, feed-forward."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(width, heads)
        self.self_attention_norm = nn.LayerNorm(width)
        self.cross_attention = MultiHeadAttention(width, heads)
        self.cross_attention_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width, hidden)
        rename_on_load(
            self,
            [
                (r"self_attn\.", "self_attention."),
                (r"norm1\.", "self_attention_norm."),
                (r"multihead_attn\.", "cross_attention."),
                (r"norm2\.", "cross_attention_norm."),
                (r"(linear\d\.)", r"feed_forward.\1"),
                (r"norm3\.", "feed_forward.norm."),
            ],
        )

    def forward(
        self, content_QC: Tensor, position_QC: Tensor, keys_KC: Tensor, values_KC: Tensor
    ) -> Tensor:
        """Refines the content of Q queries; `keys_KC` hold position and content of the memory."""
        placed = content_QC + position_QC
        attended = self.self_attention(placed, placed, content_QC)
        content_QC = self.self_attention_norm(content_QC + attended)
        attended = self.cross_attention(content_QC + position_QC, keys_KC, values_KC)
        content_QC = self.cross_attention_norm(content_QC + attended)
        return self.feed_forward(content_QC)


def _placed(tokens_NC: Tensor, position_NC: Tensor | None) -> Tensor:
    return tokens_NC if position_NC is None else tokens_NC + position_NC
