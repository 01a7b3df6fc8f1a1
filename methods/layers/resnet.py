"""ResNet and ResNeXt backbones (He et al., 2016; Xie et al., 2017) with frozen BatchNorm.

The stride of a stage sits in the 3x3 convolution of its first bottleneck, as in torchvision's
weights, or in the 1x1 before it, as in the original ones (MSRA's).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.layers.frozen_batch_norm import ConvNorm, fold_batch_norms, relu
from methods.layers.state_dict_names import rename_on_load


@dataclass(frozen=True)
class ResNetVariant:
    """`blocks` per stage; a stage's 3x3 convolutions have `width * 2**stage` channels in all, in
    `groups`, and its output `output * 2**stage`. `stride_in_1x1` says which convolution of the
    first bottleneck halves the grid; a checkpoint's keys and shapes do not show it.
    """

    blocks: tuple[int, int, int, int]
    groups: int = 1
    width: int = 64
    output: int = 256
    stem: int = 64
    pooled: bool = True
    stride_in_1x1: bool = False


RESNETS = {
    "r50": ResNetVariant(blocks=(3, 4, 6, 3)),
    "r101": ResNetVariant(blocks=(3, 4, 23, 3)),
    "x101": ResNetVariant(blocks=(3, 4, 23, 3), groups=64, width=256),
    "mini": ResNetVariant(blocks=(1, 1, 2, 1), width=16, output=32, stem=32, pooled=False),
}

# torchvision's names (SeqFormer's files) and detectron2's (IFC's files)
CHECKPOINT_NAMES = [
    (r"conv1\.", "stem.conv."),
    (r"bn1\.", "stem.norm."),
    (r"layer1\.", "stages.0."),
    (r"layer2\.", "stages.1."),
    (r"layer3\.", "stages.2."),
    (r"layer4\.", "stages.3."),
    (r"stem\.conv1\.norm\.", "stem.norm."),
    (r"stem\.conv1\.", "stem.conv."),
    (r"res2\.", "stages.0."),
    (r"res3\.", "stages.1."),
    (r"res4\.", "stages.2."),
    (r"res5\.", "stages.3."),
]
BOTTLENECK_CHECKPOINT_NAMES = [
    (r"(conv\d|shortcut)\.(conv|norm)\.", r"\1.\2."),
    (r"conv(\d)\.", r"conv\1.conv."),
    (r"bn(\d)\.", r"conv\1.norm."),
    (r"downsample\.0\.", "shortcut.conv."),
    (r"downsample\.1\.", "shortcut.norm."),
    (r"shortcut\.", "shortcut.conv."),
]


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut; He et al., figure 5, right."""

    def __init__(
        self,
        inputs: int,
        width: int,
        outputs: int,
        stride: int,
        groups: int,
        *,
        stride_in_1x1: bool = False,
    ) -> None:
        super().__init__()
        first, second = (stride, 1) if stride_in_1x1 else (1, stride)
        self.conv1 = ConvNorm(inputs, width, 1, first)
        self.conv2 = ConvNorm(width, width, 3, second, groups)
        self.conv3 = ConvNorm(width, outputs, 1)
        changes_shape = stride != 1 or inputs != outputs
        self.shortcut = ConvNorm(inputs, outputs, 1, stride) if changes_shape else nn.Identity()
        rename_on_load(self, BOTTLENECK_CHECKPOINT_NAMES)

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        inner = relu(self.conv2(relu(self.conv1(maps_NCHW))))
        return relu(self.conv3(inner).add_(self.shortcut(maps_NCHW)))


class ResNet(nn.Module):
    """Four stages of bottlenecks behind a stem.

    `channels` are those of the maps that `forward` returns, at strides 8, 16 and 32.
    """

    def __init__(self, variant: ResNetVariant) -> None:
        super().__init__()
        outputs = [variant.output * 2**stage for stage in range(4)]
        self.stride_4_channels = outputs[0]
        self.channels = tuple(outputs[1:])
        self.pooled = variant.pooled
        self.stem = ConvNorm(3, variant.stem, 7, stride=2 if variant.pooled else 4)
        inputs = [variant.stem, *outputs]
        self.stages = nn.ModuleList(
            _stage(variant, stage, inputs[stage], outputs[stage]) for stage in range(4)
        )
        rename_on_load(self, CHECKPOINT_NAMES)

    def forward(self, frames_T3HW: Tensor) -> list[Tensor]:
        """Maps (T, channels, ceil(H / stride), ceil(W / stride)) at strides 8, 16 and 32."""
        return list(islice(self.stage_outputs(frames_T3HW), 1, None))

    def stage_outputs(self, frames_T3HW: Tensor) -> Iterator[Tensor]:
        """The maps of all four stages in turn, at strides 4, 8, 16 and 32.

        Those at stride 4 have `stride_4_channels` channels.
        """
        maps = relu(self.stem(frames_T3HW))
        if self.pooled:
            maps = F.max_pool2d(maps, 3, stride=2, padding=1)
        for stage in self.stages:
            maps = stage(maps)
            yield maps

    def prepare_for_inference(self) -> None:
        """Folds the normalization and lays the weights out with channels last."""
        fold_batch_norms(self)
        self.to(memory_format=torch.channels_last)


def _stage(variant: ResNetVariant, stage: int, inputs: int, outputs: int) -> nn.Sequential:
    width, stride = variant.width * 2**stage, 1 if stage == 0 else 2
    first = Bottleneck(
        inputs, width, outputs, stride, variant.groups, stride_in_1x1=variant.stride_in_1x1
    )
    rest = [
        Bottleneck(outputs, width, outputs, 1, variant.groups)
        for _ in range(variant.blocks[stage] - 1)
    ]
    return nn.Sequential(first, *rest)
