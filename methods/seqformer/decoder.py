"""SeqFormer's query decompose transformer (Wu et al., ECCV 2022, section 3.1).

An instance query stands for an object over the whole clip. In every frame a box query of its own
finds the object there; what the box queries read is gathered over time into the instance query.

Shape letters: T frames, Q queries, S positions of a frame's memory, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from methods.layers.attention import MultiHeadAttention
from methods.layers.deformable_attention import DeformableAttention, SamplingRecord
from methods.layers.feature_levels import FeatureLevels
from methods.layers.feed_forward import FeedForward
from methods.layers.full_precision import full_precision
from methods.layers.mlp import MLP
from methods.layers.state_dict_names import rename_on_load

INVERSE_SIGMOID_EPSILON = 1e-5
INITIAL_BOX_LOGIT = -2.0


@dataclass(frozen=True)
class DecoderOutput:
    """What one decoder layer returns.

    `boxes_TQ4` (cx, cy, w, h in 0..1) is None where nobody asked for the last layer's boxes.
    `references_TQX` are the points or boxes that entered the layer, clipped as the box head got
    them; the mask head counts its coordinates from them.
    """

    instances_QC: Tensor
    box_queries_TQC: Tensor
    boxes_TQ4: Tensor | None
    references_TQX: Tensor


@dataclass
class DecoderRecord:
    """What the decoder's layers read of each frame, an entry per layer, for those who ask for it.

    `time_weights`: (T, Q), which sum to 1 over T.
    """

    sampling: SamplingRecord = field(default_factory=SamplingRecord)
    time_weights: list[Tensor] = field(default_factory=list)


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
        record: DecoderRecord | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Refines both queries.

        Args:
            box_queries_TQC, references_TQX: with a first dimension of 1 in the first layer, where
                every frame starts from the same.
            record: gets what the layer reads.

        Returns:
            Instance queries (Q, C) and box queries (T, Q, C).
        """
        instances_QC = self.talk_among_instances(instances_QC, position_QC)
        box_queries_TQC = self.talk_among_boxes(box_queries_TQC, position_QC)
        read_TQC = self.cross_attention.read(
            box_queries_TQC + position_QC, references_TQX, memory_TSC, levels,
            None if record is None else record.sampling,
        )  # fmt: skip
        box_queries_TQC = self.update_boxes(box_queries_TQC, read_TQC)
        instances_QC = self.gather_over_time(instances_QC, read_TQC, box_queries_TQC, record)
        return instances_QC, box_queries_TQC

    def talk_among_instances(self, instances_QC: Tensor, position_QC: Tensor) -> Tensor:
        """Self-attention of the instance queries."""
        placed = instances_QC + position_QC
        attended = self.instance_self_attention(placed, placed, instances_QC)
        return self.instance_self_attention_norm(instances_QC + attended)

    def talk_among_boxes(self, box_queries_TQC: Tensor, position_QC: Tensor) -> Tensor:
        """Self-attention of the box queries, each frame by itself, all frames in one call."""
        placed = box_queries_TQC + position_QC
        attended = self.box_self_attention(placed, placed, box_queries_TQC)
        return self.box_self_attention_norm(box_queries_TQC + attended)

    def update_boxes(self, box_queries_TQC: Tensor, read_TQC: Tensor) -> Tensor:
        """The box queries take in what they read."""
        update_TQC = self.cross_attention.output_proj_box(read_TQC)
        return self.box_feed_forward(self.box_cross_attention_norm(box_queries_TQC + update_TQC))

    def gather_over_time(
        self,
        instances_QC: Tensor,
        read_TQC: Tensor,
        box_queries_TQC: Tensor,
        record: DecoderRecord | None = None,
    ) -> Tensor:
        """The instance queries take in what was read in all frames, each frame weighted by a
        softmax over time of a score of its box query.
        """
        weights_TQ1 = self.time_weights(box_queries_TQC).softmax(0)
        if record is not None:
            record.time_weights.append(weights_TQ1[..., 0])
        update_QC = (self.cross_attention.output_proj(read_TQC) * weights_TQ1).sum(0)
        gathered_QC = self.instance_cross_attention_norm(instances_QC + update_QC)
        return self.instance_feed_forward(gathered_QC)


class QueryDecomposeDecoder(nn.Module):
    """A stack of layers, each followed by a box head that refines the references of the next."""

    def __init__(self, layers: Sequence[QueryDecomposeLayer], width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.box_heads = nn.ModuleList(MLP(width, width, 4, 3) for _ in layers)
        self.initial_references = nn.Linear(width, 2)
        self._start_from_the_references()

    def forward(
        self,
        content_QC: Tensor,
        position_QC: Tensor,
        memory_TSC: Tensor,
        levels: FeatureLevels,
        *,
        last_boxes: bool = False,
        record: DecoderRecord | None = None,
    ) -> list[DecoderOutput]:
        """The outputs of every layer; the last one's are the prediction.

        The last layer's boxes refine nothing, so its box head runs with `last_boxes` only.
        `record` gets what each layer reads.

        Both queries start from the same content. The references do not pass gradients from layer
        to layer (Zhu et al., 2021, supplement A.4). Runs in the weights' precision also under
        autocast: a few hundred queries cost little, and their errors would add up over the layers.
        """
        with full_precision(content_QC.device):
            memory_TSC = memory_TSC.to(content_QC.dtype)
            return self._refine_layer_by_layer(
                content_QC, position_QC, memory_TSC, levels, last_boxes, record
            )

    def _refine_layer_by_layer(
        self,
        content_QC: Tensor,
        position_QC: Tensor,
        memory_TSC: Tensor,
        levels: FeatureLevels,
        last_boxes: bool,
        record: DecoderRecord | None,
    ) -> list[DecoderOutput]:
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
                boxes_TQ4 = _refine(box_head(box_queries_TQC), start_TQX).sigmoid()
                references_TQX = boxes_TQ4.detach()
            outputs.append(
                DecoderOutput(instances_QC, box_queries_TQC, boxes_TQ4, start_TQX.sigmoid())
            )
        return outputs

    @torch.no_grad()
    def _start_from_the_references(self) -> None:
        for head in self.box_heads:
            nn.init.zeros_(head.layers[-1].weight)
            nn.init.zeros_(head.layers[-1].bias)
        nn.init.constant_(self.box_heads[0].layers[-1].bias[2:], INITIAL_BOX_LOGIT)


def inverse_sigmoid(values: Tensor) -> Tensor:
    """Logits of values in 0..1, kept finite at both ends."""
    low, high = values.clamp(min=INVERSE_SIGMOID_EPSILON), 1 - values
    return torch.log(low / high.clamp(min=INVERSE_SIGMOID_EPSILON))


def _refine(deltas_TQ4: Tensor, start_TQX: Tensor) -> Tensor:
    """Adds box deltas to the logits of boxes, or to those of points in x and y only."""
    missing = deltas_TQ4.shape[-1] - start_TQX.shape[-1]
    return deltas_TQ4 + torch.nn.functional.pad(start_TQX, (0, missing))
