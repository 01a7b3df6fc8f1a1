"""Positions of patches: a learned table that is added to them, or rotations of queries and keys."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Positions = TypeVar("Positions")


class PerGrid(nn.Module, Generic[Positions]):
    """A value of the rows and columns of patches alone, computed once per grid if it may be.

    `keep()` starts keeping, when weights do not change any more.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[tuple[int, int, torch.device], Positions] | None = None

    def keep(self) -> None:
        """Compute once per grid and device from now on."""
        self._kept = {}

    def forward(self, rows: int, columns: int, device: torch.device) -> Positions:
        """The positions of a grid."""
        if self._kept is None:
            return self.compute(rows, columns, device)
        key = (rows, columns, device)
        if key not in self._kept:
            self._kept[key] = self.compute(rows, columns, device)
        return self._kept[key]

    @abstractmethod
    def compute(self, rows: int, columns: int, device: torch.device) -> Positions:
        """The positions of a grid, computed anew."""


class PositionTable(PerGrid[Tensor]):
    """DINOv2's learned vector per patch, (P, C), interpolated to grids of another size.

    Args:
        side: rows and columns of patches that the table is for.
        channels: C.
    """

    def __init__(self, side: int, channels: int) -> None:
        super().__init__()
        self.side = side
        self.weight = nn.Parameter(0.02 * torch.randn(side * side, channels))

    def compute(self, rows: int, columns: int, device: torch.device) -> Tensor:
        """Bicubic with antialiasing, as timm resamples it."""
        side = self.side
        if (rows, columns) == (side, side):
            return self.weight
        if self.weight.is_meta:  # a constant of the grid, which costs nothing per frame
            return self.weight.new_empty(rows * columns, self.weight.shape[1])
        table_1CHW = self.weight.T.unflatten(1, (side, side))[None].float()
        resized_1CHW = F.interpolate(
            table_1CHW, size=(rows, columns), mode="bicubic", antialias=True, align_corners=False
        )
        return resized_1CHW[0].flatten(1).T


class RotaryPositions(PerGrid[tuple[Tensor, Tensor]]):
    """DINOv3's rotary positions: cosines and sines (P, D) of each patch's angles, in float32.

    A patch's center has coordinates from -1 to 1 on the padded frame; they are multiplied by D / 4
    frequencies each. Angles of y stand before those of x, and all stand twice, for `rotated`.

    Args:
        channels: D, of one head of the attention; a multiple of 4.
    """

    PERIOD = 100.0  # the longest wave is this much longer than the shortest, 2 in coordinates

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def compute(self, rows: int, columns: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Cosines and sines of a grid."""
        powers = torch.arange(0, 1, 4 / self.channels, dtype=torch.float32, device=device)
        frequencies = 1 / self.PERIOD**powers
        y, x = (
            2 * (torch.arange(n, dtype=torch.float32, device=device) + 0.5) / n - 1
            for n in (rows, columns)
        )
        centers_P2 = torch.cartesian_prod(y, x)
        angles_PD = (2 * math.pi * centers_P2[:, :, None] * frequencies).flatten(1).tile(2)
        return angles_PD.cos(), angles_PD.sin()


def rotated(tokens_BMSD: Tensor, cos_PD: Tensor, sin_PD: Tensor) -> Tensor:
    """Queries or keys of which the last P tokens, the patches, are rotated by their angles."""
    others, patches = tokens_BMSD.split([tokens_BMSD.shape[-2] - len(cos_PD), len(cos_PD)], -2)
    first, second = patches.chunk(2, -1)
    turned = patches * cos_PD + torch.cat([-second, first], -1) * sin_PD
    return torch.cat([others, turned.to(others.dtype)], -2)
