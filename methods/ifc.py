"""IFC: video instance segmentation with inter-frame communication transformers.

Hwang, Heo, Oh, Kim, NeurIPS 2021, arXiv 2106.03299; code: github.com/sukjunhwang/IFC.

backbone -> token projection -> encoder (frames talk through memory tokens) -> decoder (a query is
an instance of the whole clip) -> class head and spatial decoder. Clips become videos through the
tracker, which follows the paper's section 3.3.

Shape letters beyond those of `vis_bench.structures`: S locations of a frame's stride-32 map, M
memory tokens, Q queries, C channels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from methods.layers.full_precision import full_precision
from methods.layers.ifc_mask_head import SpatialDecoder
from methods.layers.inter_frame_encoder import (
    ClipEncoder,
    DecomposedCommunication,
    EncodedClip,
    FullCommunication,
    InterFrameCommunication,
    NoCommunication,
)
from methods.layers.mlp import MLP
from methods.layers.position_encoding import sine_position_encoding
from methods.layers.resnet import RESNETS, ResNet, ResNetVariant
from methods.layers.state_dict_names import drop_on_load, rename_on_load
from methods.layers.transformer import TransformerDecoderLayer, TransformerEncoderLayer
from vis_bench.errors import InputError
from vis_bench.inference.method import InputFormat, TrackingRule, VISMethod
from vis_bench.structures import ClipPrediction, FrameFeatures

COMMUNICATIONS = ("none", "full", "decomposed", "ifc")
MEMORIES = ("decomposed", "unified")
MAX_MEMORY_TOKENS = 16

# detectron2's `ResizeShortestEdge` with MIN_SIZE_TEST 360 and the default MAX_SIZE_TEST 1333.
TORCHVISION_FORMAT = InputFormat(long_side="round", max_long_side=1333)
# What the original (MSRA's) ResNet-101 was trained on: projects/IFC/configs/R101_ytvis.yaml.
MSRA_FORMAT = replace(
    TORCHVISION_FORMAT,
    channel_order="BGR",
    full_value=255.0,
    mean=(103.530, 116.280, 123.675),
    std=(1.0, 1.0, 1.0),
)


class BackboneVariant(NamedTuple):
    """A backbone, and the input that its weights were trained on."""

    resnet: ResNetVariant
    input_format: InputFormat = TORCHVISION_FORMAT


BACKBONES = {
    "r50": BackboneVariant(RESNETS["r50"]),
    "r101": BackboneVariant(replace(RESNETS["r101"], stride_in_1x1=True), MSRA_FORMAT),
    "x101": BackboneVariant(RESNETS["x101"]),
    "mini": BackboneVariant(RESNETS["mini"]),
}


class ClipDecoder(nn.Module):
    """The transformer decoder: queries attend to all frame and memory tokens of a clip at once
    (section 3.1, "Transformer decoder").
    """

    def __init__(self, layers: list[TransformerDecoderLayer], width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(width)

    def forward(self, queries_QC: Tensor, clip: EncodedClip, position_SC: Tensor) -> list[Tensor]:
        """The queries' content (Q, C) after each layer, normalised; the last is the result.

        Runs in the weights' precision also under autocast: a hundred queries cost little.

        Args:
            queries_QC: the queries' learned positions; their content starts at zero.
            position_SC: the frame tokens' position, the same in every frame.
        """
        values_KC, keys_KC = _clip_memory(clip, position_SC)
        values_KC, keys_KC = values_KC.to(queries_QC.dtype), keys_KC.to(queries_QC.dtype)
        content_QC = torch.zeros_like(queries_QC)
        outputs = []
        with full_precision(queries_QC.device):
            for layer in self.layers:
                content_QC = layer(content_QC, queries_QC, keys_KC, values_KC)
                outputs.append(self.norm(content_QC))
        return outputs


def _clip_memory(clip: EncodedClip, position_SC: Tensor) -> tuple[Tensor, Tensor]:
    """All tokens of a clip in one row, without and with their positions."""
    values_TNC = torch.cat([clip.tokens_TSC, clip.memory_TMC], 1)
    position_NC = torch.cat([position_SC, clip.memory_position_MC.to(position_SC.dtype)])
    return values_TNC.flatten(0, 1), (values_TNC + position_NC).flatten(0, 1)


class IFC(VISMethod):
    """The whole method; modules come in built."""

    tracking_rule = TrackingRule(match_threshold=0.05, min_score=0.01)

    def __init__(
        self,
        *,
        backbone: nn.Module,
        backbone_name: str,
        input_format: InputFormat,
        encoder: ClipEncoder,
        decoder: ClipDecoder,
        spatial_decoder: SpatialDecoder,
        num_classes: int,
        num_queries: int,
        width: int,
    ) -> None:
        super().__init__()
        self.backbone_name = backbone_name
        self.input_format = input_format
        self.backbone = backbone
        self.token_projection = nn.Conv2d(backbone.channels[-1], width, 1)
        self.encoder = encoder
        self.decoder = decoder
        self.query_embedding = nn.Embedding(num_queries, width)
        self.class_head = MLP(width, width, num_classes + 1, 2)
        self.spatial_decoder = spatial_decoder
        # criterion.empty_weight weighs the classes of the training loss.
        drop_on_load(self, r"criterion\.empty_weight")
        rename_on_load(
            self,
            [
                (r"detr\.backbone\.0\.backbone\.", "backbone."),
                (r"detr\.input_proj\.", "token_projection."),
                (r"detr\.transformer\.encoder\.", "encoder."),
                (r"detr\.transformer\.memory_", "encoder.memory_"),
                (r"detr\.transformer\.clip_decoder\.", "decoder."),
                (r"detr\.query_embed\.", "query_embedding."),
                (r"detr\.class_embed\.", "class_head."),
                (r"detr\.mask_head\.", "spatial_decoder."),
            ],
        )

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """Backbone, lateral maps, and the encoder up to where frames first meet.

        Maps: `tokens` (T, S or S + M, C), `lateral_16` and `lateral_8` (T, C, H/16 or H/8, ...);
        where frames never meet, `mask_features` (T, C, H/8, W/8) instead of the laterals.
        """
        maps_8, maps_16, maps_32 = self.backbone(frames_T3HW)
        tokens_TSC = self.token_projection(maps_32).flatten(2).transpose(1, 2)
        position_SC = self._position(maps_32.shape[-2:], tokens_TSC)
        maps = {
            "tokens": self.encoder.encode_frames(tokens_TSC, position_SC),
            "lateral_16": self.spatial_decoder.lateral_16(maps_16),
            "lateral_8": self.spatial_decoder.lateral_8(maps_8),
        }
        size_HW = (frames_T3HW.shape[-2], frames_T3HW.shape[-1])
        if self.encoder.frame_only:
            features = self._mask_features(maps["tokens"], maps, size_HW)
            maps = {"tokens": maps["tokens"], "mask_features": features}
        return FrameFeatures(maps, size_HW)

    def predict_clip(self, features: FrameFeatures) -> ClipPrediction:
        """The queries whose most probable class is not "no object"."""
        outputs, mask_features_TCHW = self.decode(features)
        with full_precision(mask_features_TCHW.device):
            class_probs_QK = self.class_head(outputs[-1]).softmax(-1)
        no_object = class_probs_QK.shape[-1] - 1
        kept_N = (class_probs_QK.argmax(-1) != no_object).nonzero()[:, 0]
        masks_NTHW = self.spatial_decoder.masks(mask_features_TCHW, outputs[-1][kept_N])
        return ClipPrediction(class_probs_QK[kept_N, :no_object], masks_NTHW)

    def decode(self, features: FrameFeatures) -> tuple[list[Tensor], Tensor]:
        """Each decoder layer's queries (Q, C) and the clip's mask features (T, C, H/8, W/8).

        Training with auxiliary losses reads every layer; `class_head` and
        `spatial_decoder.masks` turn queries into predictions.
        """
        clip = self.encode_clip(features)
        position_SC = self._position(_grid(features.frame_size_HW, 32), clip.tokens_TSC)
        outputs = self.decoder(self.query_embedding.weight, clip, position_SC)
        if self.encoder.frame_only:
            return outputs, features.maps["mask_features"]
        maps = features.maps
        return outputs, self._mask_features(clip.tokens_TSC, maps, features.frame_size_HW)

    def encode_clip(self, features: FrameFeatures) -> EncodedClip:
        """The rest of the encoder, where the clip's frames meet."""
        tokens_TNC = features.maps["tokens"]
        position_SC = self._position(_grid(features.frame_size_HW, 32), tokens_TNC)
        return self.encoder.encode_clip(tokens_TNC, position_SC)

    def prepare_for_inference(self) -> None:
        """Folds the backbone's normalisation and lays convolutions out with channels last."""
        super().prepare_for_inference()
        self.backbone.prepare_for_inference()
        self.spatial_decoder.to(memory_format=torch.channels_last)

    def _mask_features(self, tokens_TSC: Tensor, maps: dict, size_HW: tuple[int, int]) -> Tensor:
        encoded_TCHW = tokens_TSC.transpose(1, 2).unflatten(2, _grid(size_HW, 32))
        return self.spatial_decoder(encoded_TCHW, maps["lateral_16"], maps["lateral_8"])

    def _position(self, grid_HW: tuple[int, int], tokens_TSC: Tensor) -> Tensor:
        height, width = grid_HW
        channels = tokens_TSC.shape[-1]
        return sine_position_encoding(height, width, channels, offset=0.0, like=tokens_TSC)


