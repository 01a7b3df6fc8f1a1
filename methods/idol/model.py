"""IDOL from frames to tracks (Wu et al., ECCV 2022, section 3).

backbone -> level projection -> deformable encoder -> deformable decoder -> class, box, mask and
embedding heads, all frame by frame; then the tracker, whose memory is the state.

Shape letters beyond those of `vis_bench.method`: S positions of all feature levels of a frame,
N detections of a frame, X 2 or 4 of a point or a box.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from methods.idol.tracker import DROPPED, Detected, follow, kept_masks, selected_queries
from methods.layers.backbones import build_backbone
from methods.layers.boxes import box_heads, inverse_sigmoid, refined_boxes
from methods.layers.checkpoint import alias_on_load, checkpoint_entries, rename_on_load
from methods.layers.deformable_attention import (
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
from methods.layers.maps import grid_of
from methods.layers.option_checks import MAX_LAYERS, check_shares, check_sizes
from methods.layers.padding import pad_to_multiple, padded_size
from methods.layers.transformer import MLP, FeedForward, MultiHeadAttention, full_precision
from vis_bench.method import (
    ClipPrediction,
    FrameFeatures,
    InputFormat,
    OnlineMethod,
    Padding,
    State,
    TrackingRule,
)

OVIS = {"mask_iou": 0.3, "new_score": 0.3}
# Options by name, over the defaults of `build`, which are those of YouTube-VIS 2019 and 2021.
VARIANTS: Mapping[str, Mapping[str, object]] = {
    "r50": {"backbone": "r50"},
    "r101": {"backbone": "r101"},
    "swin_l": {"backbone": "swin_l"},
    "r50_ovis": {"backbone": "r50", **OVIS},
    "r101_ovis": {"backbone": "r101", **OVIS},
    "swin_l_ovis": {"backbone": "swin_l", **OVIS},
    "mini": {
        "backbone": "mini", "width": 64, "heads": 4, "points": 2, "hidden": 256,
        "encoder_layers": 2, "decoder_layers": 3, "num_queries": 20,
    },
}  # fmt: skip

PAD_TO = 32
CLASS_PRIOR = 0.01
# A track is emitted under every class whose mean probability is above this.
MIN_CLASS_SCORE = 0.05
# Queries whose masks are computed together; bounds the memory.
QUERIES_AT_ONCE = 64
# Mask logit in frames without a sighting.
ABSENT = -1.0

CHECKPOINT_NAMES = [
    (r"detr\.detr\.backbone\.0\.backbone\.", "backbone."),
    (r"detr\.detr\.input_proj\.", "level_projection.levels."),
    (r"detr\.detr\.transformer\.level_embed$", "level_embedding_LC"),
    (r"detr\.detr\.transformer\.encoder\.", "encoder."),
    (r"detr\.detr\.transformer\.decoder\.layers\.", "decoder.layers."),
    (r"detr\.detr\.transformer\.reference_points\.", "decoder.initial_references."),
    (r"detr\.detr\.bbox_embed\.", "decoder.box_heads."),
    (r"detr\.detr\.class_embed\.", "class_heads."),
    (r"detr\.detr\.query_embed\.", "query_embedding."),
    (r"detr\.controller\.", "mask_head.controller."),
    (r"detr\.mask_head\.(?=lay|dcn)", "mask_branch."),
    (r"detr\.reid_embed_head\.", "embedding_head."),
]
SIGNS = {
    r"detr\.reid_embed_head\.": "an IDOL checkpoint of the VNext repository",
    r"embedding_head\.": "an IDOL checkpoint of this project",
}


class DeformableDecoderLayer(nn.Module):
    """Self-attention among a frame's queries, deformable attention to its memory, feed-forward;
    post-norm.
    """

    def __init__(self, cross_attention: DeformableAttention, width: int, hidden: int) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(width, cross_attention.heads)
        self.self_attention_norm = nn.LayerNorm(width)
        self.cross_attention = cross_attention
        self.cross_attention_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width, hidden)
        rename_on_load(
            self,
            [
                (r"self_attn\.", "self_attention."),
                (r"norm2\.", "self_attention_norm."),
                (r"cross_attn\.", "cross_attention."),
                (r"norm1\.", "cross_attention_norm."),
                (r"(linear\d\.)", r"feed_forward.\1"),
                (r"norm3\.", "feed_forward.norm."),
            ],
        )

    def forward(
        self,
        queries_TQC: Tensor,
        position_QC: Tensor,
        references_TQX: Tensor,
        memory_TSC: Tensor,
        levels: FeatureLevels,
    ) -> Tensor:
        """Refine the queries, (T, Q, C).

        Args:
            queries_TQC, references_TQX: with a first dimension of 1 in the first layer, where every
                frame starts from the same.
        """
        placed = queries_TQC + position_QC
        attended = self.self_attention(placed, placed, queries_TQC)
        queries_TQC = self.self_attention_norm(queries_TQC + attended)
        placed = queries_TQC + position_QC
        read_TQC = self.cross_attention(placed, references_TQX, memory_TSC, levels)
        queries_TQC = self.cross_attention_norm(queries_TQC + read_TQC)
        return self.feed_forward(queries_TQC)


class DeformableDecoder(nn.Module):
    """Decoder of Deformable DETR with box refinement (Zhu et al., 2021, section 4): layers, each
    followed by a box head that refines the references of the next.
    """

    def __init__(self, layers: Sequence[DeformableDecoderLayer], width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.box_heads = box_heads(width, len(self.layers))
        self.initial_references = nn.Linear(width, 2)

    def forward(
        self, content_QC: Tensor, position_QC: Tensor, memory_TSC: Tensor, levels: FeatureLevels
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Decode each frame by itself, in the weights' precision also under autocast.

        Returns:
            Of the last layer the queries (T, Q, C), their boxes (T, Q, 4; cx, cy, w, h in 0..1 of
            the frame), and the centers (T, Q, 2) of the references that entered it.
        """
        memory_TSC = memory_TSC.to(content_QC.dtype)
        with full_precision(content_QC.device):
            queries_TQC = content_QC[None]
            boxes_TQX = self.initial_references(position_QC).sigmoid()[None]
            for layer, box_head in zip(self.layers, self.box_heads, strict=True):
                references_TQX = boxes_TQX
                queries_TQC = layer(queries_TQC, position_QC, references_TQX, memory_TSC, levels)
                boxes_TQX = refined_boxes(inverse_sigmoid(references_TQX), box_head(queries_TQC))
        centers_TQ2 = references_TQX[..., :2].expand(len(queries_TQC), -1, -1)
        return queries_TQC, boxes_TQX, centers_TQ2


