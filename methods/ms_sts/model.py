"""MS-STS from frames to a clip's instances; a reconstruction, see the package.

backbone -> level projection -> encoder over the whole clip -> decoder -> heads as in SeqFormer.
The encoder looks across frames, so overlapping clips share the backbone and the projection only.

Shape letters beyond those of `vis_bench.method`: S positions of all feature levels of a frame,
P positions of one level, C channels, E channels inside MS-STS attention.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods import seqformer
from methods.layers.deformable_attention import DeformableAttention, FeatureLevels, flatten_maps
from methods.layers.deformable_encoder import STRIDES, DeformableEncoderLayer
from methods.layers.option_checks import MAX_LAYERS, check_sizes, check_switches
from methods.layers.transformer import FeedForward, MultiHeadAttention
from methods.seqformer.decoder import QueryDecomposeLayer
from methods.seqformer.model import SeqFormer
from vis_bench.method import FrameFeatures

# Options by name, over the defaults of `build`.
VARIANTS: Mapping[str, Mapping[str, object]] = {
    **seqformer.VARIANTS,
    "mini": {**seqformer.VARIANTS["mini"], "ms_sts_width": 32, "ms_sts_heads": 4},
}


class IntraScaleAttention(nn.Module):
    """Each location attends over its T frames, then feed-forward; post-norm."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(width, heads)
        self.attention_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width, hidden)

    def forward(self, tokens_TPE: Tensor) -> Tensor:
        """Keep the shape (T, P, E)."""
        tokens_PTE = tokens_TPE.transpose(0, 1)
        attended = self.attention(tokens_PTE, tokens_PTE, tokens_PTE)
        return self.feed_forward(self.attention_norm(tokens_PTE + attended)).transpose(0, 1)


