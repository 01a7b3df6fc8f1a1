"""The feed-forward half of a transformer layer."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class FeedForward(nn.Module):
    """LayerNorm(x + Linear(ReLU(Linear(x)))); Vaswani et al., 2017, section 3.3, post-norm."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Keeps the shape (..., width)."""
        hidden = F.relu(self.linear1(tokens), inplace=True)
        return self.norm(tokens + self.linear2(hidden))
