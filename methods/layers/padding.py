"""Frames padded on the right and below, for networks that need multiples of their strides."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from vis_bench.method import Padding


def pad_to_multiple(frames_T3HW: Tensor, multiple: int) -> Tensor:
    """Pad frames on the right and below with zeros, the mean color of normalized frames."""
    height, width = frames_T3HW.shape[-2:]
    return F.pad(frames_T3HW, (0, -width % multiple, 0, -height % multiple))


def padded_size(frame_HW: tuple[int, int], multiple: int) -> tuple[int, int]:
    """Height and width of the padded frame."""
    height, width = frame_HW
    return height + -height % multiple, width + -width % multiple


def padding_of(frame_HW: tuple[int, int], multiple: int) -> Padding | None:
    """Padding of a prediction on the padded frame; None where nothing is padded."""
    padded_HW = padded_size(frame_HW, multiple)
    return None if padded_HW == tuple(frame_HW) else Padding(frame_HW, padded_HW)