class InterScaleAttention(nn.Module):
    """Each location of a scale attends over its T frames in this scale and in a coarser one."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.fine_projection = nn.Linear(width, width)
        self.coarse_projection = nn.Linear(width, width)
        self.input_norm = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, heads)
        self.attention_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width, hidden)

    def forward(self, fine_TPE: Tensor, coarse_TPE: Tensor) -> Tensor:
        """Update the finer scale's tokens (T, P, E).

        Args:
            coarse_TPE: the coarser scale, resampled to the finer one's grid.
        """
        fine_PTE = self.fine_projection(fine_TPE.transpose(0, 1))
        coarse_PTE = self.coarse_projection(coarse_TPE.transpose(0, 1))
        both_PTE = self.input_norm(torch.cat([fine_PTE, coarse_PTE], 1))
        attended = self.attention(both_PTE[:, : fine_PTE.shape[1]], both_PTE, both_PTE)
        return self.feed_forward(self.attention_norm(fine_PTE + attended)).transpose(0, 1)


class MSSTSAttention(nn.Module):
    """MS-STS module (the paper's figure 3): narrow, attend within scales, then between them, widen.

    From the figure: attention within a scale, then between a scale and the next coarser one, over
    time, in parallel with deformable attention. This project's, where the paper is silent:
    attention runs over the frames at each location; coarser maps are resampled bilinearly; 64
    channels inside, weights shared by all scales, no dropout, and a last projection that starts at
    zero.

    Args:
        width: C.
        inner: E.
        heads: of both attentions.
        intra_scale: tokens attend within their scale.
        inter_scale: they attend between scales; without `intra_scale` to the narrowed tokens.
    """

    def __init__(
        self,
        width: int,
        inner: int,
        heads: int,
        *,
        intra_scale: bool = True,
        inter_scale: bool = True,
    ) -> None:
        super().__init__()
        if not (intra_scale or inter_scale):
            raise ValueError("MS-STS attention needs intra_scale or inter_scale")
        self.narrow = nn.Linear(width, inner)
        hidden = 2 * inner
        self.intra_scale = IntraScaleAttention(inner, heads, hidden) if intra_scale else None
        self.inter_scale = InterScaleAttention(inner, heads, hidden) if inter_scale else None
        self.widen = nn.Linear(inner, width)
        nn.init.zeros_(self.widen.weight)
        nn.init.zeros_(self.widen.bias)

    def forward(self, tokens_TSC: Tensor, levels: FeatureLevels) -> Tensor:
        """Update of the tokens, (T, S, C); all zeros before training.

        No frame order enters: permuted frames give permuted results.
        """
        narrowed_TSE = self.narrow(tokens_TSC)
        intra_TSE = narrowed_TSE if self.intra_scale is None else self.intra_scale(narrowed_TSE)
        if self.inter_scale is None:
            return self.widen(intra_TSE)
        maps, inputs = levels.maps(intra_TSE), levels.maps(narrowed_TSE)
        coarser = [*maps[1:], inputs[-1]]
        resampled = [
            _resample(coarse, shape)
            for coarse, shape in zip(coarser, levels.shapes_L2, strict=True)
        ]
        return self.widen(self.inter_scale(intra_TSE, flatten_maps(resampled)))


def _resample(maps: Tensor, shape: tuple[int, int]) -> Tensor:
    """Maps (T, E, height, width) on another grid that spans the same frame."""
    if maps.shape[-2:] == shape:
        return maps
    return F.interpolate(maps, shape, mode="bilinear", align_corners=False)


class MSSTSEncoderLayer(DeformableEncoderLayer):
    """A deformable encoder layer with MS-STS attention beside the deformable attention."""

    def __init__(
        self, attention: DeformableAttention, ms_sts: MSSTSAttention, width: int, hidden: int
    ) -> None:
        super().__init__(attention, width, hidden)
        self.ms_sts = ms_sts

    def mix(
        self, tokens_TSC: Tensor, position_SC: Tensor, centers_S2: Tensor, levels: FeatureLevels
    ) -> Tensor:
        """Sum of both attentions of the same input."""
        deformable = super().mix(tokens_TSC, position_SC, centers_S2, levels)
        return deformable + self.ms_sts(tokens_TSC, levels)


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


class MSSTS(SeqFormer):
    """SeqFormer whose encoder, too, works on a clip.

    Parameters that SeqFormer also has keep their names, so SeqFormer's weights start this method;
    the others start such that the encoder's output stays SeqFormer's.
    """

    reconstruction = True

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """Backbone and level projection; map `tokens` (T, S, C)."""
        size_HW = (frames_T3HW.shape[-2], frames_T3HW.shape[-1])
        return FrameFeatures({"tokens": self.tokens(frames_T3HW)}, size_HW)

    def encode_clip(self, features: FrameFeatures) -> FrameFeatures:
        """Encoder and mask branch: maps `memory` (T, S, C) and `mask_features` (T, 8, H/8, W/8)."""
        return self.encode_tokens(features.maps["tokens"], features.frame_size_HW)


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
    intra_scale: bool = True,
    inter_scale: bool = True,
    temporal_decoder: bool = True,
    encoder_layers: int = 6,
    decoder_layers: int = 6,
    num_queries: int = 300,
    mask_channels: int = 8,
    top_k: int = 10,
    kernel_backend: str = "auto",
) -> MSSTS:
    """MS-STS with random weights; without any of its three parts it is SeqFormer's network.

    Args:
        num_classes, backbone, points, hidden: as SeqFormer's, and so are those not named here.
        width: channels of all tokens; a multiple of 32 and of `heads`.
        heads: of every attention but MS-STS's.
        ms_sts_width: channels inside MS-STS attention; a multiple of `ms_sts_heads`.
        ms_sts_heads: of MS-STS attention.
        intra_scale: the encoder's tokens attend over time within their scale.
        inter_scale: they attend over time between their scale and the next coarser one; without
            `intra_scale` to tokens that have not attended within their scale.
        temporal_decoder: the decoder's box queries attend over time.
    """
    check_switches(
        intra_scale=intra_scale, inter_scale=inter_scale, temporal_decoder=temporal_decoder
    )
    check_sizes(MAX_LAYERS, encoder_layers=encoder_layers, decoder_layers=decoder_layers)
    check_sizes(width=width, heads=heads, points=points, hidden=hidden)
    check_sizes(ms_sts_width=ms_sts_width, ms_sts_heads=ms_sts_heads)
    check_sizes(num_queries=num_queries, mask_channels=mask_channels, top_k=top_k)

    def attention() -> DeformableAttention:
        return DeformableAttention(
            width, heads, len(STRIDES), points, kernel_backend, box_projection=True
        )

    def encoder_layer() -> DeformableEncoderLayer:
        if not (intra_scale or inter_scale):
            return DeformableEncoderLayer(attention(), width, hidden)
        ms_sts = MSSTSAttention(
            width, ms_sts_width, ms_sts_heads, intra_scale=intra_scale, inter_scale=inter_scale
        )
        return MSSTSEncoderLayer(attention(), ms_sts, width, hidden)

    decoder_layer = TemporalDecoderLayer if temporal_decoder else QueryDecomposeLayer
    return MSSTS(
        backbone=backbone,
        encoder_layers=[encoder_layer() for _ in range(encoder_layers)],
        decoder_layers=[decoder_layer(attention(), width, hidden) for _ in range(decoder_layers)],
        num_classes=num_classes,
        num_queries=num_queries,
        width=width,
        mask_channels=mask_channels,
        top_k=top_k,
    )
