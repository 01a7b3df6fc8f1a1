"""Mask logits -> run-length codes at the video's size, in steps of bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from torch import Tensor

from vis_bench.inference.preprocess import masks_to_video
from vis_bench.masks.rle import RLE, encode_masks
from vis_bench.structures import Padding

# Full-size mask pixels that are dense at once while masks become RLE; bounds the peak memory.
DENSE_PIXELS = 1 << 23


def encode_at_video_size(
    logits_PHW: Tensor, size_HW: tuple[int, int], padding: Padding | None = None
) -> Iterator[tuple[int, RLE]]:
    """The place (from 0) of each of P masks that is not empty, with its code.

    Args:
        logits_PHW: on a grid that spans the frame, or its padded input.
        size_HW: the video's original size in pixels.
        padding: as in the prediction that the logits are from.
    """
    largest = max(prod(size_HW), 0 if padding is None else prod(padding.padded_HW))
    step = max(1, DENSE_PIXELS // largest)
    for first in range(0, len(logits_PHW), step):
        masks_PHW = masks_to_video(logits_PHW[None, first : first + step], *size_HW, padding)[0]
        filled = masks_PHW.flatten(1).any(1).nonzero()[:, 0]
        rles = encode_masks(masks_PHW[filled].cpu().numpy())
        for place, rle in zip(filled.tolist(), rles, strict=True):
            yield first + place, rle
