"""A method's loss: terms by name, their weights, and the parts that only training has.

A criterion is a module because it may hold parameters (the dense head here, MS-STS's discriminator
elsewhere); they are optimized with the method's and never bundled.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.training.data import ClipTargets
from methods.training.losses import dice, mask_focal
from vis_bench.errors import InputError
from vis_bench.method import FrameFeatures, VISMethod

Losses = dict[str, Tensor]


class Example(NamedTuple):
    """One clip of a batch on its way through the losses."""

    frames_T3HW: Tensor
    features: FrameFeatures
    targets: ClipTargets


@dataclass
class LossSum:
    """Adds up weighted terms under their names.

    `observed` holds values of each clip that are no loss.
    """

    weights: Mapping[str, float]
    terms: Losses = field(default_factory=dict)
    observed: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: Tensor) -> None:
        """Add a term, times its weight; a term of weight 0 is left out."""
        if self.weights[name]:
            value = self.weights[name] * value
            self.terms[name] = self.terms[name] + value if name in self.terms else value

    def observe(self, name: str, value: Tensor) -> None:
        """Keep a value of a clip."""
        self.observed.setdefault(name, []).append(float(value))


class Criterion(nn.Module, ABC):
    """The loss of one method.

    Attributes:
        default_weights: of the terms by name.
        weights: current ones, see `weigh`.
    """

    default_weights: Mapping[str, float]

    def __init__(self) -> None:
        super().__init__()
        self.weights = dict(self.default_weights)

    def weigh(self, weights: Mapping[str, float]) -> None:
        """Set the weights; terms that `weights` lacks weigh as by default."""
        self.check_terms(weights)
        self.weights = {**self.default_weights, **weights}

    def check_terms(self, weights: Mapping[str, float]) -> None:
        """Refuse weights of terms that this method does not have, and a `quality` above 1."""
        unknown = [term for term in weights if term not in self.default_weights]
        if unknown:
            known = ", ".join(self.default_weights)
            raise InputError(f"loss_weights has {unknown[0]!r}; expected one of: {known}")
        if weights.get("quality", 0) > 1:
            raise InputError(f"loss_weights.quality is {weights['quality']}; expected 0 to 1")

    def forward(self, method: VISMethod, examples: Sequence[Example]) -> LossSum:
        """Weighted terms of a batch, averaged over clips or over all its instances."""
        total = LossSum(self.weights)
        instances = max(1, sum(len(example.targets) for example in examples))
        for example in examples:
            self.add_clip(total, method, example, len(examples), instances)
        return total

    @abstractmethod
    def add_clip(
        self, total: LossSum, method: VISMethod, example: Example, clips: int, instances: int
    ) -> None:
        """Add one clip's terms: clip terms divided by `clips`, instances' by `instances`."""


class DenseHead(nn.Module):
    """A 1x1 convolution that predicts each cell's class, or background, and with `boxes` the box of
    its instance.

    Every cell learns from the first step on, long before queries match instances. The papers start
    from backbones trained on ImageNet and need no such head; the mini models start from nothing.
    """

    def __init__(self, channels: int, num_classes: int, boxes: bool = True) -> None:
        super().__init__()
        self.classes = nn.Conv2d(channels, num_classes + 1, 1)
        self.boxes = nn.Conv2d(channels, 4, 1) if boxes else None

    def forward(self, features_TCHW: Tensor, targets: ClipTargets) -> Tensor:
        """Sum of two errors, each averaged over cells: the cross-entropy with the classes' shares
        of a cell, and the L1 distance of the box (cx, cy, w, h in 0..1) where there is an instance.
        """
        logits_TKHW = self.classes(features_TCHW)
        shares_TKHW = targets.semantic_TKHW(logits_TKHW.shape[1] - 1, features_TCHW.shape[-2:])
        classes = F.cross_entropy(logits_TKHW, shares_TKHW)
        if self.boxes is None:
            return classes
        return classes + box_distance(self.boxes(features_TCHW).sigmoid(), targets)


def box_distance(boxes_T4HW: Tensor, targets: ClipTargets) -> Tensor:
    """L1 distance of every cell's box to that of the instance it shows, averaged over cells."""
    cover_NTHW = F.interpolate(targets.masks_NTHW, boxes_T4HW.shape[-2:], mode="area")
    distance_NTHW = (boxes_T4HW - targets.boxes_NT4[..., None, None]).abs().sum(2)
    return (distance_NTHW * cover_NTHW).sum() / cover_NTHW.sum().clamp(min=1)


def add_masks(total: LossSum, masks_MTHW: Tensor, wanted_MTHW: Tensor, instances: int) -> None:
    """Add focal and dice loss of matched masks, logits on the targets' grid, (M, ...)."""
    masks_MX, wanted_MX = masks_MTHW.flatten(1), wanted_MTHW.flatten(1)
    total.add("mask", mask_focal(masks_MX, wanted_MX).sum() / instances)
    total.add("dice", dice(masks_MX, wanted_MX).sum() / instances)


def to_grid(logits_NTHW: Tensor, size_HW: torch.Size) -> Tensor:
    """Resize mask logits bilinearly to the targets' grid."""
    if logits_NTHW.shape[-2:] == size_HW:
        return logits_NTHW
    return F.interpolate(logits_NTHW, tuple(size_HW), mode="bilinear", align_corners=False)
