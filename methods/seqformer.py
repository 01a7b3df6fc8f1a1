"""SeqFormer: sequential transformer for video instance segmentation.

Wu, Jiang, Bai, Zhang, Bai, ECCV 2022, arXiv 2112.08275; code: github.com/wjf5203/SeqFormer, with
clip-wise inference in github.com/wjf5203/VNext.

backbone -> level projection -> deformable encoder, frame by frame -> query decompose decoder ->
class head, box heads and dynamic mask head.

Shape letters beyond those of `vis_bench.structures`: S positions of all feature levels of a frame,
Q queries, C channels.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from methods.layers.deformable_attention import DeformableAttention
from methods.layers.deformable_encoder import DeformableEncoderLayer
from methods.layers.query_decompose_decoder import QueryDecomposeLayer
from methods.layers.query_decompose_method import STRIDES, QueryDecomposeMethod
from methods.layers.state_dict_names import alias_on_load, rename_on_load
from vis_bench.inference.method import VISMethod
from vis_bench.structures import ClipPrediction, FrameFeatures


class SeqFormer(QueryDecomposeMethod):
    """The whole method: encoder and mask branch work frame by frame, the decoder on a clip."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        # The published model holds its box heads under two names.
        alias_on_load(self, r"detr\.transformer\.decoder\.bbox_embed\.", "detr.bbox_embed.")
        rename_on_load(self, CHECKPOINT_NAMES)

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """Backbone, encoder and mask branch, all of them frame by frame.

        Maps: `memory` (T, S, C) and `mask_features` (T, 8, H/8, W/8).
        """
        size_HW = (frames_T3HW.shape[-2], frames_T3HW.shape[-1])
        return self.encode_tokens(self.tokens(frames_T3HW), size_HW)

    def predict_clip(self, features: FrameFeatures) -> ClipPrediction:
        """The queries that are among the clip's best pairs of query and column."""
        return self.predict_encoded(features)


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

    def attention() -> DeformableAttention:
        return DeformableAttention(width, heads, len(STRIDES), points, kernel_backend)

    return SeqFormer.assemble(
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
