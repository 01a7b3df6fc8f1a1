"""What SeqFormer and methods built on it share: everything around the encoder.

Wu, Jiang, Bai, Zhang, Bai, SeqFormer, ECCV 2022, arXiv 2112.08275; code:
github.com/wjf5203/SeqFormer.

Shape letters beyond those of `vis_bench.structures`: S positions of all feature levels of a frame,
Q queries, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from methods.layers.backbones import build_backbone
from methods.layers.best_queries import best_queries
from methods.layers.deformable_attention import attention_backend
from methods.layers.deformable_encoder import DeformableEncoder
from methods.layers.dynamic_mask_head import DynamicMaskHead, MaskBranch
from methods.layers.feature_levels import FeatureLevels, flatten_maps
from methods.layers.full_precision import full_precision
from methods.layers.level_projection import LevelProjection
from methods.layers.position_encoding import sine_position_encoding
from methods.layers.query_decompose_decoder import DecoderOutput, QueryDecomposeDecoder
from vis_bench.errors import InputError
from vis_bench.inference.method import InputFormat, TrackingRule, VISMethod
from vis_bench.structures import ClipPrediction, FrameFeatures

STRIDES = (8, 16, 32, 64)
POSITION_OFFSET = -0.5
CLASS_PRIOR = 0.01
# The class head's columns before and after those of the data set's categories 1..K.
EXTRA_COLUMNS = 2


class QueryDecomposeMethod(VISMethod):
    """Backbone, level projection, encoder, query decompose decoder, class heads and mask head.

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

    @classmethod
    def assemble(
        cls,
        *,
        backbone: str,
        encoder_layers: Sequence[nn.Module],
        decoder_layers: Sequence[nn.Module],
        num_classes: int,
        num_queries: int,
        width: int,
        mask_channels: int,
        top_k: int,
    ) -> Self:
        """The method around given layers of the encoder and the decoder, with random weights.

        Raises:
            InputError: for a value that is not allowed.
        """
        if top_k < 1:
            raise InputError(f"top_k is {top_k}; allowed is a whole number from 1 up")
        return cls(
            backbone=build_backbone(backbone),
            backbone_name=backbone,
            encoder=DeformableEncoder(encoder_layers),
            decoder=QueryDecomposeDecoder(decoder_layers, width),
            mask_branch=MaskBranch(width, mask_channels),
            mask_head=DynamicMaskHead(width, mask_channels),
            num_classes=num_classes,
            num_queries=num_queries,
            width=width,
            top_k=top_k,
        )

    def tokens(self, frames_T3HW: Tensor) -> Tensor:
        """Backbone and level projection, all levels in one row: (T, S, C)."""
        return flatten_maps(self.level_projection(self.backbone(frames_T3HW)))

    def encode_tokens(self, tokens_TSC: Tensor, size_HW: tuple[int, int]) -> FrameFeatures:
        """Encoder and mask branch: maps `memory` (T, S, C) and `mask_features` (T, 8, H/8, W/8)."""
        levels = FeatureLevels.of_frame(size_HW, STRIDES)
        memory_TSC = self.encoder(tokens_TSC, self._position(levels, tokens_TSC), levels)
        mask_features = self.mask_branch(*levels.maps(memory_TSC)[:3])
        return FrameFeatures({"memory": memory_TSC, "mask_features": mask_features}, size_HW)

    def predict_encoded(self, encoded: FrameFeatures) -> ClipPrediction:
        """The queries that are among the clip's best pairs of query and column."""
        output = self.decode(encoded)[-1]
        class_probs_QK = self.class_logits(output, -1).sigmoid()
        kept_N = best_queries(class_probs_QK, self.tracking_rule.top_k or 0)
        masks_NTHW = self.masks(output, encoded, kept_N)
        boxes_NT4 = output.boxes_TQ4[:, kept_N].transpose(0, 1)
        return ClipPrediction(class_probs_QK[kept_N, 1:-1], masks_NTHW, boxes_NT4)

    def decode(self, encoded: FrameFeatures) -> list[DecoderOutput]:
        """What every decoder layer says; heads run only where they are asked for.

        Training with auxiliary losses calls `class_logits` and `masks` for each layer.
        """
        levels = FeatureLevels.of_frame(encoded.frame_size_HW, STRIDES)
        position_QC, content_QC = self.query_embedding.weight.chunk(2, dim=-1)
        return self.decoder(content_QC, position_QC, encoded.maps["memory"], levels)

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
