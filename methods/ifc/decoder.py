"""IFC's transformer decoder (Hwang et al., 2021, section 3.1, "Transformer decoder").

Shape letters: T frames, S locations of a frame's stride-32 map, M memory tokens, N = S + M, K = T *
N tokens of a clip, Q queries, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from methods.ifc.encoder import EncodedClip
from methods.layers.transformer import TransformerDecoderLayer, full_precision


class ClipDecoder(nn.Module):
    """Queries attend to all frame and memory tokens of a clip at once."""

    def __init__(self, layers: Sequence[TransformerDecoderLayer], width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(width)

    def forward(self, queries_QC: Tensor, clip: EncodedClip, position_SC: Tensor) -> list[Tensor]:
        """Content (Q, C) of the queries after each layer, normalized; the last is the result.

        Runs in the weights' precision also under autocast: a hundred queries cost little.

        Args:
            queries_QC: the queries' learned positions; their content starts at zero.
            clip: the encoded clip.
            position_SC: the frame tokens' position, the same in every frame.
        """
        values_KC, keys_KC = _clip_memory(clip, position_SC)
        values_KC, keys_KC = values_KC.to(queries_QC.dtype), keys_KC.to(queries_QC.dtype)
        content_QC = torch.zeros_like(queries_QC)
        outputs = []
        with full_precision(queries_QC.device):
            for layer in self.layers:
                content_QC = layer(content_QC, queries_QC, keys_KC, values_KC)
                outputs.append(self.norm(content_QC))
        return outputs


def _clip_memory(clip: EncodedClip, position_SC: Tensor) -> tuple[Tensor, Tensor]:
    """All tokens of a clip in one row, without and with their positions."""
    values_TNC = torch.cat([clip.tokens_TSC, clip.memory_TMC], 1)
    position_NC = torch.cat([position_SC, clip.memory_position_MC.to(position_SC.dtype)])
    return values_TNC.flatten(0, 1), (values_TNC + position_NC).flatten(0, 1)
