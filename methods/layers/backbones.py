"""The backbones by name."""

from __future__ import annotations

from torch import nn

from methods.layers.option_checks import check_choice
from methods.layers.resnet import RESNETS, ResNet
from methods.layers.swin import SWINS, SwinTransformer


def build_backbone(name: str) -> nn.Module:
    """Build a backbone with random weights.

    It has `channels` (of its maps at strides 8, 16 and 32), turns frames (T, 3, H, W) into a list
    of those maps, and has `prepare_for_inference`.
    """
    check_choice("backbone", name, (*RESNETS, *SWINS))
    return ResNet(**RESNETS[name]) if name in RESNETS else SwinTransformer(**SWINS[name])
