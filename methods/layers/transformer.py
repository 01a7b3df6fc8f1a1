"""Attention, feed-forward layers, perceptron, and DETR's post-norm transformer layers."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.layers.checkpoint import rename_on_load

# On a CPU the hidden activations of this many tokens stay in its cache.
CPU_TOKENS = 1024


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Switch autocast off for `device`; the meta device, where shapes are counted, has none."""
    if device.type == "meta":
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


class MultiHeadAttention(nn.Module):
    """Softmax attention (Vaswani et al., 2017, section 3.2.2) with the parameter names of
    `torch.nn.MultiheadAttention`.

    It replaces PyTorch's own for three reasons: keys and queries are projected in one product
    where they are the same tensor, any number of leading dimensions is a batch, and every
    operation shows up in a FLOP count in evaluation mode too.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of the {heads} heads")
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, queries_QC: Tensor, keys_KC: Tensor, values_KC: Tensor) -> Tensor:
        """Attend from (..., Q, C) to (..., K, C); returns (..., Q, C).

        Pass the same object as queries and keys where they are equal: it is projected once.
        """
        width = queries_QC.shape[-1]
        if queries_QC is keys_KC:
            queries, keys = self._project(queries_QC, 0, 2 * width).split(width, -1)
        else:
            queries = self._project(queries_QC, 0, width)
            keys = self._project(keys_KC, width, 2 * width)
        values = self._project(values_KC, 2 * width, 3 * width)
        # PyTorch's fast attention wants exactly one batch dimension.
        attended_BMQD = F.scaled_dot_product_attention(
            self._split_heads(queries), self._split_heads(keys), self._split_heads(values)
        )
        return self.out_proj(attended_BMQD.transpose(1, 2).reshape(queries.shape))

    def weights(self, queries_QC: Tensor, keys_KC: Tensor) -> Tensor:
        """Softmax weights (..., heads, Q, K) of the values; `forward` never holds them."""
        width = queries_QC.shape[-1]
        queries = self._project(queries_QC, 0, width).unflatten(-1, (self.heads, -1))
        keys = self._project(keys_KC, width, 2 * width).unflatten(-1, (self.heads, -1))
        logits = torch.einsum("...qhd,...khd->...hqk", queries, keys)
        return (logits / math.sqrt(width / self.heads)).softmax(-1)

    def _project(self, tokens: Tensor, start: int, stop: int) -> Tensor:
        return F.linear(tokens, self.in_proj_weight[start:stop], self.in_proj_bias[start:stop])

    def _split_heads(self, tokens_NC: Tensor) -> Tensor:
        """(..., N, C) as (B, M, N, D)."""
        split = tokens_NC.unflatten(-1, (self.heads, -1)).transpose(-2, -3)
        return split.reshape(-1, *split.shape[-3:])


class FeedForward(nn.Module):
    """LayerNorm(x + Linear(ReLU(Linear(x)))); Vaswani et al., 2017, section 3.3, post-norm."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Keep the shape (..., width)."""
        if tokens.device.type != "cpu":
            return self._transform(tokens)
        pieces = tokens.reshape(-1, tokens.shape[-1]).split(CPU_TOKENS)
        return torch.cat([self._transform(piece) for piece in pieces]).view(tokens.shape)

    def _transform(self, tokens: Tensor) -> Tensor:
        hidden = F.relu(self.linear1(tokens), inplace=True)
        return self.norm(tokens + self.linear2(hidden))


class MLP(nn.Module):
    """Linear layers with ReLU between them: (..., inputs) to (..., outputs)."""

    def __init__(self, inputs: int, hidden: int, outputs: int, layers: int) -> None:
        super().__init__()
        widths = [inputs, *[hidden] * (layers - 1), outputs]
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))

    def forward(self, features: Tensor) -> Tensor:
        *hidden, last = self.layers
        for layer in hidden:
            features = F.relu(layer(features))
        return last(features)


# Names of DETR's encoder layers, which deformable ones share.
ENCODER_LAYER_NAMES = [
    (r"self_attn\.", "self_attention."),
    (r"norm1\.", "self_attention_norm."),
    (r"(linear\d\.)", r"feed_forward.\1"),
    (r"norm2\.", "feed_forward.norm."),
]


class TransformerEncoderLayer(nn.Module):
    """Self-attention and feed-forward, post-norm (DETR's supplement, figure 10).

    The position is added to queries and keys, never to values.
    """

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(width, heads)
        self.self_attention_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width, hidden)
        rename_on_load(self, ENCODER_LAYER_NAMES)

    def forward(self, tokens_NC: Tensor, position_NC: Tensor | None = None) -> Tensor:
        """Keep the shape (..., N, C); attention runs over N."""
        placed = tokens_NC if position_NC is None else tokens_NC + position_NC
        attended = self.self_attention(placed, placed, tokens_NC)
        return self.feed_forward(self.self_attention_norm(tokens_NC + attended))

    def weights_of(self, first: int, tokens_NC: Tensor, position_NC: Tensor) -> Tensor:
        """Attention weights (..., heads, N - first, N) of the tokens from `first` on."""
        placed = tokens_NC + position_NC
        return self.self_attention.weights(placed[..., first:, :], placed)


class TransformerDecoderLayer(nn.Module):
    """Self-attention among queries, cross-attention to a memory, feed-forward; post-norm."""

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
        """Refine the content of Q queries; `keys_KC` hold position and content of the memory."""
        placed = content_QC + position_QC
        attended = self.self_attention(placed, placed, content_QC)
        content_QC = self.self_attention_norm(content_QC + attended)
        attended = self.cross_attention(content_QC + position_QC, keys_KC, values_KC)
        content_QC = self.cross_attention_norm(content_QC + attended)
        return self.feed_forward(content_QC)
