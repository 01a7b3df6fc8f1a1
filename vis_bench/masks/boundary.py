"""Boundaries of masks: the pixels within some distance of the outside.

Boundary IoU (Cheng et al., CVPR 2021) takes the inner band of a mask whose width is 2 % of the
frame's diagonal. The band is the mask without its erosion. k erosions by a 3x3 square, with zeros
outside the frame, are one by a square of 2k + 1 pixels; that is the AND of all shifts of the mask
by up to k pixels along each axis, doubled from one window to the next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pycocotools import mask as coco_mask

from vis_bench.masks.rle import RLE, decode, with_text
from vis_bench.masks.tubes import MaskTubes

WIDTH = 0.02  # of the band, as a fraction of the frame's diagonal


def band_width(height: int, width: int) -> int:
    """Pixels of the band, at least 1; a half is rounded to the even number."""
    return max(1, round(WIDTH * math.sqrt(height**2 + width**2)))


def boundary_tubes(tubes: MaskTubes, rows: Sequence[int]) -> MaskTubes:
    """Some of the tubes, with the boundaries of their masks."""
    chosen = tubes.chosen(rows)
    found = [
        boundary(mask, recode=bool(unusual))
        for mask, unusual in zip(chosen.masks_P, chosen.has_empty_runs_P, strict=True)
    ]
    areas = [
        known if area is None else area
        for (_, area), known in zip(found, chosen.areas_P.tolist(), strict=True)
    ]
    return replace(
        chosen,
        masks_P=[mask for mask, _ in found],
        areas_P=np.array(areas, chosen.areas_P.dtype),
        has_empty_runs_P=np.zeros_like(chosen.has_empty_runs_P),
    )


def boundary(mask: RLE, *, recode: bool = False) -> tuple[RLE, int | None]:
    """The boundary of a mask and its pixels, which are None where the mask stays as it is.

    It stays where no square of the erosion fits inside.

    Args:
        recode: encode anew also what stays as it is.
    """
    x, y, w, h = map(int, coco_mask.toBbox(mask))
    size = 2 * band_width(*mask["size"]) + 1
    if min(w, h) < size and not recode:
        return mask, None
    mask_HW = decode(mask).view(np.uint8)
    box_wh = mask_HW.T[x : x + w, y : y + h]  # contiguous, since run lengths go by columns
    if min(w, h) >= size:
        box_wh[_eroded(box_wh, size)] = 0
    return with_text(coco_mask.encode(mask_HW)), int(np.count_nonzero(box_wh))


def _eroded(mask_wh: np.ndarray, size: int) -> np.ndarray:
    """Pixels around which a square of `size` pixels a side is in the mask, bool of its shape."""
    inside = np.pad(mask_wh.astype(bool), size // 2)
    for _ in range(2):
        covered = 1
        while covered < size:
            shift = min(covered, size - covered)
            inside = inside[:-shift] & inside[shift:]
            covered += shift
        inside = inside.T
    return inside
