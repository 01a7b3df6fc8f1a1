"""VisTR from frames to a clip's instances (Wang et al., 2021, section 3).

backbone -> token projection -> encoder over all tokens of the clip -> decoder of instance queries
-> class head; attention maps, mask features and 3-D convolutions make the masks.

Shape letters beyond those of `vis_bench.method`: S locations of a frame's stride-32 map, X tokens
of a clip (frame by frame, row by row), Q queries of a clip, C channels, M attention heads. The
queries of a clip stand frame by frame, the instances of each frame in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from methods.layers.checkpoint import checkpoint_entries, rename_on_load
from methods.layers.maps import grid_of, sine_position_encoding
from methods.layers.option_checks import MAX_LAYERS, check_choice, check_sizes
from methods.layers.resnet import RESNETS, ResNet
from methods.layers.transformer import (
    MLP,
    TransformerDecoderLayer,
    TransformerEncoderLayer,
    full_precision,
)
from methods.vistr.masks import AttentionMaps, InstanceMasks, MaskFeatures
from vis_bench.errors import InputError
from vis_bench.method import ClipPrediction, FrameFeatures, TrackingRule, VISMethod

# Options by name, over the defaults of `build`, which are those of the published model.
VARIANTS: Mapping[str, Mapping[str, object]] = {
    "r50": {"backbone": "r50"},
    "r101": {"backbone": "r101"},
}

# The norms of the mask features and the three axes of the position fix both.
WIDTH = 384
HEADS = 8
INSTANCES = 10
# The class head's columns beside those of the categories: an absent object (first), no object.
EXTRA_COLUMNS = 2
# An instance is absent from a frame where its largest probability is below this; the logit of its
# mask there.
PRESENT_PROBABILITY = 0.001
ABSENT_LOGIT = -20.0

CHECKPOINT_NAMES = [
    (r"vistr\.backbone\.0\.body\.", "backbone."),
    (r"vistr\.input_proj\.", "token_projection."),
    (r"vistr\.transformer\.encoder\.", "encoder."),
    (r"vistr\.transformer\.decoder\.", "decoder."),
    (r"vistr\.query_embed\.", "query_embedding."),
    (r"vistr\.class_embed\.", "class_head."),
    (r"vistr\.bbox_embed\.", "box_head."),
    (r"bbox_attention\.", "attention_maps."),
    (r"mask_head\.", "mask_features."),
    (r"insmask_head\.", "instance_masks."),
]
# Epiphqny/VisTR, README, section Models: "without data-loading and post-processing", 36 frames;
# `inference.py` passes one clip at a time and has neither autocast nor a compiler.
PAPER_PROTOCOL = {
    "clip_length": 36, "precision": "float32", "tf32": False, "compile": "none",
    "speed.regions": ["model"],
}  # fmt: skip
SIGNS = {r"vistr\.": "a VisTR checkpoint"}


class TransformerEncoder(nn.Module):
    """Every token attends to every token of the clip."""

    def __init__(self, layers: Sequence[TransformerEncoderLayer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, tokens_XC: Tensor, position_XC: Tensor) -> Tensor:
        """The tokens (X, C) after all layers; no norm follows the last."""
        for layer in self.layers:
            tokens_XC = layer(tokens_XC, position_XC)
        return tokens_XC


class TransformerDecoder(nn.Module):
    """Instance queries attend to each other and to every token of the clip."""

    def __init__(self, layers: Sequence[TransformerDecoderLayer], width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(width)

    def forward(self, queries_QC: Tensor, memory_XC: Tensor, position_XC: Tensor) -> Tensor:
        """The queries' content (Q, C) after the last layer, normalized.

        Runs in the weights' precision also under autocast: a few hundred queries cost little.

        Args:
            queries_QC: the queries' learned positions; their content starts at zero.
            memory_XC: the encoded clip.
            position_XC: of the same tokens.
        """
        values_XC = memory_XC.to(queries_QC.dtype)
        keys_XC = values_XC + position_XC.to(queries_QC.dtype)
        content_QC = torch.zeros_like(queries_QC)
        with full_precision(queries_QC.device):
            for layer in self.layers:
                content_QC = layer(content_QC, queries_QC, keys_XC, values_XC)
            return self.norm(content_QC)


class VisTR(VISMethod):
    """The whole method, for clips of at most `num_frames` frames.

    The queries are made for exactly `num_frames` frames. A shorter clip repeats its frames from
    the start until there are that many, as in the authors' script; their features are computed
    once. A longer video is cut into clips that the tracker joins: the paper (section 4.2) says so,
    but its script does not do it.

    The authors' script leaves dropout on; here it is off. An instance whose winning column stands
    for an absent object has no category and is not emitted.

    Args:
        backbone: maps at strides 4, 8, 16 and 32.
        backbone_name: for records.
        encoder: of the clip's tokens.
        decoder: of the clip's queries.
        num_classes: K; the class head has two more columns.
        num_frames: the most frames of a clip.
    """

    tracking_rule = TrackingRule(match_threshold=0.05, min_score=0.0)
    paper_protocol = PAPER_PROTOCOL
    checkpoint_signs = SIGNS

    def __init__(
        self,
        *,
        backbone: ResNet,
        backbone_name: str,
        encoder: TransformerEncoder,
        decoder: TransformerDecoder,
        num_classes: int,
        num_frames: int,
    ) -> None:
        super().__init__()
        self.backbone_name = backbone_name
        self.num_frames = num_frames
        self.max_clip_length = num_frames
        self.backbone = backbone
        stride_8, stride_16, stride_32 = backbone.channels
        self.token_projection = nn.Conv2d(stride_32, WIDTH, 1)
        self.encoder = encoder
        self.decoder = decoder
        self.query_embedding = nn.Embedding(INSTANCES * num_frames, WIDTH)
        self.class_head = nn.Linear(WIDTH, num_classes + EXTRA_COLUMNS)
        self.box_head = MLP(WIDTH, WIDTH, 4, 3)
        self.attention_maps = AttentionMaps(WIDTH, HEADS)
        laterals = stride_16, stride_8, backbone.stride_4_channels
        self.mask_features = MaskFeatures(WIDTH, HEADS, laterals)
        self.instance_masks = InstanceMasks(self.mask_features.channels)
        rename_on_load(self, CHECKPOINT_NAMES)
        self.num_checkpoint_entries = checkpoint_entries(self)

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """Backbone and the 1x1 convolutions behind it.

        Maps: `tokens` (T, S, C), and `lateral_16`, `lateral_8` and `lateral_4`
        (T, C/2, C/4 or C/8, H/16, ...).
        """
        maps_4, maps_8, maps_16, maps_32 = self.backbone.stage_outputs(frames_T3HW)
        maps = {
            "tokens": self.token_projection(maps_32).flatten(2).transpose(1, 2),
            "lateral_16": self.mask_features.lateral_16(maps_16),
            "lateral_8": self.mask_features.lateral_8(maps_8),
            "lateral_4": self.mask_features.lateral_4(maps_4),
        }
        return FrameFeatures(maps, (frames_T3HW.shape[-2], frames_T3HW.shape[-1]))

    def predict_clip(self, features: FrameFeatures, *, boxes: bool = False) -> ClipPrediction:
        """Predict the clip's ten instances.

        Args:
            features: of exactly the clip's frames, at most `num_frames`.
            boxes: adds `boxes_NT4`, which nothing here needs.
        """
        length = len(features)
        if length > self.num_frames:
            raise InputError(
                f"vistr was given a clip of {length} frames; expected at most {self.num_frames}, "
                "the number of frames of its queries"
            )
        filled = self.fill(features)
        memory_TSC = self.encode_clip(filled)
        content_TNC = self.decode(memory_TSC, features.frame_size_HW)
        with full_precision(content_TNC.device):
            probs_TNC = self.class_head(content_TNC[:length]).softmax(-1)
            boxes_TN4 = self.box_head(content_TNC[:length]).sigmoid() if boxes else None
        class_probs_NK, present_NT = vote(probs_TNC[..., :-1])
        masks_NTHW = self.masks(content_TNC, memory_TSC, filled)[:, :length]
        masks_NTHW.masked_fill_(~present_NT[..., None, None], ABSENT_LOGIT)
        boxes_NT4 = None if boxes_TN4 is None else boxes_TN4.transpose(0, 1)
        return ClipPrediction(class_probs_NK, masks_NTHW, boxes_NT4)

    def fill(self, features: FrameFeatures) -> FrameFeatures:
        """Features of `num_frames` frames, the clip's own repeated from its start."""
        if len(features) == self.num_frames:
            return features
        order = [frame % len(features) for frame in range(self.num_frames)]
        maps = {name: maps[order] for name, maps in features.maps.items()}
        return FrameFeatures(maps, features.frame_size_HW)

    def encode_clip(self, filled: FrameFeatures) -> Tensor:
        """Encoded tokens (T, S, C) of all frames."""
        tokens_TSC = filled.maps["tokens"]
        position_TSC = self._position(tokens_TSC, filled.frame_size_HW)
        memory_XC = self.encoder(tokens_TSC.flatten(0, 1), position_TSC.flatten(0, 1))
        return memory_XC.view(tokens_TSC.shape)

    def decode(self, memory_TSC: Tensor, size_HW: tuple[int, int]) -> Tensor:
        """Content (T, N, C) of the decoded queries."""
        position_XC = self._position(memory_TSC, size_HW).flatten(0, 1)
        content_QC = self.decoder(
            self.query_embedding.weight, memory_TSC.flatten(0, 1), position_XC
        )
        return content_QC.unflatten(0, (self.num_frames, INSTANCES))

    def masks(self, content_TNC: Tensor, memory_TSC: Tensor, filled: FrameFeatures) -> Tensor:
        """Mask logits (N, T, H/4, W/4); one instance at a time, to bound the memory."""
        grid_HW = grid_of(filled.frame_size_HW, 32)
        attention_TNMS = self.attention_maps(content_TNC.to(memory_TSC.dtype), memory_TSC)
        attention_TNMHW = attention_TNMS.unflatten(-1, grid_HW)
        encoded_TCHW = memory_TSC.transpose(1, 2).unflatten(2, grid_HW)
        shared = self.mask_features.shared(encoded_TCHW)
        laterals = [filled.maps[f"lateral_{stride}"] for stride in (16, 8, 4)]
        return torch.stack(
            [
                self.instance_masks(self.mask_features(attention_TMHW, shared, *laterals))
                for attention_TMHW in attention_TNMHW.unbind(1)
            ]
        )

    def prepare_for_inference(self) -> None:
        """Fold the backbone's normalization and lay convolutions out with channels last."""
        super().prepare_for_inference()
        self.backbone.prepare_for_inference()
        self.mask_features.to(memory_format=torch.channels_last)

    def _position(self, tokens_TSC: Tensor, size_HW: tuple[int, int]) -> Tensor:
        """Encoded frames, rows and columns: (T, S, C)."""
        grid = (len(tokens_TSC), *grid_of(size_HW, 32))
        return sine_position_encoding(grid, WIDTH, offset=0.0, like=tokens_TSC).flatten(1, 2)


