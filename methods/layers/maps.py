"""Feature maps: their grids, their position encoding, and finer ones merged with coarser ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

TEMPERATURE = 10000.0
EPSILON = 1e-6


def grid_of(size_HW: tuple[int, int], stride: int) -> tuple[int, int]:
    """Rows and columns of a frame's map at a stride, rounded up."""
    return -(-size_HW[0] // stride), -(-size_HW[1] // stride)


def add_upsampled(fine: Tensor, coarse: Tensor) -> Tensor:
    """Add a coarser map to a finer one, nearest places upsampled."""
    return fine + F.interpolate(coarse, size=fine.shape[-2:], mode="nearest")


def sine_position_encoding(
    grid: Sequence[int],
    channels: int,
    *,
    offset: float,
    like: Tensor,
    valid: Sequence[int] | None = None,
) -> Tensor:
    """Encode the coordinates of every location of a grid (DETR, supplement A.4).

    A coordinate counts from 1, plus `offset`, and is scaled so that the last one comes to about
    2 pi. Channels alternate between sine and cosine of falling frequency.

    Args:
        grid: lengths of the axes, each of which gets an equal share of the channels, in order.
        offset: 0 counts locations as DETR and IFC do, -0.5 takes their centers as SeqFormer does.
        like: gives the result its dtype and device.
        valid: locations of each axis that show the frame, where the others, behind them, are
            padding. As in Deformable DETR's code an axis counts locations of the frame alone: it
            stops where the padding begins, and a line that lies in the padding has none, so that
            its coordinate is `offset` over almost 0.

    Returns:
        Tensor of shape (*grid, channels).
    """
    share = channels // len(grid)
    shown = grid if valid is None else valid
    encoded = []
    for axis, length in enumerate(grid):
        counts = torch.arange(1, length + 1, dtype=torch.float32, device=like.device)
        if shown[axis] < length:
            counts = counts.clamp(max=shown[axis])
        along = _sines(counts, shown[axis], share, offset)
        others = (1,) * (len(grid) - axis - 1)
        coordinates = along.view(length, *others, share).expand(*grid, share)
        if shown != grid:
            coordinates = coordinates.clone()
            nothing = _sines(counts.new_zeros(1), 0, share, offset)
            for other, last in enumerate(shown):
                if other != axis:
                    coordinates.narrow(other, last, grid[other] - last).copy_(nothing[0])
        encoded.append(coordinates)
    return torch.cat(encoded, dim=-1).to(like.dtype)


def _sines(counts_N: Tensor, last: int, share: int, offset: float) -> Tensor:
    """Sines and cosines (N, share) of the coordinates of an axis that counts to `last`."""
    scaled = (counts_N + offset) / (last + EPSILON) * (2 * math.pi)
    pairs = torch.arange(share, device=counts_N.device) // 2
    angles = scaled[:, None] / TEMPERATURE ** (2 * pairs / share)
    sines = torch.empty_like(angles)
    sines[:, 0::2] = angles[:, 0::2].sin()
    sines[:, 1::2] = angles[:, 1::2].cos()
    return sines
