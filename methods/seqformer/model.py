"""SeqFormer from frames to a clip's instances (Wu et al., ECCV 2022, section 3).

backbone -> level projection -> deformable encoder, frame by frame -> query decompose decoder ->
class heads, box heads and dynamic mask head.

Shape letters beyond those of `vis_bench.method`: S positions of all feature levels of a frame,
Q queries, C channels.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from methods.layers.backbones import build_backbone
from methods.layers.checkpoint import alias_on_load, checkpoint_entries, rename_on_load
from methods.layers.deformable_attention import (
    AttentionRecord,
    DeformableAttention,
    FeatureLevels,
    attention_backend,
    attention_build,
    flatten_maps,
)
from methods.layers.deformable_encoder import (
    STRIDES,
    DeformableEncoder,
    DeformableEncoderLayer,
    LevelProjection,
    level_positions,
)
from methods.layers.dynamic_masks import DynamicMaskHead, MaskBranch
from methods.layers.option_checks import MAX_LAYERS, check_sizes
from methods.layers.transformer import full_precision
from methods.seqformer.decoder import DecoderOutput, QueryDecomposeDecoder, QueryDecomposeLayer
from vis_bench.attention import AttentionPart, ClipAttention, DecoderAttention, RecordsAttention
from vis_bench.method import ClipPrediction, FrameFeatures, InputFormat, TrackingRule

# Options by name, over the defaults of `build`, which are those of the published model.
VARIANTS: Mapping[str, Mapping[str, object]] = {
    "r50": {"backbone": "r50"},
    "r101": {"backbone": "r101"},
    "x101": {"backbone": "x101"},
    "swin_l": {"backbone": "swin_l"},
    "mini": {
        "backbone": "mini", "width": 64, "heads": 4, "points": 2, "hidden": 256,
        "encoder_layers": 2, "decoder_layers": 3, "num_queries": 20,
    },
}  # fmt: skip

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
SIGNS = {
    r"detr\.detr\.transformer\.decoder\.layers\.\d+\.self_attn_box\.": (
        "a SeqFormer checkpoint of the VNext repository, which method external_video runs,"
    ),
    r"detr\.transformer\.decoder\.layers\.\d+\.self_attn_box\.": "a SeqFormer checkpoint",
    r"decoder\.layers\.\d+\.box_self_attention\.": "a SeqFormer checkpoint of this project",
}


class SeqFormer(RecordsAttention):
    """The whole method: encoder and mask branch work frame by frame, the decoder on a clip.

    The class head has K + 2 columns with a sigmoid each; column k is category k of the data set,
    counted from 1, and the first and the last column stand for no category. As in the authors'
    script a clip's answer is the `top_k` best pairs of a query and a column; pairs in the two
    columns that stand for no category take part in that choice, but are never emitted.

    Args:
        backbone: name of the backbone.
        encoder_layers: of each frame's tokens.
        decoder_layers: of the clip's queries.
        num_classes: K.
        num_queries: Q.
        width: C.
        mask_channels: of the mask features.
        top_k: pairs of a query and a column that a clip answers with, and a video.
    """

    input_format = InputFormat(long_side="floor")
    checkpoint_signs = SIGNS

    def __init__(
        self,
        *,
        backbone: str,
        encoder_layers: Sequence[DeformableEncoderLayer],
        decoder_layers: Sequence[QueryDecomposeLayer],
        num_classes: int,
        num_queries: int,
        width: int,
        mask_channels: int,
        top_k: int,
    ) -> None:
        super().__init__()
        self.backbone_name = backbone
        self.top_k = top_k
        self.tracking_rule = TrackingRule(match_threshold=0.01, min_score=0.0, top_k=top_k)
        self.backbone = build_backbone(backbone)
        # A seed's weights depend on the order in which parts are made, an optimizer's state on the
        # order in which they are assigned.
        decoder = QueryDecomposeDecoder(decoder_layers, width)
        mask_branch = MaskBranch(width, mask_channels)
        mask_head = DynamicMaskHead(width, mask_channels)
        self.level_projection = LevelProjection(self.backbone.channels, width)
        self.level_embedding_LC = nn.Parameter(torch.randn(len(STRIDES), width))
        self.encoder = DeformableEncoder(encoder_layers)
        self.decoder = decoder
        self.query_embedding = nn.Embedding(num_queries, 2 * width)
        self.class_heads = nn.ModuleList(
            nn.Linear(width, num_classes + EXTRA_COLUMNS) for _ in decoder_layers
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
        """Backbone, encoder and mask branch: maps `memory` (T, S, C) and `mask_features`
        (T, 8, H/8, W/8).
        """
        size_HW = (frames_T3HW.shape[-2], frames_T3HW.shape[-1])
        return self.encode_tokens(self.tokens(frames_T3HW), size_HW)

    def tokens(self, frames_T3HW: Tensor) -> Tensor:
        """Backbone and level projection, all levels in one row: (T, S, C)."""
        return flatten_maps(self.level_projection(self.backbone(frames_T3HW)))

    def encode_tokens(self, tokens_TSC: Tensor, size_HW: tuple[int, int]) -> FrameFeatures:
        """Encoder and mask branch: maps `memory` (T, S, C) and `mask_features` (T, 8, H/8, W/8)."""
        levels = FeatureLevels.of_frame(size_HW, STRIDES)
        position_SC = level_positions(levels, self.level_embedding_LC, tokens_TSC)
        memory_TSC = self.encoder(tokens_TSC, position_SC, levels)
        mask_features = self.mask_branch(*levels.maps(memory_TSC)[:3])
        return FrameFeatures({"memory": memory_TSC, "mask_features": mask_features}, size_HW)

    def encode_clip(self, features: FrameFeatures) -> FrameFeatures:
        """Part of the encoder in which frames meet; SeqFormer has none."""
        return features

    def predict_clip(self, features: FrameFeatures, *, boxes: bool = False) -> ClipPrediction:
        """Predict the queries among the clip's best pairs of query and column.

        Args:
            features: of exactly the clip's frames.
            boxes: adds `boxes_NT4`, for a pass of the last box head; tracking needs none.
        """
        return self._predict(features, boxes, None)[0]

    @property
    def recorded_layers(self) -> Mapping[AttentionPart, int]:
        """The decoder's deformable attention, and its weights over time."""
        return {"decoder": len(self.decoder.layers)}

    def predict_and_record(self, features: FrameFeatures) -> tuple[ClipPrediction, ClipAttention]:
        """As `predict_clip`, with the decoder's attention of the instances."""
        record: AttentionRecord = defaultdict(list)
        prediction, kept_N = self._predict(features, False, record)
        parts = (
            torch.stack([layer[:, kept_N] for layer in record[name]])
            for name in ("locations", "weights", "time_weights")
        )
        return prediction, ClipAttention(decoder=DecoderAttention(kept_N, *parts))

    def decode(
        self,
        encoded: FrameFeatures,
        *,
        last_boxes: bool = False,
        record: AttentionRecord | None = None,
    ) -> list[DecoderOutput]:
        """Outputs of every decoder layer, for `class_logits` and `masks`.

        Args:
            encoded: result of `encode_clip`.
            last_boxes: runs the last layer's box head, whose boxes no next layer needs.
            record: gets each layer's attention.
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
        """Fold the backbone's normalization and lay convolutions out with channels last."""
        super().prepare_for_inference()
        self.backbone.prepare_for_inference()
        self.mask_branch.to(memory_format=torch.channels_last)

    def resolved_kernel_backend(self, device: torch.device) -> str:
        """Backend of deformable attention."""
        return attention_backend(self, device)

    def resolved_kernel_build(self, device: torch.device) -> str | None:
        """Compiler and flags of deformable attention."""
        return attention_build(self, device)

    def _predict(
        self, features: FrameFeatures, boxes: bool, record: AttentionRecord | None
    ) -> tuple[ClipPrediction, Tensor]:
        """Prediction, and the query of each of its instances."""
        encoded = self.encode_clip(features)
        output = self.decode(encoded, last_boxes=boxes, record=record)[-1]
        class_probs_QK = self.class_logits(output, -1).sigmoid()
        kept_N = best_queries(class_probs_QK, self.top_k)
        masks_NTHW = self.masks(output, encoded, kept_N)
        boxes_TQ4 = output.boxes_TQ4
        boxes_NT4 = None if boxes_TQ4 is None else boxes_TQ4[:, kept_N].transpose(0, 1)
        return ClipPrediction(class_probs_QK[kept_N, 1:-1], masks_NTHW, boxes_NT4), kept_N


