"""SeqFormer's query decompose transformer (Wu et al., ECCV 2022, section 3.1).

An instance query stands for an object over the whole clip. In every frame a box query of its own
finds the object there; what the box queries read is gathered over time into the instance query.

Shape letters: T frames, Q queries, S positions of a frame's memory, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from methods.layers.boxes import box_heads, inverse_sigmoid, refined_boxes
from methods.layers.checkpoint import rename_on_load
from methods.layers.deformable_attention import AttentionRecord, DeformableAttention, FeatureLevels
from methods.layers.transformer import FeedForward, MultiHeadAttention, full_precision


@dataclass(frozen=True)
class DecoderOutput:
    """Result of one decoder layer.

    `boxes_TQ4` (cx, cy, w, h in 0..1) is None where the last layer's boxes were not asked for.
    `references_TQX` are the points or boxes that entered the layer, clipped as the box head got
    them; the mask head counts its coordinates from them.
    """

    instances_QC: Tensor
    box_queries_TQC: Tensor
    boxes_TQ4: Tensor | None
    references_TQX: Tensor


class QueryDecomposeLayer(nn.Module):
    """One decoder layer: instance query and box queries side by side."""

    def __init__(self, cross_attention: DeformableAttention, width: int, hidden: int) -> None:
        super().__init__()
        heads = cross_attention.heads
        self.instance_self_attention = MultiHeadAttention(width, heads)
        self.instance_self_attention_norm = nn.LayerNorm(width)
        self.box_self_attention = MultiHeadAttention(width, heads)
        self.box_self_attention_norm = nn.LayerNorm(width)
        self.cross_attention = cross_attention
        self.instance_cross_attention_norm = nn.LayerNorm(width)
        self.box_cross_attention_norm = nn.LayerNorm(width)
        self.instance_feed_forward = FeedForward(width, hidden)
        self.box_feed_forward = FeedForward(width, hidden)
        self.time_weights = nn.Linear(width, 1)
        rename_on_load(
            self,
            [
                (r"self_attn\.", "instance_self_attention."),
                (r"norm2\.", "instance_self_attention_norm."),
                (r"self_attn_box\.", "box_self_attention."),
                (r"norm2_box\.", "box_self_attention_norm."),
                (r"cross_attn\.", "cross_attention."),
                (r"norm1\.", "instance_cross_attention_norm."),
                (r"norm1_box\.", "box_cross_attention_norm."),
                (r"(linear\d)_box\.", r"box_feed_forward.\1."),
                (r"norm3_box\.", "box_feed_forward.norm."),
                (r"(linear\d)\.", r"instance_feed_forward.\1."),
                (r"norm3\.", "instance_feed_forward.norm."),
                (r"time_attention_weights\.", "time_weights."),
            ],
        )

    def forward(
        self,
        instances_QC: Tensor,
        box_queries_TQC: Tensor,
        position_QC: Tensor,
        references_TQX: Tensor,
        memory_TSC: Tensor,
        levels: FeatureLevels,
        record: AttentionRecord | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Refine both queries.

        Args:
            box_queries_TQC, references_TQX: with a first dimension of 1 in the first layer, where
                every frame starts from the same.
            record: gets the layer's attention.

        Returns:
            Instance queries (Q, C) and box queries (T, Q, C).
        """
        placed_QC = instances_QC + position_QC
        attended_QC = self.instance_self_attention(placed_QC, placed_QC, instances_QC)
        instances_QC = self.instance_self_attention_norm(instances_QC + attended_QC)
        box_queries_TQC = self.talk_among_boxes(box_queries_TQC, position_QC)
        read_TQC = self.cross_attention.read(
            box_queries_TQC + position_QC,
            references_TQX,
            memory_TSC,
            levels,
            record,
        )
        update_TQC = self.cross_attention.output_proj_box(read_TQC)
        box_queries_TQC = self.box_cross_attention_norm(box_queries_TQC + update_TQC)
        box_queries_TQC = self.box_feed_forward(box_queries_TQC)
        # The frames' results, weighted by a softmax over time of a score of the box queries.
        weights_TQ1 = self.time_weights(box_queries_TQC).softmax(0)
        if record is not None:
            record["time_weights"].append(weights_TQ1[..., 0])
        update_QC = (self.cross_attention.output_proj(read_TQC) * weights_TQ1).sum(0)
        instances_QC = self.instance_cross_attention_norm(instances_QC + update_QC)
        return self.instance_feed_forward(instances_QC), box_queries_TQC

    def talk_among_boxes(self, box_queries_TQC: Tensor, position_QC: Tensor) -> Tensor:
        """Self-attention of the box queries, each frame by itself, all frames in one call."""
        placed = box_queries_TQC + position_QC
        attended = self.box_self_attention(placed, placed, box_queries_TQC)
        return self.box_self_attention_norm(box_queries_TQC + attended)


class QueryDecomposeDecoder(nn.Module):
    """A stack of layers, each followed by a box head that refines the references of the next."""

    def __init__(self, layers: Sequence[QueryDecomposeLayer], width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.box_heads = box_heads(width, len(self.layers))
        self.initial_references = nn.Linear(width, 2)

    def forward(
        self,
        content_QC: Tensor,
        position_QC: Tensor,
        memory_TSC: Tensor,
        levels: FeatureLevels,
        *,
        last_boxes: bool = False,
        record: AttentionRecord | None = None,
    ) -> list[DecoderOutput]:
        """Outputs of every layer; the last one's are the prediction.

        The last layer's boxes refine nothing, so its box head runs with `last_boxes` only.
        `record` gets each layer's attention.

        Both queries start from the same content. The references do not pass gradients from layer
        to layer (Zhu et al., 2021, supplement A.4). Runs in the weights' precision also under
        autocast: a few hundred queries cost little, and their errors would add up over the layers.
        """
        memory_TSC = memory_TSC.to(content_QC.dtype)
        with full_precision(content_QC.device):
            instances_QC, box_queries_TQC = content_QC, content_QC[None]
            references_TQX = self.initial_references(position_QC).sigmoid()[None]
            outputs: list[DecoderOutput] = []
            for layer, box_head in zip(self.layers, self.box_heads, strict=True):
                instances_QC, box_queries_TQC = layer(
                    instances_QC,
                    box_queries_TQC,
                    position_QC,
                    references_TQX,
                    memory_TSC,
                    levels,
                    record,
                )
                start_TQX = inverse_sigmoid(references_TQX)
                boxes_TQ4 = None
                if last_boxes or layer is not self.layers[-1]:
                    boxes_TQ4 = refined_boxes(start_TQX, box_head(box_queries_TQC))
                    references_TQX = boxes_TQ4.detach()
                outputs.append(
                    DecoderOutput(instances_QC, box_queries_TQC, boxes_TQ4, start_TQX.sigmoid())
                )
        return outputs
