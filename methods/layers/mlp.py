"""The small perceptron that DETR-like heads are made of."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F


class MLP(nn.Module):
    """Linear layers with ReLU between them."""

    def __init__(self, inputs: int, hidden: int, outputs: int, layers: int) -> None:
        super().__init__()
        widths = [inputs, *[hidden] * (layers - 1), outputs]
        self.layers = nn.ModuleList(
            nn.Linear(inputs, outputs) for inputs, outputs in pairwise(widths)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Maps (..., inputs) to (..., outputs)."""
        *hidden, last = self.layers
        for layer in hidden:
            features = F.relu(layer(features))
        return last(features)
