"""MS-STS VIS: SeqFormer with multi-scale spatio-temporal split attention. A reconstruction.

Thawakar, Narayan, Cao, Cholakkal, Anwer, Khan, Felsberg, Khan, "Video Instance Segmentation via
Multi-scale Spatio-temporal Split Attention Transformer", ECCV 2022, arXiv 2203.13253.

Published: the paper (an encoder with attention within and between scales over time beside
deformable attention; temporal attention of the decoder's box queries; a discriminator in
training), its numbers, and in the authors' repository (github.com/OmkarThawakar/MSSTS-VIS)
SeqFormer's code with a discriminator that nothing calls. Chosen here: everything about the module
that the figure leaves open, see `methods.layers.ms_sts_attention`. With ResNet-50 the outcome has
the paper's number of parameters, 50.6 M.

backbone -> level projection -> encoder over the whole clip -> decoder -> heads as in SeqFormer.
The encoder looks across frames, so overlapping clips share the backbone and the projection only.

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
from methods.layers.deformable_encoder import DeformableEncoder
from methods.layers.dynamic_mask_head import DynamicMaskHead, MaskBranch
from methods.layers.feature_levels import FeatureLevels, flatten_maps
from methods.layers.level_projection import LevelProjection
from methods.layers.ms_sts_attention import (
    MSSTSAttention,
    MSSTSEncoderLayer,
    TemporalDecoderLayer,
)
from methods.layers.position_encoding import sine_position_encoding
from methods.layers.query_decompose_decoder import DecoderOutput, QueryDecomposeDecoder
from vis_bench.errors import InputError
from vis_bench.method import InputFormat, TrackingRule, VISMethod
from vis_bench.structures import ClipPrediction, FrameFeatures

STRIDES = (8, 16, 32, 64)
POSITION_OFFSET = -0.5
CLASS_PRIOR = 0.01
# The class head's columns before and after those of the data set's categories 1..K, as SeqFormer's.
EXTRA_COLUMNS = 2


class MSSTS(VISMethod):
    """The whole method; modules come in built.

    All parameters that SeqFormer has too carry the names that they have there, so SeqFormer's
    weights start this method; the rest starts such that the encoder's output stays SeqFormer's.
    """

    input_format = InputFormat(long_side="floor")
    reconstruction = True

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

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """Backbone and level projection; map `tokens` (T, S, C)."""
        tokens_TSC = flatten_maps(self.level_projection(self.backbone(frames_T3HW)))
        size_HW = (frames_T3HW.shape[-2], frames_T3HW.shape[-1])
        return FrameFeatures({"tokens": tokens_TSC}, size_HW)

    def encode_clip(self, features: FrameFeatures) -> FrameFeatures:
        """Encoder and mask branch: maps `memory` (T, S, C) and `mask_features` (T, 8, H/8, W/8)."""
        levels = FeatureLevels.of_frame(features.frame_size_HW, STRIDES)
        tokens_TSC = features.maps["tokens"]
        memory_TSC = self.encoder(tokens_TSC, self._position(levels, tokens_TSC), levels)
        mask_features = self.mask_branch(*levels.maps(memory_TSC)[:3])
        maps = {"memory": memory_TSC, "mask_features": mask_features}
        return FrameFeatures(maps, features.frame_size_HW)

    def predict_clip(self, features: FrameFeatures) -> ClipPrediction:
        """The queries that are among the clip's best pairs of query and column."""
        encoded = self.encode_clip(features)
        output = self.decode(encoded)[-1]
        class_probs_QK = self.class_logits(output, -1).sigmoid()
        kept_N = best_queries(class_probs_QK, self.tracking_rule.top_k or 0)
        masks_NTHW = self.masks(output, encoded, kept_N)
        boxes_NT4 = output.boxes_TQ4[:, kept_N].transpose(0, 1)
        return ClipPrediction(class_probs_QK[kept_N, 1:-1], masks_NTHW, boxes_NT4)

    def decode(self, encoded: FrameFeatures) -> list[DecoderOutput]:
        """What every decoder layer says about a clip that `encode_clip` has encoded."""
        levels = FeatureLevels.of_frame(encoded.frame_size_HW, STRIDES)
        position_QC, content_QC = self.query_embedding.weight.chunk(2, dim=-1)
        return self.decoder(content_QC, position_QC, encoded.maps["memory"], levels)

    def class_logits(self, output: DecoderOutput, layer: int) -> Tensor:
        """Logits (Q, K + 2) of a decoder layer's instance queries."""
        return self.class_heads[layer](output.instances_QC)

    def masks(self, output: DecoderOutput, encoded: FrameFeatures, queries_N: Tensor) -> Tensor:
        """Mask logits (N, T, H/4, W/4) of chosen queries of a decoder layer."""
        mask_features = encoded.maps["mask_features"]
        centers_TN2 = output.references_TQX[:, queries_N, :2].expand(len(encoded), -1, -1)
        return self.mask_head(
            output.instances_QC[queries_N], centers_TN2, mask_features, encoded.frame_size_HW
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
        encoded = [
            sine_position_encoding(*shape, channels, offset=POSITION_OFFSET, like=tokens_TSC)
            for shape in levels.shapes_L2
        ]
        return torch.cat(
            [level + row for level, row in zip(encoded, self.level_embedding_LC, strict=True)]
        )


def build(
    *,
    num_classes: int,
    backbone: str = "r50",
    width: int = 256,
    heads: int = 8,
    points: int = 4,
    hidden: int = 1024,
    ms_sts_width: int = 64,
    ms_sts_heads: int = 4,
    encoder_layers: int = 6,
    decoder_layers: int = 6,
    num_queries: int = 300,
    mask_channels: int = 8,
    top_k: int = 10,
    kernel_backend: str = "auto",
) -> VISMethod:
    """MS-STS with random weights; the defaults have the published model's size.

    Args:
        num_classes: K; the class head has two columns more.
        backbone: `r50`, `r101`, `x101`, `swin_l` or `mini`.
        width: channels of all tokens; a multiple of 32 and of `heads`.
        heads: of every attention but MS-STS's.
        points: that a query reads per head and level.
        hidden: channels inside the feed-forward parts.
        ms_sts_width: channels inside MS-STS attention; a multiple of `ms_sts_heads`.
        ms_sts_heads: of MS-STS attention.
        top_k: pairs of a query and a class that a clip answers with, and a video.
        kernel_backend: of `cuda_ops.ms_deform_attn`.

    Raises:
        InputError: for a value that is not allowed.
    """
    if top_k < 1:
        raise InputError(f"top_k is {top_k}; allowed is a whole number from 1 up")

    def attention() -> DeformableAttention:
        return DeformableAttention(width, heads, len(STRIDES), points, kernel_backend)

    def encoder_layer() -> MSSTSEncoderLayer:
        ms_sts = MSSTSAttention(width, ms_sts_width, ms_sts_heads)
        return MSSTSEncoderLayer(attention(), ms_sts, width, hidden)

    decoder = [TemporalDecoderLayer(attention(), width, hidden) for _ in range(decoder_layers)]
    return MSSTS(
        backbone=build_backbone(backbone),
        backbone_name=backbone,
        encoder=DeformableEncoder([encoder_layer() for _ in range(encoder_layers)]),
        decoder=QueryDecomposeDecoder(decoder, width),
        mask_branch=MaskBranch(width, mask_channels),
        mask_head=DynamicMaskHead(width, mask_channels),
        num_classes=num_classes,
        num_queries=num_queries,
        width=width,
        top_k=top_k,
    )
