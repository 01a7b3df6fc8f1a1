"""How many pixels masks of one frame share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pycocotools import mask as coco_mask

from vis_bench.masks.rle import RLE


def shared_pixels(
    masks_N: Sequence[RLE | None], areas_N: np.ndarray, others_M: Sequence[RLE | None]
) -> np.ndarray:
    """The pixels that N masks share with M others, as int64 (N, M).

    Masks of different size share nothing. Against a crowd, pycocotools divides the intersection by
    the first mask's area, so a multiplication gives it back, to well within half a pixel.

    Args:
        masks_N, others_M: at least one each, checked, neither absent nor empty. Where an empty run
            begins at one place in both masks, pycocotools overlooks what follows.
        areas_N: foreground pixels of `masks_N`.
    """
    covered_NM = coco_mask.iou(list(masks_N), list(others_M), [True] * len(others_M))
    # Of masks that differ in size, pycocotools says -1.
    shared_NM = np.rint(covered_NM * areas_N[:, None]).astype(np.int64)
    return np.maximum(shared_NM, 0, out=shared_NM)


def most_shared_pixels(
    areas_NT: np.ndarray, spans_NT2: np.ndarray, areas_MT: np.ndarray, spans_MT2: np.ndarray
) -> np.ndarray:
    """The most pixels that masks of one size can share by their areas and spans, (N, M, T).

    Both are no more than the smaller has, and lie where the spans (`Measured`) overlap.
    """
    common_NMT = np.minimum(spans_NT2[:, None, :, 1], spans_MT2[..., 1])
    common_NMT -= np.maximum(spans_NT2[:, None, :, 0], spans_MT2[..., 0])
    np.minimum(common_NMT, areas_NT[:, None], out=common_NMT)
    np.minimum(common_NMT, areas_MT, out=common_NMT)
    return np.maximum(common_NMT, 0, out=common_NMT)