def best_queries(class_probs_QK: Tensor, top_k: int) -> Tensor:
    """Queries of the `top_k` best (query, column) pairs, each once, in order of its best pair.

    The authors' script ranks all pairs together, so that a query may appear under several classes
    (wjf5203/SeqFormer, `inference.py`). Selects on the device; the host waits once, for how many
    they are.
    """
    pairs = class_probs_QK.flatten().topk(min(top_k, class_probs_QK.numel())).indices
    queries_P = pairs // class_probs_QK.shape[-1]
    seen_before_P = (queries_P[:, None] == queries_P).tril(-1).any(1)
    return queries_P[~seen_before_P]


def build(
    *,
    num_classes: int,
    backbone: str = "r50",
    width: int = 256,
    heads: int = 8,
    points: int = 4,
    hidden: int = 1024,
    encoder_layers: int = 6,
    decoder_layers: int = 6,
    num_queries: int = 300,
    mask_channels: int = 8,
    top_k: int = 10,
    kernel_backend: str = "auto",
) -> SeqFormer:
    """SeqFormer with random weights; the defaults are the published model.

    Args:
        num_classes: K; the class head has two more columns.
        backbone: `r50`, `r101`, `x101`, `swin_l` or `mini`.
        width: channels of all tokens; a multiple of 32 and of `heads`, from 64 up.
        heads: of every attention.
        points: read by a query per head and level.
        hidden: channels inside the feed-forward parts.
        encoder_layers, decoder_layers: how many layers each has.
        num_queries: Q.
        mask_channels: of the mask features.
        top_k: pairs of a query and a class that a clip answers with, and a video.
        kernel_backend: of `cuda_ops.ms_deform_attn`.
    """
    check_sizes(MAX_LAYERS, encoder_layers=encoder_layers, decoder_layers=decoder_layers)
    check_sizes(width=width, heads=heads, points=points, hidden=hidden)
    check_sizes(num_queries=num_queries, mask_channels=mask_channels, top_k=top_k)

    def attention() -> DeformableAttention:
        return DeformableAttention(
            width, heads, len(STRIDES), points, kernel_backend, box_projection=True
        )

    return SeqFormer(
        backbone=backbone,
        encoder_layers=[
            DeformableEncoderLayer(attention(), width, hidden) for _ in range(encoder_layers)
        ],
        decoder_layers=[
            QueryDecomposeLayer(attention(), width, hidden) for _ in range(decoder_layers)
        ],
        num_classes=num_classes,
        num_queries=num_queries,
        width=width,
        mask_channels=mask_channels,
        top_k=top_k,
    )
