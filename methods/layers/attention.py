"""Multi-head attention (Vaswani et al., 2017, section 3.2.2) over any leading dimensions."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MultiHeadAttention(nn.Module):
    """Softmax attention whose parameters are named as in `torch.nn.MultiheadAttention`.

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
        """Attends from (..., Q, C) to (..., K, C); returns (..., Q, C).

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
        """The softmax weights that `forward` gives the values, (..., heads, Q, K).

        `forward` itself never holds them.
        """
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