class IDOL(OnlineMethod):
    """The whole method.

    Args:
        backbone: name of the backbone.
        encoder_layers: of each frame's tokens.
        decoder_layers: of each frame's queries.
        num_classes: K; the class head has a sigmoid for each.
        num_queries: Q.
        width: C.
        mask_channels: of the mask features.
        mask_iou: above it a detection's mask suppresses worse ones.
        new_score: above it a detection that matches nothing becomes a new identity.
    """

    # 0..255, as the authors' configurations have them.
    input_format = InputFormat(
        full_value=255.0,
        mean=(123.675, 116.280, 103.530),
        std=(58.395, 57.120, 57.375),
        long_side="round",
        max_long_side=1333,
    )
    tracking_rule = TrackingRule(min_score=MIN_CLASS_SCORE, keep_empty=True)
    checkpoint_signs = SIGNS

    def __init__(
        self,
        *,
        backbone: str,
        encoder_layers: Sequence[DeformableEncoderLayer],
        decoder_layers: Sequence[DeformableDecoderLayer],
        num_classes: int,
        num_queries: int,
        width: int,
        mask_channels: int,
        mask_iou: float,
        new_score: float,
    ) -> None:
        super().__init__()
        self.backbone_name = backbone
        self.num_classes, self.mask_iou, self.new_score = num_classes, mask_iou, new_score
        self.backbone = build_backbone(backbone)
        self.level_projection = LevelProjection(self.backbone.channels, width)
        self.level_embedding_LC = nn.Parameter(torch.randn(len(STRIDES), width))
        self.encoder = DeformableEncoder(encoder_layers)
        self.decoder = DeformableDecoder(decoder_layers, width)
        self.query_embedding = nn.Embedding(num_queries, 2 * width)
        # The last one's is the prediction; the others are learned with it.
        self.class_heads = nn.ModuleList(nn.Linear(width, num_classes) for _ in decoder_layers)
        for head in self.class_heads:
            nn.init.constant_(head.bias, -math.log((1 - CLASS_PRIOR) / CLASS_PRIOR))
        self.mask_branch = MaskBranch(width, mask_channels)
        self.mask_head = DynamicMaskHead(width, mask_channels)
        self.embedding_head = MLP(width, width, width, 3)
        # The published model holds its box heads under two names.
        alias_on_load(
            self, r"detr\.detr\.transformer\.decoder\.bbox_embed\.", "detr.detr.bbox_embed."
        )
        rename_on_load(self, CHECKPOINT_NAMES)
        second_copy = sum(p.numel() for p in self.decoder.box_heads.parameters())
        self.num_checkpoint_entries = checkpoint_entries(self, not_kept=second_copy)

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """The network but for the heads of chosen queries.

        Maps: `queries` (T, Q, C), `class_probs` (T, Q, K), `boxes` (T, Q, 4), `centers` (T, Q, 2),
        which the mask head counts its coordinates from, and `mask_features` (T, 8, H/8, W/8) of the
        padded frame.
        """
        size_HW = (frames_T3HW.shape[-2], frames_T3HW.shape[-1])
        levels = padded_levels(size_HW)
        maps = self.backbone(pad_to_multiple(frames_T3HW, PAD_TO))
        tokens_TSC = flatten_maps(self.level_projection(maps))
        position_SC = level_positions(levels, self.level_embedding_LC, tokens_TSC)
        memory_TSC = self.encoder(tokens_TSC, position_SC, levels)
        position_QC, content_QC = self.query_embedding.weight.chunk(2, dim=-1)
        queries_TQC, boxes_TQ4, centers_TQ2 = self.decoder(
            content_QC, position_QC, memory_TSC, levels
        )
        with full_precision(queries_TQC.device):
            class_probs_TQK = self.class_heads[-1](queries_TQC).sigmoid()
        features = {
            "queries": queries_TQC,
            "class_probs": class_probs_TQK,
            "boxes": boxes_TQ4,
            "centers": centers_TQ2,
            "mask_features": self.mask_branch(*levels.maps(memory_TSC)[:3]),
        }
        return FrameFeatures(features, size_HW)

    @torch.compiler.disable
    def predict_next(
        self, features: FrameFeatures, state: State | None
    ) -> tuple[ClipPrediction, State]:
        """Detect and follow frame by frame.

        A track's class probabilities are the mean over its sightings so far; zeros withdraw it.
        """
        found = [self.detect(features, t) for t in range(len(features))]
        masks_TNHW = [masks_NHW for _, masks_NHW in found]
        frame_HW = features.frame_size_HW
        padding = Padding(frame_HW, padded_size(frame_HW, PAD_TO), to_video="nearest")
        if masks_TNHW[0].is_meta:
            # FLOPs are counted on shapes, where every query is a detection and nothing can be
            # compared; the tracker's part is too small to count.
            probs_NK = found[-1][0].class_probs_NK
            masks_NTHW = torch.stack(masks_TNHW, 1)
            return ClipPrediction(probs_NK, masks_NTHW, None, range(len(probs_NK)), padding), {}
        probs: dict[int, Tensor] = {}
        places: list[tuple[int, int, int]] = []  # track, frame, row of the frame's detections
        for t, (detections, _) in enumerate(found):
            tracks, state = follow(detections.on_host(), state, self.new_score)
            for row, track in enumerate(tracks.tracks_N.tolist()):
                if track != DROPPED:
                    probs[track] = tracks.class_probs_NK[row]
                    places.append((track, t, row))
            probs |= {track: torch.zeros(self.num_classes) for track in tracks.withdrawn}
        assert state is not None, "a clip has frames"
        rows = {track: row for row, track in enumerate(probs)}
        shape = (len(rows), len(features), *masks_TNHW[0].shape[-2:])
        masks_NTHW = masks_TNHW[0].new_full(shape, ABSENT)
        for track, t, row in places:
            masks_NTHW[rows[track], t] = masks_TNHW[t][row]
        probs_NK = torch.stack([*probs.values()]) if probs else torch.zeros(0, self.num_classes)
        return ClipPrediction(probs_NK, masks_NTHW, None, [*probs], padding), state

    def detect(self, features: FrameFeatures, t: int) -> tuple[Detected, Tensor]:
        """Detections of a frame and their mask logits (N, H/4, W/4), best first.

        Masks are computed for queries that pass the NMS of boxes, embeddings for those that pass
        the NMS of masks.
        """
        frame = {name: tensor[t] for name, tensor in features.maps.items()}
        queries_N = selected_queries(frame["class_probs"], frame["boxes"])
        masks_NHW = torch.cat(
            [
                self.mask_head(
                    frame["queries"][some],
                    frame["centers"][None, some],
                    frame["mask_features"][None],
                    features.frame_size_HW,
                )[:, 0]
                for some in queries_N.split(QUERIES_AT_ONCE)
            ]
        )
        kept_N = kept_masks(masks_NHW, self.mask_iou)
        queries_N = queries_N[kept_N]
        with full_precision(masks_NHW.device):
            embeddings_NC = self.embedding_head(frame["queries"][queries_N])
        return Detected(frame["class_probs"][queries_N], embeddings_NC), masks_NHW[kept_N]

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


