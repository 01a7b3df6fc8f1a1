"""IDOL's decoder: that of Deformable DETR with box refinement (Zhu et al., 2021, section 4), frame
by frame.

Shape letters: T frames, Q queries, S positions of a frame's memory, C channels, X 2 or 4 of a point
or a box.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from methods.layers.boxes import box_heads, inverse_sigmoid, refined_boxes
from methods.layers.checkpoint import rename_on_load
from methods.layers.deformable_attention import DeformableAttention, FeatureLevels
from methods.layers.transformer import FeedForward, MultiHeadAttention, full_precision


class DeformableDecoderLayer(nn.Module):
    """Self-attention among a frame's queries, deformable attention to its memory, feed-forward;
    post-norm.
    """

    def __init__(self, cross_attention: DeformableAttention, width: int, hidden: int) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(width, cross_attention.heads)
        self.self_attention_norm = nn.LayerNorm(width)
        self.cross_attention = cross_attention
        self.cross_attention_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width, hidden)
        rename_on_load(
            self,
            [
                (r"self_attn\.", "self_attention."),
                (r"norm2\.", "self_attention_norm."),
                (r"cross_attn\.", "cross_attention."),
                (r"norm1\.", "cross_attention_norm."),
                (r"(linear\d\.)", r"feed_forward.\1"),
                (r"norm3\.", "feed_forward.norm."),
            ],
        )

    def forward(
        self,
        queries_TQC: Tensor,
        position_QC: Tensor,
        references_TQX: Tensor,
        memory_TSC: Tensor,
        levels: FeatureLevels,
    ) -> Tensor:
        """Refine the queries, (T, Q, C).

        Args:
            queries_TQC, references_TQX: with a first dimension of 1 in the first layer, where every
                frame starts from the same.
        """
        placed = queries_TQC + position_QC
        attended = self.self_attention(placed, placed, queries_TQC)
        queries_TQC = self.self_attention_norm(queries_TQC + attended)
        placed = queries_TQC + position_QC
        read_TQC = self.cross_attention(placed, references_TQX, memory_TSC, levels)
        queries_TQC = self.cross_attention_norm(queries_TQC + read_TQC)
        return self.feed_forward(queries_TQC)


class DeformableDecoder(nn.Module):
    """A stack of layers, each followed by a box head that refines the references of the next."""

    def __init__(self, layers: Sequence[DeformableDecoderLayer], width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.box_heads = box_heads(width, len(self.layers))
        self.initial_references = nn.Linear(width, 2)

    def forward(
        self, content_QC: Tensor, position_QC: Tensor, memory_TSC: Tensor, levels: FeatureLevels
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Decode each frame by itself, in the weights' precision also under autocast.

        Returns:
            Of the last layer the queries (T, Q, C), their boxes (T, Q, 4; cx, cy, w, h in 0..1 of
            the frame), and the centers (T, Q, 2) of the references that entered it.
        """
        memory_TSC = memory_TSC.to(content_QC.dtype)
        with full_precision(content_QC.device):
            queries_TQC = content_QC[None]
            boxes_TQX = self.initial_references(position_QC).sigmoid()[None]
            for layer, box_head in zip(self.layers, self.box_heads, strict=True):
                references_TQX = boxes_TQX
                queries_TQC = layer(queries_TQC, position_QC, references_TQX, memory_TSC, levels)
                boxes_TQX = refined_boxes(inverse_sigmoid(references_TQX), box_head(queries_TQC))
        centers_TQ2 = references_TQX[..., :2].expand(len(queries_TQC), -1, -1)
        return queries_TQC, boxes_TQX, centers_TQ2
