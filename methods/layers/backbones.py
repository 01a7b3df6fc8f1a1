"""The backbones by name."""

from __future__ import annotations

from torch import nn

from methods.layers.resnet import RESNETS, ResNet
from methods.layers.swin import SWINS, SwinTransformer
from vis_bench.errors import InputError

BACKBONES = (*RESNETS, *SWINS)


def build_backbone(name: str) -> nn.Module:
    """A backbone with random weights.

    It has `channels` (of its maps at strides 8, 16 and 32), turns frames (T, 3, H, W) into a list
    of those maps, and has `prepare_for_inference`.

    Raises:
        InputError: for a name that is not in `BACKBONES`.
    """
    if name not in BACKBONES:
        raise InputError(f"backbone is {name!r}; expected one of: {', '.join(BACKBONES)}")
    if name in RESNETS:
        return ResNet(RESNETS[name])
    return SwinTransformer(SWINS[name])