def padded_levels(frame_HW: tuple[int, int]) -> FeatureLevels:
    """Levels of a padded frame, and their cells that show it.

    At strides 8, 16 and 32 a cell shows what its first pixel shows, as nearest sampling of a mask
    of the padding gives it. At stride 64 the authors sample the mask of stride 8, so that a cell
    may show another place than the convolution that made it.
    """
    padded_HW = padded_size(frame_HW, PAD_TO)
    shapes = [grid_of(padded_HW, stride) for stride in STRIDES]
    valid = [grid_of(frame_HW, stride) for stride in STRIDES[:-1]]
    valid.append(
        tuple(
            sum(index * fine // coarse < shown for index in range(coarse))
            for coarse, fine, shown in zip(shapes[-1], shapes[0], valid[0], strict=True)
        )
    )
    return FeatureLevels(tuple(shapes), None if valid == shapes else tuple(valid))


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
    mask_iou: float = 0.5,
    new_score: float = 0.2,
    kernel_backend: str = "auto",
) -> IDOL:
    """IDOL with random weights; the defaults are the model published for YouTube-VIS.

    Args:
        num_classes: K.
        backbone: `r50`, `r101`, `x101`, `swin_l` or `mini`.
        width: channels of all tokens; a multiple of 32 and of `heads`, from 64 up.
        heads: of every attention.
        points: read by a query per head and level.
        hidden: channels inside the feed-forward parts.
        encoder_layers, decoder_layers: how many layers each has.
        num_queries: Q, the most detections of a frame.
        mask_channels: of the mask features.
        mask_iou: above it a detection's mask suppresses worse ones; 0.3 for OVIS.
        new_score: above it a detection that matches nothing becomes a new identity; 0.3 for OVIS.
        kernel_backend: of `cuda_ops.ms_deform_attn`.
    """
    check_sizes(MAX_LAYERS, encoder_layers=encoder_layers, decoder_layers=decoder_layers)
    check_sizes(width=width, heads=heads, points=points, hidden=hidden)
    check_sizes(num_queries=num_queries, mask_channels=mask_channels)
    check_shares(mask_iou=mask_iou, new_score=new_score)

    def attention() -> DeformableAttention:
        return DeformableAttention(width, heads, len(STRIDES), points, kernel_backend)

    return IDOL(
        backbone=backbone,
        encoder_layers=[
            DeformableEncoderLayer(attention(), width, hidden) for _ in range(encoder_layers)
        ],
        decoder_layers=[
            DeformableDecoderLayer(attention(), width, hidden) for _ in range(decoder_layers)
        ],
        num_classes=num_classes,
        num_queries=num_queries,
        width=width,
        mask_channels=mask_channels,
        mask_iou=mask_iou,
        new_score=new_score,
    )
