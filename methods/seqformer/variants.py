"""SeqFormer's sizes by name, and the model put together from its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from methods.layers.backbones import build_backbone
from methods.layers.deformable_attention import DeformableAttention
from methods.layers.sizes import MAX_LAYERS, check_sizes
from methods.seqformer.decoder import QueryDecomposeDecoder, QueryDecomposeLayer
from methods.seqformer.encoder import DeformableEncoder, DeformableEncoderLayer
from methods.seqformer.mask_head import DynamicMaskHead, MaskBranch
from methods.seqformer.model import STRIDES, SeqFormer

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

Method = TypeVar("Method", bound=SeqFormer)


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
        points: that a query reads per head and level.
        hidden: channels inside the feed-forward parts.
        encoder_layers, decoder_layers: how many layers each has.
        num_queries: Q.
        mask_channels: of the mask features.
        top_k: pairs of a query and a class that a clip answers with, and a video.
        kernel_backend: of `cuda_ops.ms_deform_attn`.

    Raises:
        InputError: for a backbone that does not exist, or a number that is out of range.
    """
    check_sizes(MAX_LAYERS, encoder_layers=encoder_layers, decoder_layers=decoder_layers)
    check_sizes(width=width, heads=heads, points=points, hidden=hidden)

    def attention() -> DeformableAttention:
        return DeformableAttention(width, heads, len(STRIDES), points, kernel_backend)

    return assemble(
        SeqFormer,
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


def assemble(
    kind: type[Method],
    *,
    backbone: str,
    encoder_layers: Sequence[DeformableEncoderLayer],
    decoder_layers: Sequence[QueryDecomposeLayer],
    num_classes: int,
    num_queries: int,
    width: int,
    mask_channels: int,
    top_k: int,
) -> Method:
    """SeqFormer, or a method of its kind, around the given layers of encoder and decoder.

    Raises:
        InputError: for a backbone that does not exist, or a number that is out of range.
    """
    check_sizes(num_queries=num_queries, mask_channels=mask_channels, top_k=top_k)
    return kind(
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
