"""ResNet and ResNeXt backbones (He et al., 2016; Xie et al., 2017) with frozen BatchNorm.

The stride of a stage sits in the 3x3 convolution of its first bottleneck, as in torchvision's
weights, or in the 1x1 before it, as in the original ones (MSRA's).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.layers.checkpoint import drop_on_load, rename_on_load

EPSILON = 1e-5


class FrozenBatchNorm2d(nn.Module):
    """Scales and shifts each channel by constants: (x - mean) / sqrt(var + 1e-5) * weight + bias.

    All four are buffers: they are loaded, never trained.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        drop_on_load(self, "num_batches_tracked")

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """Scale and shift of each channel."""
        scale = self.weight * (self.running_var + EPSILON).rsqrt()
        return scale, self.bias - self.running_mean * scale

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        scale, shift = self.scale_and_shift()
        return maps_NCHW * scale[:, None, None] + shift[:, None, None]


class ConvNorm(nn.Module):
    """A convolution that keeps the size (but for its stride), then frozen BatchNorm."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.norm: nn.Module = FrozenBatchNorm2d(out_channels)

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        return self.norm(self.conv(maps_NCHW))

    @torch.no_grad()
    def fold(self) -> None:
        """Move the normalization into the convolution's weights, in float64.

        The shift becomes a buffer, as before, so that the number of parameters stays.
        """
        if not isinstance(self.norm, FrozenBatchNorm2d):
            return
        scale, shift = self.norm.double().scale_and_shift()
        weight = self.conv.weight
        folded = weight.double() * scale[:, None, None, None]
        self.conv.weight = nn.Parameter(folded.to(weight.dtype))
        del self.conv.bias
        self.conv.register_buffer("bias", shift.to(weight.dtype))
        self.norm = nn.Identity()


def relu(maps: Tensor) -> Tensor:
    """ReLU that overwrites its input."""
    return F.relu(maps, inplace=True)


# Arguments of `ResNet` by name.
RESNETS: Mapping[str, Mapping[str, Any]] = {
    "r50": {"blocks": (3, 4, 6, 3)},
    "r101": {"blocks": (3, 4, 23, 3)},
    "x101": {"blocks": (3, 4, 23, 3), "groups": 64, "width": 256},
    "mini": {"blocks": (1, 1, 2, 1), "width": 16, "output": 32, "stem": 32, "pooled": False},
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

    Args:
        blocks: bottlenecks of each stage.
        groups: of the 3x3 convolutions.
        width: channels of the first stage's 3x3 convolutions; they double from stage to stage.
        output: channels of the first stage's output; they double, too.
        stem: channels of the stem.
        pooled: whether max-pooling follows a stem of stride 2; otherwise the stem has stride 4.
        stride_in_1x1: the first 1x1 convolution of a stage halves the grid, not the first 3x3; a
            checkpoint's keys and shapes do not show it.

    Attributes:
        stride_4_channels: of the first stage's maps.
        channels: of the maps at strides 8, 16 and 32.
    """

    def __init__(
        self,
        blocks: Sequence[int],
        *,
        groups: int = 1,
        width: int = 64,
        output: int = 256,
        stem: int = 64,
        pooled: bool = True,
        stride_in_1x1: bool = False,
    ) -> None:
        super().__init__()
        outputs = [output * 2**stage for stage in range(4)]
        self.stride_4_channels = outputs[0]
        self.channels = tuple(outputs[1:])
        self.pooled = pooled
        self.stem = ConvNorm(3, stem, 7, stride=2 if pooled else 4)
        self.stages = nn.ModuleList()
        for stage, inputs in enumerate([stem, *outputs[:-1]]):
            inner, outer, stride = width * 2**stage, outputs[stage], 1 if stage == 0 else 2
            first = Bottleneck(inputs, inner, outer, stride, groups, stride_in_1x1=stride_in_1x1)
            rest = [Bottleneck(outer, inner, outer, 1, groups) for _ in range(blocks[stage] - 1)]
            self.stages.append(nn.Sequential(first, *rest))
        rename_on_load(self, CHECKPOINT_NAMES)

    def forward(self, frames_T3HW: Tensor) -> list[Tensor]:
        """Maps (T, channels, ceil(H / stride), ceil(W / stride)) at strides 8, 16 and 32."""
        return list(islice(self.stage_outputs(frames_T3HW), 1, None))

    def stage_outputs(self, frames_T3HW: Tensor) -> Iterator[Tensor]:
        """Maps of all four stages in turn, at strides 4, 8, 16 and 32."""
        maps = relu(self.stem(frames_T3HW))
        if self.pooled:
            maps = F.max_pool2d(maps, 3, stride=2, padding=1)
        for stage in self.stages:
            maps = stage(maps)
            yield maps

    def prepare_for_inference(self) -> None:
        """Fold the normalization and lay the weights out with channels last."""
        for child in self.modules():
            if isinstance(child, ConvNorm):
                child.fold()
        self.to(memory_format=torch.channels_last)
