"""VisTR's sizes by name, and the model put together from its parts."""

from __future__ import annotations

from collections.abc import Mapping

from methods.layers.detr_transformer import TransformerDecoderLayer, TransformerEncoderLayer
from methods.layers.resnet import RESNETS, ResNet
from methods.layers.sizes import MAX_LAYERS, check_sizes
from methods.vistr.model import VisTR
from methods.vistr.transformer import ClipDecoder, ClipEncoder
from vis_bench.errors import InputError

# Options by name, over the defaults of `build`, which are those of the published model.
VARIANTS: Mapping[str, Mapping[str, object]] = {
    "r50": {"backbone": "r50"},
    "r101": {"backbone": "r101"},
}

# The norms of the mask features and the three axes of the position fix both.
WIDTH = 384
HEADS = 8


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

    Raises:
        InputError: for a backbone that does not exist, or a number that is out of range.
    """
    if backbone not in RESNETS:
        raise InputError(f"backbone is {backbone!r}; expected one of: {', '.join(RESNETS)}")
    check_sizes(num_frames=num_frames, hidden=hidden)
    check_sizes(MAX_LAYERS, encoder_layers=encoder_layers, decoder_layers=decoder_layers)
    encoder = [TransformerEncoderLayer(WIDTH, HEADS, hidden) for _ in range(encoder_layers)]
    decoder = [TransformerDecoderLayer(WIDTH, HEADS, hidden) for _ in range(decoder_layers)]
    return VisTR(
        backbone=ResNet(RESNETS[backbone]),
        backbone_name=backbone,
        encoder=ClipEncoder(encoder),
        decoder=ClipDecoder(decoder, WIDTH),
        num_classes=num_classes,
        num_frames=num_frames,
        width=WIDTH,
        heads=HEADS,
    )
