"""IFC's sizes by name, and the model put together from its parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from methods.ifc.decoder import ClipDecoder
from methods.ifc.encoder import (
    ClipEncoder,
    DecomposedCommunication,
    EncoderWithoutMemory,
    FullCommunication,
    InterFrameCommunication,
    NoCommunication,
)
from methods.ifc.model import IFC
from methods.ifc.spatial_decoder import SpatialDecoder
from methods.layers.detr_transformer import TransformerDecoderLayer, TransformerEncoderLayer
from methods.layers.resnet import RESNETS, ResNet, ResNetVariant
from methods.layers.sizes import MAX_LAYERS, check_sizes
from vis_bench.errors import InputError
from vis_bench.method import ImageRule, InputFormat, TrackingRule

COMMUNICATIONS = ("none", "full", "decomposed", "ifc")
MEMORIES = ("decomposed", "unified")
MAX_MEMORY_TOKENS = 16

# sukjunhwang/IFC: what its video and its image configurations emit.
MODES: Mapping[str, TrackingRule | ImageRule] = {
    "video": TrackingRule(match_threshold=0.05, min_score=0.01),
    "image": ImageRule(max_instances=100),
}

# Options by name, over the defaults of `build`, which are those of the published model.
VARIANTS: Mapping[str, Mapping[str, object]] = {
    "r50": {"backbone": "r50"},
    "r101": {"backbone": "r101"},
    "x101": {"backbone": "x101"},
    "mini": {
        "backbone": "mini", "width": 64, "heads": 4, "hidden": 256, "encoder_layers": 2,
        "decoder_layers": 3, "num_queries": 20,
    },
}  # fmt: skip

# sukjunhwang/IFC, projects/IFC/configs/base_ytvis.yaml; 1333 is detectron2's MAX_SIZE_TEST.
R50_INPUT = InputFormat(long_side="round", max_long_side=1333)
# sukjunhwang/IFC, projects/IFC/configs/R101_ytvis.yaml, for the original (MSRA's) ResNet-101.
R101_INPUT = replace(
    R50_INPUT,
    channel_order="BGR",
    full_value=255.0,
    mean=(103.530, 116.280, 123.675),
    std=(1.0, 1.0, 1.0),
)


class Backbone(NamedTuple):
    """A backbone, and the input that its weights have learned from."""

    resnet: ResNetVariant
    input_format: InputFormat


# The authors have no ResNeXt; here it takes what torchvision's weights take.
BACKBONES: Mapping[str, Backbone] = {
    "r50": Backbone(RESNETS["r50"], R50_INPUT),
    "r101": Backbone(replace(RESNETS["r101"], stride_in_1x1=True), R101_INPUT),
    "x101": Backbone(RESNETS["x101"], R50_INPUT),
    "mini": Backbone(RESNETS["mini"], R50_INPUT),
}


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
    mode: str = "video",
) -> IFC:
    """IFC with random weights; the defaults are the published model.

    Args:
        num_classes: K; the class head has one more column, "no object".
        backbone: `r50`, `r101`, `x101` or `mini`.
        communication: how much of the clip a frame's features see in the encoder:
            `none`, `full`, `decomposed` or `ifc`.
        memory_tokens: 0..16 tokens per frame through which frames talk; for `ifc` only. With 0
            every frame is by itself, as with `none`.
        memory: whether a memory token talks to those of its own index (`decomposed`) or to all
            (`unified`); for `ifc` only.
        width: channels of all tokens; a multiple of 32 and of `heads`, from 64 up.
        heads: of every attention.
        hidden: channels inside the feed-forward parts.
        encoder_layers, decoder_layers: how many layers each has.
        num_queries: Q, the most instances that a clip can have.
        mode: `video` joins clips into tracks; `image` takes single images, as the authors'
            configurations for COCO do.

    Raises:
        InputError: for a backbone, communication, memory or mode that does not exist, or a number
            that is out of range.
    """
    _check_choice("backbone", backbone, BACKBONES)
    _check_choice("communication", communication, COMMUNICATIONS)
    _check_choice("memory", memory, MEMORIES)
    _check_choice("mode", mode, MODES)
    check_sizes(MAX_MEMORY_TOKENS, least=0, memory_tokens=memory_tokens)
    check_sizes(MAX_LAYERS, encoder_layers=encoder_layers, decoder_layers=decoder_layers)
    check_sizes(width=width, heads=heads, hidden=hidden, num_queries=num_queries)

    def encoders(count: int) -> list[TransformerEncoderLayer]:
        return [TransformerEncoderLayer(width, heads, hidden) for _ in range(count)]

    resnet = ResNet(BACKBONES[backbone].resnet)
    encoder: ClipEncoder
    if communication == "none":
        encoder = NoCommunication(encoders(encoder_layers))
    elif communication == "full":
        encoder = FullCommunication(encoders(encoder_layers))
    elif communication == "decomposed":
        encoder = DecomposedCommunication(encoders(encoder_layers), encoders(encoder_layers - 1))
    elif memory_tokens == 0:
        encoder = EncoderWithoutMemory(encoders(encoder_layers))
    else:
        encoder = InterFrameCommunication(
            encoders(encoder_layers), encoders(encoder_layers),
            memory_tokens=memory_tokens, channels=width, unified=memory == "unified",
        )  # fmt: skip
    decoder = [TransformerDecoderLayer(width, heads, hidden) for _ in range(decoder_layers)]
    return IFC(
        backbone=resnet,
        backbone_name=backbone,
        input_format=BACKBONES[backbone].input_format,
        encoder=encoder,
        decoder=ClipDecoder(decoder, width),
        spatial_decoder=SpatialDecoder(width, *resnet.channels[:2]),
        num_classes=num_classes,
        num_queries=num_queries,
        width=width,
        tracking_rule=MODES[mode],
    )


def _check_choice(option: str, value: str, choices: Iterable[str]) -> None:
    choices = list(choices)
    if value not in choices:
        raise InputError(f"{option} is {value!r}; expected one of: {', '.join(choices)}")
