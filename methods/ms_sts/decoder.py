"""MS-STS's decoder layer (Thawakar et al., ECCV 2022, figure 2; a reconstruction).

Shape letters: T frames, Q queries, C channels.
"""

from __future__ import annotations

from torch import Tensor, nn

from methods.layers.attention import MultiHeadAttention
from methods.layers.deformable_attention import DeformableAttention
from methods.seqformer.decoder import QueryDecomposeLayer


class TemporalDecoderLayer(QueryDecomposeLayer):
    """A query decompose layer whose box queries, after attending to each other within a frame,
    attend over time, each instance by itself; before training this adds nothing to them.
    """

    def __init__(self, cross_attention: DeformableAttention, width: int, hidden: int) -> None:
        super().__init__(cross_attention, width, hidden)
        self.temporal_attention = MultiHeadAttention(width, cross_attention.heads)
        self.temporal_attention_norm = nn.LayerNorm(width)
        nn.init.zeros_(self.temporal_attention.out_proj.weight)

    def talk_among_boxes(self, box_queries_TQC: Tensor, position_QC: Tensor) -> Tensor:
        """Self-attention within each frame, then over the frames of each query."""
        box_queries_TQC = super().talk_among_boxes(box_queries_TQC, position_QC)
        queries_QTC = box_queries_TQC.transpose(0, 1)
        attended = self.temporal_attention(queries_QTC, queries_QTC, queries_QTC)
        return self.temporal_attention_norm(queries_QTC + attended).transpose(0, 1)