def _grid(size_HW: tuple[int, int], stride: int) -> tuple[int, int]:
    return -(-size_HW[0] // stride), -(-size_HW[1] // stride)


def build(
    *,
    num_classes: int,
    backbone: str = "r50",
    communication: str = "ifc",
    memory_tokens: int = 8,
    memory: str = "decomposed",
    width: int = 256,
    heads: int = 8,
    hidden: int = 2048,
    encoder_layers: int = 3,
    decoder_layers: int = 3,
    num_queries: int = 100,
) -> VISMethod:
    """IFC with random weights; the defaults are the published model.

    Args:
        num_classes: K; the class head has one column more, "no object".
        backbone: `r50`, `r101`, `x101` or `mini`.
        communication: how much of the clip a frame's features see in the encoder:
            `none`, `full`, `decomposed` or `ifc`.
        memory_tokens: 1..16 tokens per frame through which frames talk; for `ifc` only.
        memory: whether a memory token talks to those of its own index (`decomposed`) or to all
            (`unified`); for `ifc` only.
        width: channels of all tokens; a multiple of 32 and of `heads`, from 64 up.
        heads: of every attention.
        hidden: channels inside the feed-forward parts.

    Raises:
        InputError: for a value that is not allowed.
    """
    _check_choice("communication", communication, COMMUNICATIONS)
    _check_choice("memory", memory, MEMORIES)
    if not 1 <= memory_tokens <= MAX_MEMORY_TOKENS:
        raise InputError(f"memory_tokens is {memory_tokens}; allowed is 1 to {MAX_MEMORY_TOKENS}")

    def encoders(count: int) -> list[TransformerEncoderLayer]:
        return [TransformerEncoderLayer(width, heads, hidden) for _ in range(count)]

    _check_choice("backbone", backbone, BACKBONES)
    built_backbone = ResNet(BACKBONES[backbone].resnet)
    encoder: ClipEncoder
    if communication == "none":
        encoder = NoCommunication(encoders(encoder_layers))
    elif communication == "full":
        encoder = FullCommunication(encoders(encoder_layers))
    elif communication == "decomposed":
        encoder = DecomposedCommunication(encoders(encoder_layers), encoders(encoder_layers - 1))
    else:
        encoder = InterFrameCommunication(
            encoders(encoder_layers), encoders(encoder_layers),
            memory_tokens=memory_tokens, channels=width, unified=memory == "unified",
        )  # fmt: skip
    decoder = [TransformerDecoderLayer(width, heads, hidden) for _ in range(decoder_layers)]
    return IFC(
        backbone=built_backbone,
        backbone_name=backbone,
        input_format=BACKBONES[backbone].input_format,
        encoder=encoder,
        decoder=ClipDecoder(decoder, width),
        spatial_decoder=SpatialDecoder(width, *built_backbone.channels[:2]),
        num_classes=num_classes,
        num_queries=num_queries,
        width=width,
    )


def _check_choice(option: str, value: str, allowed: object) -> None:
    if value not in allowed:
        raise InputError(f"{option} is {value!r}; allowed are: {', '.join(allowed)}")
