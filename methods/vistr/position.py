"""VisTR's position encoding over time, rows and columns (Wang et al., 2021, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor

from methods.layers.position_encoding import encode_axis


def clip_position_encoding(
    num_frames: int, height: int, width: int, channels: int, *, like: Tensor
) -> Tensor:
    """Encodes frame, row and column of every location, a third of the channels each.

    Coordinates count from 1 and are scaled so that the last one comes to about 2 pi; time too, so
    that it says how far into the clip a frame is.

    Args:
        channels: a multiple of 6.
        like: gives the result its dtype and device.

    Returns:
        Tensor of shape (num_frames, height * width, channels), row by row; time's third first.
    """
    shape = num_frames, height, width
    frames, rows, columns = (encode_axis(n, channels // 3, 0.0, like.device) for n in shape)
    grid = torch.cat(
        [
            frames[:, None, None].expand(*shape, -1),
            rows[None, :, None].expand(*shape, -1),
            columns[None, None].expand(*shape, -1),
        ],
        dim=-1,
    )
    return grid.flatten(1, 2).to(like.dtype)
