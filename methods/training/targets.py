"""The targets of a training clip.

Shape letters: N instances, T frames, H and W rows and columns of the target's grid, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

MASK_STRIDE = 4


@dataclass(frozen=True)
class ClipTargets:
    """The instances of one clip.

    `labels_N` count classes from 0. `masks_NTHW`, 0..1, say how much of each cell of a grid of
    stride 4 an instance covers. `boxes_NT4` are cx, cy, w, h in 0..1 around the visible pixels;
    where `visible_NT` is False they are 0.
    """

    labels_N: Tensor
    masks_NTHW: Tensor
    boxes_NT4: Tensor
    visible_NT: Tensor

    def __len__(self) -> int:
        return self.labels_N.shape[0]

    def semantic_TKHW(self, num_classes: int, size_HW: Sequence[int]) -> Tensor:
        """How much of each cell each class covers, and last the background: (T, K + 1, H, W)."""
        frames, height, width = self.masks_NTHW.shape[1:]
        cover = self.masks_NTHW.new_zeros(num_classes, frames, height, width)
        cover.index_add_(0, self.labels_N, self.masks_NTHW)
        rest = (1 - cover.sum(0, keepdim=True)).clamp(min=0)
        return F.interpolate(torch.cat([cover, rest]).transpose(0, 1), tuple(size_HW), mode="area")


def make_targets(owners_THW: Tensor, labels: list[int], size_HW: tuple[int, int]) -> ClipTargets:
    """The targets of a clip whose frames are resized to `size_HW` for the network.

    Args:
        owners_THW: uint8; 0 for background, k + 1 where a pixel shows instance k.
        labels: the class of each instance, from 0. Instances that no frame shows are left out.
    """
    numbers = torch.arange(1, len(labels) + 1, dtype=owners_THW.dtype)
    masks_NTHW = owners_THW[None] == numbers[:, None, None, None]
    kept = masks_NTHW.flatten(1).any(1)
    masks_NTHW = masks_NTHW[kept]
    grid_HW = tuple(-(-side // MASK_STRIDE) for side in size_HW)
    return ClipTargets(
        torch.tensor(labels, dtype=torch.int64)[kept],
        F.interpolate(masks_NTHW.float(), grid_HW, mode="area"),
        boxes_around(masks_NTHW),
        masks_NTHW.flatten(2).any(2),
    )


def boxes_around(masks_NTHW: Tensor) -> Tensor:
    """Boxes (N, T, 4), cx, cy, w, h in 0..1, around the pixels of each mask; 0 for empty masks."""
    height, width = masks_NTHW.shape[-2:]
    top, bottom = _extent(masks_NTHW.any(-1))
    left, right = _extent(masks_NTHW.any(-2))
    visible = masks_NTHW.flatten(2).any(2)
    box = torch.stack([left + right, top + bottom, 2 * (right - left), 2 * (bottom - top)], -1)
    scale = torch.tensor([width, height, width, height]) * 2
    return torch.where(visible[..., None], box / scale, 0.0)


def _extent(filled: Tensor) -> tuple[Tensor, Tensor]:
    """The first and one past the last place along the last dimension that is filled."""
    places = torch.arange(filled.shape[-1])
    first = torch.where(filled, places, filled.shape[-1]).amin(-1)
    last = torch.where(filled, places + 1, 0).amax(-1)
    return first, last
