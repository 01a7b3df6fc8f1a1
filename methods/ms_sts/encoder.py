"""MS-STS's encoder layer (Thawakar et al., ECCV 2022; a reconstruction).

Shape letters: T frames, S positions of all levels, C channels.
"""

from __future__ import annotations

from torch import Tensor

from methods.layers.deformable_attention import DeformableAttention
from methods.layers.feature_levels import FeatureLevels
from methods.ms_sts.attention import MSSTSAttention
from methods.seqformer.encoder import DeformableEncoderLayer


class MSSTSEncoderLayer(DeformableEncoderLayer):
    """A deformable encoder layer with MS-STS attention beside the deformable attention."""

    def __init__(
        self, attention: DeformableAttention, ms_sts: MSSTSAttention, width: int, hidden: int
    ) -> None:
        super().__init__(attention, width, hidden)
        self.ms_sts = ms_sts

    def mix(
        self, tokens_TSC: Tensor, position_SC: Tensor, centers_S2: Tensor, levels: FeatureLevels
    ) -> Tensor:
        """The sum of both attentions of the same input."""
        deformable = super().mix(tokens_TSC, position_SC, centers_S2, levels)
        return deformable + self.ms_sts(tokens_TSC, levels)
