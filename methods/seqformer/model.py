"""SeqFormer from frames to a clip's instances (Wu et al., ECCV 2022, section 3).

backbone -> level projection -> deformable encoder, frame by frame -> query decompose decoder ->
class heads, box heads and dynamic mask head.

Shape letters beyond those of `vis_bench.method`: S positions of all feature levels of a frame,
Q queries, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from methods.layers.checkpoint_entries import checkpoint_entries
from methods.layers.deformable_attention import attention_backend
from methods.layers.feature_levels import FeatureLevels, flatten_maps
from methods.layers.full_precision import full_precision
from methods.layers.position_encoding import sine_position_encoding
from methods.layers.state_dict_names import alias_on_load, rename_on_load
from methods.seqformer.best_queries import best_queries
from methods.seqformer.decoder import DecoderOutput, DecoderRecord, QueryDecomposeDecoder
from methods.seqformer.encoder import DeformableEncoder
from methods.seqformer.level_projection import LevelProjection
from methods.seqformer.mask_head import DynamicMaskHead, MaskBranch
from vis_bench.inference.attention import (
    AttentionPart,
    ClipAttention,
    DecoderAttention,
    RecordsAttention,
)
from vis_bench.method import ClipPrediction, FrameFeatures, InputFormat, TrackingRule

STRIDES = (8, 16, 32, 64)
POSITION_OFFSET = -0.5
CLASS_PRIOR = 0.01
# The class head's columns before and after those of the data set's categories 1..K.
EXTRA_COLUMNS = 2

CHECKPOINT_NAMES = [
    (r"detr\.backbone\.0\.body\.", "backbone."),
    (r"detr\.input_proj\.", "level_projection.levels."),
    (r"detr\.transformer\.level_embed$", "level_embedding_LC"),
    (r"detr\.transformer\.encoder\.", "encoder."),
    (r"detr\.transformer\.decoder\.layers\.", "decoder.layers."),
    (r"detr\.transformer\.reference_points\.", "decoder.initial_references."),
    (r"detr\.bbox_embed\.", "decoder.box_heads."),
    (r"detr\.class_embed\.", "class_heads."),
    (r"detr\.query_embed\.", "query_embedding."),
    (r"controller\.", "mask_head.controller."),
    (r"mask_head\.(?=lay|dcn)", "mask_branch."),
]


class SeqFormer(RecordsAttention):
    """The whole method: encoder and mask branch work frame by frame, the decoder on a clip.

    The class head has K + 2 columns with a sigmoid each; column k is category k of the data set,
    counted from 1, and the first and the last column stand for no category. As in the authors'
    script a clip's answer is the `top_k` best pairs of a query and a column; pairs in the two
    columns that stand for no category take part in that choice, but are never emitted.

    Args:
        backbone: maps at strides 8, 16 and 32.
        backbone_name: what records call it.
        encoder: of each frame's tokens.
        decoder: of the clip's queries; holds the box heads.
        mask_branch: mask features of each frame.
        mask_head: masks of chosen queries.
        num_classes: K.
        num_queries: Q.
        width: C.
        top_k: pairs of a query and a column that a clip answers with, and a video.
    """

    input_format = InputFormat(long_side="floor")

    def __init__(
        self,
        *,
        backbone: nn.Module,
        backbone_name: str,
        encoder: DeformableEncoder,
        decoder: QueryDecomposeDecoder,
        mask_branch: MaskBranch,
        mask_head: DynamicMaskHead,
        num_classes: int,
        num_queries: int,
        width: int,
        top_k: int,
    ) -> None:
        super().__init__()
        self.backbone_name = backbone_name
        self.top_k = top_k
        self.tracking_rule = TrackingRule(match_threshold=0.01, min_score=0.0, top_k=top_k)
        self.backbone = backbone
        self.level_projection = LevelProjection(backbone.channels, width, len(STRIDES))
        self.level_embedding_LC = nn.Parameter(torch.randn(len(STRIDES), width))
        self.encoder = encoder
        self.decoder = decoder
        self.query_embedding = nn.Embedding(num_queries, 2 * width)
        self.class_heads = nn.ModuleList(
            nn.Linear(width, num_classes + EXTRA_COLUMNS) for _ in decoder.layers
        )
        for head in self.class_heads:
            nn.init.constant_(head.bias, -math.log((1 - CLASS_PRIOR) / CLASS_PRIOR))
        self.mask_branch = mask_branch
        self.mask_head = mask_head
        # The published model holds its box heads under two names.
        alias_on_load(self, r"detr\.transformer\.decoder\.bbox_embed\.", "detr.bbox_embed.")
        rename_on_load(self, CHECKPOINT_NAMES)
        second_copy = sum(p.numel() for p in decoder.box_heads.parameters())
        self.num_checkpoint_entries = checkpoint_entries(self, not_kept=second_copy)

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """Backbone, encoder and mask branch, all of them frame by frame.

        Maps: `memory` (T, S, C) and `mask_features` (T, 8, H/8, W/8).
        """
        size_HW = (frames_T3HW.shape[-2], frames_T3HW.shape[-1])
        return self.encode_tokens(self.tokens(frames_T3HW), size_HW)

    def tokens(self, frames_T3HW: Tensor) -> Tensor:
        """Backbone and level projection, all levels in one row: (T, S, C)."""
        return flatten_maps(self.level_projection(self.backbone(frames_T3HW)))

    def encode_tokens(self, tokens_TSC: Tensor, size_HW: tuple[int, int]) -> FrameFeatures:
        """Encoder and mask branch: maps `memory` (T, S, C) and `mask_features` (T, 8, H/8, W/8)."""
        levels = FeatureLevels.of_frame(size_HW, STRIDES)
        memory_TSC = self.encoder(tokens_TSC, self._position(levels, tokens_TSC), levels)
        mask_features = self.mask_branch(*levels.maps(memory_TSC)[:3])
        return FrameFeatures({"memory": memory_TSC, "mask_features": mask_features}, size_HW)

    def encode_clip(self, features: FrameFeatures) -> FrameFeatures:
        """The part of the encoder in which frames meet; SeqFormer has none."""
        return features

    def predict_clip(self, features: FrameFeatures, *, boxes: bool = False) -> ClipPrediction:
        """The queries that are among the clip's best pairs of query and column.

        Args:
            features: of exactly the clip's frames.
            boxes: whether the answer has `boxes_NT4`; tracking needs none, and they cost a pass of
                the last box head.
        """
        return self._predict(features, boxes, None)[0]

    @property
    def recorded_layers(self) -> Mapping[AttentionPart, int]:
        """The decoder's deformable attention, and its weights over time."""
        return {"decoder": len(self.decoder.layers)}

    def predict_and_record(self, features: FrameFeatures) -> tuple[ClipPrediction, ClipAttention]:
        """As `predict_clip`, and what the decoder read for the instances."""
        record = DecoderRecord()
        prediction, kept_N = self._predict(features, False, record)
        sampling = record.sampling
        attention = DecoderAttention(
            kept_N,
            torch.stack([locations[:, kept_N] for locations in sampling.locations]),
            torch.stack([weights[:, kept_N] for weights in sampling.weights]),
            torch.stack([weights[:, kept_N] for weights in record.time_weights]),
        )
        return prediction, ClipAttention(decoder=attention)

    def decode(
        self,
        encoded: FrameFeatures,
        *,
        last_boxes: bool = False,
        record: DecoderRecord | None = None,
    ) -> list[DecoderOutput]:
        """The outputs of every decoder layer; heads run only where they are asked for.

        Training with auxiliary losses calls `class_logits` and `masks` for each layer.

        Args:
            encoded: what `encode_clip` returned.
            last_boxes: whether the last layer's box head runs. The boxes of the other layers are
                always there: the next layer starts from them.
            record: gets what each layer reads.
        """
        levels = FeatureLevels.of_frame(encoded.frame_size_HW, STRIDES)
        position_QC, content_QC = self.query_embedding.weight.chunk(2, dim=-1)
        memory_TSC = encoded.maps["memory"]
        return self.decoder(
            content_QC, position_QC, memory_TSC, levels, last_boxes=last_boxes, record=record
        )

    def class_logits(self, output: DecoderOutput, layer: int) -> Tensor:
        """Logits (Q, K + 2) of a decoder layer's instance queries."""
        with full_precision(output.instances_QC.device):
            return self.class_heads[layer](output.instances_QC)

    def masks(self, output: DecoderOutput, encoded: FrameFeatures, queries_N: Tensor) -> Tensor:
        """Mask logits (N, T, H/4, W/4) of chosen queries of a decoder layer."""
        mask_features = encoded.maps["mask_features"]
        centers_TN2 = output.references_TQX[:, queries_N, :2].expand(len(encoded), -1, -1)
        return self.mask_head(
            output.instances_QC[queries_N], centers_TN2, mask_features, encoded.frame_size_HW
        )

    def prepare_for_inference(self) -> None:
        """Folds the backbone's normalization and lays convolutions out with channels last."""
        super().prepare_for_inference()
        self.backbone.prepare_for_inference()
        self.mask_branch.to(memory_format=torch.channels_last)

    def resolved_kernel_backend(self, device: torch.device) -> str:
        """The backend that deformable attention runs on."""
        return attention_backend(self, device)

    def _predict(
        self, features: FrameFeatures, boxes: bool, record: DecoderRecord | None
    ) -> tuple[ClipPrediction, Tensor]:
        """The prediction, and the query of each of its instances."""
        encoded = self.encode_clip(features)
        output = self.decode(encoded, last_boxes=boxes, record=record)[-1]
        class_probs_QK = self.class_logits(output, -1).sigmoid()
        kept_N = best_queries(class_probs_QK, self.top_k)
        masks_NTHW = self.masks(output, encoded, kept_N)
        boxes_TQ4 = output.boxes_TQ4
        boxes_NT4 = None if boxes_TQ4 is None else boxes_TQ4[:, kept_N].transpose(0, 1)
        return ClipPrediction(class_probs_QK[kept_N, 1:-1], masks_NTHW, boxes_NT4), kept_N

    def _position(self, levels: FeatureLevels, tokens_TSC: Tensor) -> Tensor:
        """Sine position plus a learned embedding per level: (S, C)."""
        channels = tokens_TSC.shape[-1]
        encoded = [
            sine_position_encoding(*shape, channels, offset=POSITION_OFFSET, like=tokens_TSC)
            for shape in levels.shapes_L2
        ]
        return torch.cat(
            [level + row for level, row in zip(encoded, self.level_embedding_LC, strict=True)]
        )
