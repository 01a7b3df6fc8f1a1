"""Sine position encoding over the axes of a feature map (DETR, supplement A.4)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

TEMPERATURE = 10000.0
EPSILON = 1e-6


def sine_position_encoding(
    height: int, width: int, channels: int, *, offset: float, like: Tensor
) -> Tensor:
    """Encodes row and column of every location, half of the channels each.

    A coordinate counts from 1, plus `offset`, and is scaled so that the last one comes to about
    2 pi. Channels alternate between sine and cosine of falling frequency.

    Args:
        offset: 0 counts locations as DETR and IFC do, -0.5 takes their centers as SeqFormer does.
        like: gives the result its dtype and device.

    Returns:
        Tensor of shape (height * width, channels), row by row; rows' half first.
    """
    rows = encode_axis(height, channels // 2, offset, like.device)
    columns = encode_axis(width, channels // 2, offset, like.device)
    grid = torch.cat(
        [
            rows[:, None].expand(height, width, -1),
            columns[None].expand(height, width, -1),
        ],
        dim=-1,
    )
    return grid.flatten(0, 1).to(like.dtype)


def encode_axis(length: int, channels: int, offset: float, device: torch.device) -> Tensor:
    """The part of the encoding that one axis gives: (length, channels), see above."""
    positions = torch.arange(1, length + 1, dtype=torch.float32, device=device)
    scaled = (positions + offset) / (length + EPSILON) * (2 * math.pi)
    pairs = torch.arange(channels, device=device) // 2
    angles = scaled[:, None] / TEMPERATURE ** (2 * pairs / channels)
    encoded = torch.empty_like(angles)
    encoded[:, 0::2] = angles[:, 0::2].sin()
    encoded[:, 1::2] = angles[:, 1::2].cos()
    return encoded