def vote(probs_TNC: Tensor) -> tuple[Tensor, Tensor]:
    """Let the frames of each instance vote for its class, as the authors' `inference.py` does.

    Every frame votes for its most probable class; the score is the mean of these largest
    probabilities. Where the absent object wins, the instance has no category.

    Args:
        probs_TNC: probabilities of N instances in each frame: first the column of an absent object,
            then those of the K categories, without "no object". The lowest column wins a tie.

    Returns:
        The score at the voted category, 0 elsewhere, (N, K), and whether the instance is present,
        (N, T).
    """
    largest_TN, labels_TN = probs_TNC.max(-1)
    columns_C = torch.arange(probs_TNC.shape[-1], device=probs_TNC.device)
    votes_NC = (labels_TN[..., None] == columns_C).sum(0)
    winner_N = (votes_NC * len(columns_C) - columns_C).argmax(-1)
    scores_N1 = largest_TN.mean(0)[:, None]
    class_probs_NC = torch.where(winner_N[:, None] == columns_C, scores_N1, 0.0)
    return class_probs_NC[:, 1:], (largest_TN >= PRESENT_PROBABILITY).T


def build(
    *,
    num_classes: int,
    backbone: str = "r50",
    num_frames: int = 36,
    hidden: int = 2048,
    encoder_layers: int = 6,
    decoder_layers: int = 6,
) -> VisTR:
    """VisTR with random weights; the defaults are the published model.

    Args:
        num_classes: K; the class head has two more columns.
        backbone: `r50`, `r101`, `x101` or `mini`.
        num_frames: the most frames of a clip; a checkpoint has ten queries for each.
        hidden: channels inside the feed-forward parts.
        encoder_layers, decoder_layers: how many layers each has.
    """
    check_choice("backbone", backbone, RESNETS)
    check_sizes(num_frames=num_frames, hidden=hidden)
    check_sizes(MAX_LAYERS, encoder_layers=encoder_layers, decoder_layers=decoder_layers)
    encoder = [TransformerEncoderLayer(WIDTH, HEADS, hidden) for _ in range(encoder_layers)]
    decoder = [TransformerDecoderLayer(WIDTH, HEADS, hidden) for _ in range(decoder_layers)]
    return VisTR(
        backbone=ResNet(**RESNETS[backbone]),
        backbone_name=backbone,
        encoder=TransformerEncoder(encoder),
        decoder=TransformerDecoder(decoder, WIDTH),
        num_classes=num_classes,
        num_frames=num_frames,
    )
