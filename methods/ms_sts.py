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

from torch import Tensor

from methods.layers.deformable_attention import DeformableAttention
from methods.layers.ms_sts_attention import (
    MSSTSAttention,
    MSSTSEncoderLayer,
    TemporalDecoderLayer,
)
from methods.layers.query_decompose_method import STRIDES, QueryDecomposeMethod
from vis_bench.inference.method import VISMethod
from vis_bench.structures import ClipPrediction, FrameFeatures


class MSSTS(QueryDecomposeMethod):
    """The whole method: the encoder, too, works on a clip.

    All parameters that SeqFormer has too carry the names that they have there, so SeqFormer's
    weights start this method; the rest starts such that the encoder's output stays SeqFormer's.
    """

    reconstruction = True

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """Backbone and level projection; map `tokens` (T, S, C)."""
        size_HW = (frames_T3HW.shape[-2], frames_T3HW.shape[-1])
        return FrameFeatures({"tokens": self.tokens(frames_T3HW)}, size_HW)

    def encode_clip(self, features: FrameFeatures) -> FrameFeatures:
        """Encoder and mask branch: maps `memory` (T, S, C) and `mask_features` (T, 8, H/8, W/8)."""
        return self.encode_tokens(features.maps["tokens"], features.frame_size_HW)

    def predict_clip(self, features: FrameFeatures) -> ClipPrediction:
        """The queries that are among the clip's best pairs of query and column."""
        return self.predict_encoded(self.encode_clip(features))


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

    def attention() -> DeformableAttention:
        return DeformableAttention(width, heads, len(STRIDES), points, kernel_backend)

    def encoder_layer() -> MSSTSEncoderLayer:
        ms_sts = MSSTSAttention(width, ms_sts_width, ms_sts_heads)
        return MSSTSEncoderLayer(attention(), ms_sts, width, hidden)

    return MSSTS.assemble(
        backbone=backbone,
        encoder_layers=[encoder_layer() for _ in range(encoder_layers)],
        decoder_layers=[
            TemporalDecoderLayer(attention(), width, hidden) for _ in range(decoder_layers)
        ],
        num_classes=num_classes,
        num_queries=num_queries,
        width=width,
        mask_channels=mask_channels,
        top_k=top_k,
    )
