"""SeqFormer: sequential transformer for video instance segmentation.

Wu, Jiang, Bai, Zhang, Bai, ECCV 2022, arXiv 2112.08275; code: github.com/wjf5203/SeqFormer, with
clip-wise inference in github.com/wjf5203/VNext.

backbone -> level projection -> deformable encoder, frame by frame -> query decompose decoder ->
class head, box heads and dynamic mask head.

Shape letters beyond those of `vis_bench.structures`: S positions of all feature levels of a frame,
Q queries, C channels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from methods.layers.backbones import build_backbone
from methods.layers.best_queries import best_queries
from methods.layers.deformable_attention import DeformableAttention, attention_backend
from methods.layers.deformable_encoder import DeformableEncoder, DeformableEncoderLayer
from methods.layers.dynamic_mask_head import DynamicMaskHead, MaskBranch
from methods.layers.feature_levels import FeatureLevels, flatten_maps
from methods.layers.full_precision import full_precision
from methods.layers.level_projection import LevelProjection
from methods.layers.position_encoding import sine_position_encoding
from methods.layers.query_decompose_decoder import (
    DecoderOutput,
    QueryDecomposeDecoder,
    QueryDecomposeLayer,
)
from methods.layers.state_dict_names import alias_on_load, rename_on_load
from vis_bench.errors import InputError
from vis_bench.method import InputFormat, TrackingRule, VISMethod
from vis_bench.structures import ClipPrediction, FrameFeatures

STRIDES = (8, 16, 32, 64)
POSITION_OFFSET = -0.5
CLASS_PRIOR = 0.01
# The class head's columns before and after those of the data set's categories 1..K.
EXTRA_COLUMNS = 2


class SeqFormer(VISMethod):
    """The whole method; modules come in built.

    The class head has K + 2 columns with a sigmoid each; column k is category k of the data set,
    counted from 1, and the first and the last column stand for none. As in the authors' script a
    clip's answer is the `top_k` best pairs of a query and a column; pairs in the two columns that
    stand for no category take part in that choice, but are never emitted.
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

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """Backbone, encoder and mask branch, all of them frame by frame.

        Maps: `memory` (T, S, C) and `mask_features` (T, 8, H/8, W/8).
        """
        maps = self.level_projection(self.backbone(frames_T3HW))
        levels = FeatureLevels(tuple((m.shape[-2], m.shape[-1]) for m in maps))
        tokens_TSC = flatten_maps(maps)
        memory_TSC = self.encoder(tokens_TSC, self._position(levels, tokens_TSC), levels)
        mask_features = self.mask_branch(*levels.maps(memory_TSC)[:3])
        size_HW = (frames_T3HW.shape[-2], frames_T3HW.shape[-1])
        return FrameFeatures({"memory": memory_TSC, "mask_features": mask_features}, size_HW)

    def predict_clip(self, features: FrameFeatures) -> ClipPrediction:
        """The queries that are among the clip's best pairs of query and column."""
        output = self.decode(features)[-1]
        class_probs_QK = self.class_logits(output, -1).sigmoid()
        kept_N = best_queries(class_probs_QK, self.tracking_rule.top_k or 0)
        masks_NTHW = self.masks(output, features, kept_N)
        boxes_NT4 = output.boxes_TQ4[:, kept_N].transpose(0, 1)
        return ClipPrediction(class_probs_QK[kept_N, 1:-1], masks_NTHW, boxes_NT4)

    def decode(self, features: FrameFeatures) -> list[DecoderOutput]:
        """What every decoder layer says; heads run only where they are asked for.

        Training with auxiliary losses calls `class_logits` and `masks` for each layer.
        """
        levels = FeatureLevels.of_frame(features.frame_size_HW, STRIDES)
        position_QC, content_QC = self.query_embedding.weight.chunk(2, dim=-1)
        return self.decoder(content_QC, position_QC, features.maps["memory"], levels)

    def class_logits(self, output: DecoderOutput, layer: int) -> Tensor:
        """Logits (Q, K + 2) of a decoder layer's instance queries."""
        with full_precision(output.instances_QC.device):
            return self.class_heads[layer](output.instances_QC)

    def masks(self, output: DecoderOutput, features: FrameFeatures, queries_N: Tensor) -> Tensor:
        """Mask logits (N, T, H/4, W/4) of chosen queries of a decoder layer."""
        mask_features = features.maps["mask_features"]
        centers_TN2 = output.references_TQX[:, queries_N, :2].expand(len(features), -1, -1)
        return self.mask_head(
            output.instances_QC[queries_N], centers_TN2, mask_features, features.frame_size_HW
        )

    def prepare_for_inference(self) -> None:
        """Folds the backbone's normalisation and lays convolutions out with channels last."""
        super().prepare_for_inference()
        self.backbone.prepare_for_inference()
        self.mask_branch.to(memory_format=torch.channels_last)

    def kernel_backend(self, device: torch.device) -> str:
        """What deformable attention runs on."""
        return attention_backend(self, device)

    def _position(self, levels: FeatureLevels, tokens_TSC: Tensor) -> Tensor:
        """Sine position plus a learned embedding per level: (S, C)."""
        channels = tokens_TSC.shape[-1]
        return torch.cat(
            [
                sine_position_encoding(*shape, channels, offset=POSITION_OFFSET, like=tokens_TSC)
                + embedding_C
                for shape, embedding_C in zip(
                    levels.shapes_L2, self.level_embedding_LC, strict=True
                )
            ]
        )


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
) -> VISMethod:
    """SeqFormer with random weights; the defaults are the published model.

    Args:
        num_classes: K; the class head has two columns more.
        backbone: `r50`, `r101`, `x101`, `swin_l` or `mini`.
        width: channels of all tokens; a multiple of 32 and of `heads`, from 64 up.
        heads: of every attention.
        points: that a query reads per head and level.
        hidden: channels inside the feed-forward parts.
        top_k: pairs of a query and a class that a clip answers with, and a video.
        kernel_backend: of `cuda_ops.ms_deform_attn`.

    Raises:
        InputError: for a value that is not allowed.
    """
    if top_k < 1:
        raise InputError(f"top_k is {top_k}; allowed is a whole number from 1 up")

    def attention() -> DeformableAttention:
        return DeformableAttention(width, heads, len(STRIDES), points, kernel_backend)

    encoder = [DeformableEncoderLayer(attention(), width, hidden) for _ in range(encoder_layers)]
    decoder = [QueryDecomposeLayer(attention(), width, hidden) for _ in range(decoder_layers)]
    return SeqFormer(
        backbone=build_backbone(backbone),
        backbone_name=backbone,
        encoder=DeformableEncoder(encoder),
        decoder=QueryDecomposeDecoder(decoder, width),
        mask_branch=MaskBranch(width, mask_channels),
        mask_head=DynamicMaskHead(width, mask_channels),
        num_classes=num_classes,
        num_queries=num_queries,
        width=width,
        top_k=top_k,
    )
