"""VisTR's encoder and decoder (Wang et al., 2021, section 3.2).

Shape letters: X tokens of a clip (frame by frame, row by row), Q queries of a clip, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from methods.layers.transformer import (
    TransformerDecoderLayer,
    TransformerEncoderLayer,
    full_precision,
)


class ClipEncoder(nn.Module):
    """Every token attends to every token of the clip."""

    def __init__(self, layers: Sequence[TransformerEncoderLayer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, tokens_XC: Tensor, position_XC: Tensor) -> Tensor:
        """The tokens (X, C) after all layers; no norm follows the last."""
        for layer in self.layers:
            tokens_XC = layer(tokens_XC, position_XC)
        return tokens_XC


class ClipDecoder(nn.Module):
    """Instance queries attend to each other and to every token of the clip."""

    def __init__(self, layers: Sequence[TransformerDecoderLayer], width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(width)

    def forward(self, queries_QC: Tensor, memory_XC: Tensor, position_XC: Tensor) -> Tensor:
        """The queries' content (Q, C) after the last layer, normalized.

        Runs in the weights' precision also under autocast: a few hundred queries cost little.

        Args:
            queries_QC: the queries' learned positions; their content starts at zero.
            memory_XC: the encoded clip.
            position_XC: of the same tokens.
        """
        values_XC = memory_XC.to(queries_QC.dtype)
        keys_XC = values_XC + position_XC.to(queries_QC.dtype)
        content_QC = torch.zeros_like(queries_QC)
        with full_precision(queries_QC.device):
            for layer in self.layers:
                content_QC = layer(content_QC, queries_QC, keys_XC, values_XC)
            return self.norm(content_QC)
