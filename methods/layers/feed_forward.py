"""The feed-forward half of a transformer layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# On a CPU the hidden activations of this many tokens stay in its cache.
CPU_TOKENS = 1024


class FeedForward(nn.Module):
    """LayerNorm(x + Linear(ReLU(Linear(x)))); Vaswani et al., 2017, section 3.3, post-norm."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Keeps the shape (..., width)."""
        if tokens.device.type != "cpu":
            return self._transform(tokens)
        pieces = tokens.reshape(-1, tokens.shape[-1]).split(CPU_TOKENS)
        return torch.cat([self._transform(piece) for piece in pieces]).view(tokens.shape)

    def _transform(self, tokens: Tensor) -> Tensor:
        hidden = F.relu(self.linear1(tokens), inplace=True)
        return self.norm(tokens + self.linear2(hidden))
