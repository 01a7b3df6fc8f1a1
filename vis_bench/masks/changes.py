"""Run-length codes from the pixels at which masks change, for masks that never leave their device.

A pixel is a change where it differs from the one before it in COCO's order, down the columns; the
first pixel's predecessor counts as background. Changes are few, so that a device that holds the
masks hands over these places instead of the pixels.
"""

from __future__ import annotations

import numpy as np
from pycocotools import mask as coco_mask

from vis_bench.masks.compress import WRITABLE_PIXELS
from vis_bench.masks.rle import RLE, from_run_lengths, with_text


def encode_changes(
    places_C: np.ndarray, num_masks: int, height: int, width: int
) -> list[tuple[int, RLE]]:
    """The place (from 0) of each of `num_masks` masks that is not empty, with its code.

    Args:
        places_C: the changes of all masks, counted mask by mask and row by row (int64).
        height, width: of each mask, in pixels.
    """
    pixels = height * width
    mask_C, place_C = np.divmod(places_C, pixels)
    row_C, column_C = np.divmod(place_C, width)
    ordered_C = np.sort(mask_C * pixels + column_C * height + row_C)
    first_N1 = np.searchsorted(ordered_C, np.arange(num_masks + 1) * pixels)
    filled = np.flatnonzero(np.diff(first_N1)).tolist()
    lengths = [
        np.diff(ordered_C[first_N1[n] : first_N1[n + 1]] - n * pixels, prepend=0, append=pixels)
        for n in filled
    ]
    return list(zip(filled, _compressed(lengths, height, width), strict=True))


def _compressed(lengths: list[np.ndarray], height: int, width: int) -> list[RLE]:
    if height * width >= WRITABLE_PIXELS:
        return [from_run_lengths(runs.tolist(), height, width) for runs in lengths]
    if not lengths:
        return []
    uncompressed = [{"size": [height, width], "counts": runs} for runs in lengths]
    return [with_text(rle) for rle in coco_mask.frPyObjects(uncompressed, height, width)]
