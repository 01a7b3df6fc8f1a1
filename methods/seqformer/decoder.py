"""SeqFormer's query decompose transformer (Wu et al., ECCV 2022, section 3.1).

An instance query stands for an object over the whole clip. In every frame a box query of its own
finds the object there; what the box queries read is gathered over time into the instance query.

Shape letters: T frames, Q queries, S positions of a frame's memory, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.layers.checkpoint import rename_on_load
from methods.layers.deformable_attention import AttentionRecord, DeformableAttention, FeatureLevels
from methods.layers.transformer import MLP, FeedForward, MultiHeadAttention, full_precision

INVERSE_SIGMOID_EPSILON = 1e-5
INITIAL_BOX_LOGIT = -2.0


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
            box_queries_TQC + position_QC, references_TQX, memory_TSC, levels,
            record,
        )  # fmt: skip
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
        self.box_heads = nn.ModuleList(MLP(width, width, 4, 3) for _ in layers)
        self.initial_references = nn.Linear(width, 2)
        with torch.no_grad():
            for head in self.box_heads:
                nn.init.zeros_(head.layers[-1].weight)
                nn.init.zeros_(head.layers[-1].bias)
            nn.init.constant_(self.box_heads[0].layers[-1].bias[2:], INITIAL_BOX_LOGIT)

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
                    instances_QC, box_queries_TQC, position_QC, references_TQX, memory_TSC, levels,
                    record,
                )  # fmt: skip
                start_TQX = inverse_sigmoid(references_TQX)
                boxes_TQ4 = None
                if last_boxes or layer is not self.layers[-1]:
                    deltas_TQ4 = box_head(box_queries_TQC)
                    # The first layer starts from points, which have no width and height.
                    missing = deltas_TQ4.shape[-1] - start_TQX.shape[-1]
                    boxes_TQ4 = (deltas_TQ4 + F.pad(start_TQX, (0, missing))).sigmoid()
                    references_TQX = boxes_TQ4.detach()
                outputs.append(
                    DecoderOutput(instances_QC, box_queries_TQC, boxes_TQ4, start_TQX.sigmoid())
                )
        return outputs


def inverse_sigmoid(values: Tensor) -> Tensor:
    """Logits of values in 0..1, kept finite at both ends."""
    low, high = values.clamp(min=INVERSE_SIGMOID_EPSILON), 1 - values
    return torch.log(low / high.clamp(min=INVERSE_SIGMOID_EPSILON))
