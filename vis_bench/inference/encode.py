"""Mask logits -> run-length codes at the video's size, in steps of bounded memory.

Masks stay on their device: only the positions of their changes are copied to the host, some
kilobytes for each mask.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np
import torch
from torch import Tensor

from vis_bench.inference.preprocess import masks_to_video, paste_masks
from vis_bench.masks.rle import RLE, encode_changes, encode_masks, from_run_lengths
from vis_bench.method import Padding

# Full-size mask pixels that are dense at once while masks become RLE; bounds the peak memory. The
# host waits for a GPU twice in every step, so steps are larger there: about half a gigabyte.
DENSE_PIXELS = 1 << 23
DENSE_PIXELS_ON_GPU = 1 << 26
# On a CPU masks are encoded pixel by pixel where there are fewer pixels in all, or where a larger
# share of those sampled differ from the pixel above; elsewhere by their changes, which takes less.
FEW_PIXELS = 1 << 17
NOISY_SHARE = 0.02
_SAMPLED_ROWS = 16


def encode_at_video_size(
    logits_PHW: Tensor,
    size_HW: tuple[int, int],
    padding: Padding | None = None,
    boxes_P4: Tensor | None = None,
) -> Iterator[tuple[int, RLE]]:
    """The place (from 0) of each of P masks that is not empty, with its code.

    Args:
        logits_PHW, size_HW, padding, boxes_P4: as `at_video_size`.
    """
    for first, masks_PHW in at_video_size(logits_PHW, size_HW, padding, boxes_P4):
        for place, rle in encode_filled(masks_PHW):
            yield first + place, rle


def at_video_size(
    logits_PHW: Tensor,
    size_HW: tuple[int, int],
    padding: Padding | None = None,
    boxes_P4: Tensor | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """Boolean masks at the video's size, some at a time, and the place of the first of them.

    Args:
        logits_PHW: on a grid that spans the frame, its padded input, or a box; boolean masks at the
            video's size stay as they are.
        size_HW: the video's original size in pixels.
        padding: as in the prediction that the logits are from.
        boxes_P4: set where grids span these boxes, see `paste_masks`.
    """
    largest = max(prod(size_HW), 0 if padding is None else prod(padding.padded_HW))
    step = masks_at_once(logits_PHW, largest)
    for first in range(0, len(logits_PHW), step):
        some_PHW = logits_PHW[first : first + step]
        if some_PHW.dtype == torch.bool:
            yield first, some_PHW
        elif boxes_P4 is None:
            yield first, masks_to_video(some_PHW[None], *size_HW, padding)[0]
        else:
            yield first, paste_masks(some_PHW, boxes_P4[first : first + step], *size_HW)


def masks_at_once(logits: Tensor, pixels: int) -> int:
    """The number of masks of so many pixels that may be dense at once on the logits' device."""
    return max(1, (DENSE_PIXELS_ON_GPU if logits.is_cuda else DENSE_PIXELS) // pixels)


def encode_filled(masks_PHW: Tensor) -> list[tuple[int, RLE]]:
    """The place (from 0) of each of P boolean masks that is not empty, with its code."""
    if masks_PHW.numel() == 0:
        return []
    if masks_PHW.device.type == "cpu" and _is_sooner_pixel_by_pixel(masks_PHW):
        filled = masks_PHW.flatten(1).any(1).nonzero()[:, 0]
        rles = encode_masks(masks_PHW[filled].numpy())
        return list(zip(filled.tolist(), rles, strict=True))
    return encode_by_changes(masks_PHW)


def encode_by_changes(masks_PHW: Tensor) -> list[tuple[int, RLE]]:
    """As `encode_filled`, from the positions of the masks' changes alone; P is 1 or more."""
    return encode_changes(_places(_changes(masks_PHW)), *masks_PHW.shape)


def _is_sooner_pixel_by_pixel(masks_PHW: Tensor) -> bool:
    """True for masks so few, or so noisy, that sorting their changes would take longer."""
    if masks_PHW.numel() < FEW_PIXELS:
        return True
    rows, above = masks_PHW[:, 1::_SAMPLED_ROWS], masks_PHW[:, :-1:_SAMPLED_ROWS]
    return int(torch.ne(rows, above).count_nonzero()) > NOISY_SHARE * rows.numel()


def encode_each(masks_PHW: Tensor) -> list[RLE]:
    """The code of each of P boolean masks, empty ones too."""
    count, height, width = masks_PHW.shape
    filled = dict(encode_filled(masks_PHW))
    return [
        filled.get(n) or from_run_lengths([height * width], height, width) for n in range(count)
    ]


def _changes(masks_PHW: Tensor) -> Tensor:
    """Pixels that differ from the one above them, or at the top from the last column's lowest.

    Rows are compared as they lie in memory; nothing is transposed.
    """
    changes_PHW = torch.empty_like(masks_PHW, memory_format=torch.contiguous_format)
    changes_PHW[:, 0, 0] = masks_PHW[:, 0, 0]
    torch.ne(masks_PHW[:, 0, 1:], masks_PHW[:, -1, :-1], out=changes_PHW[:, 0, 1:])
    torch.ne(masks_PHW[:, 1:], masks_PHW[:, :-1], out=changes_PHW[:, 1:])
    return changes_PHW


def _places(flags: Tensor) -> np.ndarray:
    """Positions of True, on the host; numpy finds few of many sooner than PyTorch does."""
    if flags.device.type == "cpu":
        return np.flatnonzero(flags.numpy())
    return flags.flatten().nonzero()[:, 0].cpu().numpy()
