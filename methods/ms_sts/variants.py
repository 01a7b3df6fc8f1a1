"""MS-STS's sizes by name, and the model put together from its parts."""

from __future__ import annotations

from collections.abc import Mapping

from methods import seqformer
from methods.layers.deformable_attention import DeformableAttention
from methods.layers.sizes import MAX_LAYERS, check_sizes
from methods.layers.switches import check_switches
from methods.ms_sts.attention import MSSTSAttention
from methods.ms_sts.decoder import TemporalDecoderLayer
from methods.ms_sts.encoder import MSSTSEncoderLayer
from methods.ms_sts.model import MSSTS
from methods.seqformer.decoder import QueryDecomposeLayer
from methods.seqformer.encoder import DeformableEncoderLayer
from methods.seqformer.model import STRIDES
from methods.seqformer.variants import assemble

# Options by name, over the defaults of `build`.
VARIANTS: Mapping[str, Mapping[str, object]] = {
    **seqformer.VARIANTS,
    "mini": {**seqformer.VARIANTS["mini"], "ms_sts_width": 32, "ms_sts_heads": 4},
}


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
        num_classes: K; the class head has two more columns.
        backbone: `r50`, `r101`, `x101`, `swin_l` or `mini`.
        width: channels of all tokens; a multiple of 32 and of `heads`.
        heads: of every attention but MS-STS's.
        points: that a query reads per head and level.
        hidden: channels inside the feed-forward parts.
        ms_sts_width: channels inside MS-STS attention; a multiple of `ms_sts_heads`.
        ms_sts_heads: of MS-STS attention.
        intra_scale: whether the encoder's tokens attend over time within their scale.
        inter_scale: whether they attend over time between their scale and the next coarser one;
            without `intra_scale` to tokens that have not attended within their scale.
        temporal_decoder: whether the decoder's box queries attend over time.
        encoder_layers, decoder_layers: how many layers each has.
        num_queries: Q.
        mask_channels: of the mask features.
        top_k: pairs of a query and a class that a clip answers with, and a video.
        kernel_backend: of `cuda_ops.ms_deform_attn`.

    Raises:
        InputError: for a backbone that does not exist, or a number that is out of range, or
            a part that is neither true nor false.
    """
    check_switches(
        intra_scale=intra_scale, inter_scale=inter_scale, temporal_decoder=temporal_decoder
    )
    check_sizes(MAX_LAYERS, encoder_layers=encoder_layers, decoder_layers=decoder_layers)
    check_sizes(width=width, heads=heads, points=points, hidden=hidden)
    check_sizes(ms_sts_width=ms_sts_width, ms_sts_heads=ms_sts_heads)

    def attention() -> DeformableAttention:
        return DeformableAttention(width, heads, len(STRIDES), points, kernel_backend)

    def encoder_layer() -> DeformableEncoderLayer:
        if not (intra_scale or inter_scale):
            return DeformableEncoderLayer(attention(), width, hidden)
        ms_sts = MSSTSAttention(
            width, ms_sts_width, ms_sts_heads, intra_scale=intra_scale, inter_scale=inter_scale
        )
        return MSSTSEncoderLayer(attention(), ms_sts, width, hidden)

    decoder_layer = TemporalDecoderLayer if temporal_decoder else QueryDecomposeLayer
    return assemble(
        MSSTS,
        backbone=backbone,
        encoder_layers=[encoder_layer() for _ in range(encoder_layers)],
        decoder_layers=[decoder_layer(attention(), width, hidden) for _ in range(decoder_layers)],
        num_classes=num_classes,
        num_queries=num_queries,
        width=width,
        mask_channels=mask_channels,
        top_k=top_k,
    )
