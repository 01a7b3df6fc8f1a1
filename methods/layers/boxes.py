"""Boxes as corners x0, y0, x1, y1: their overlap, their coding by deltas, and suppression.

Shape letters: N boxes, G groups of boxes that do not suppress each other.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Largest log of a size's change (Detectron): a box does not grow beyond 1000 / 16 times.
MOST_LOG = math.log(1000 / 16)


def pairwise_iou(boxes_M4: Tensor, others_N4: Tensor) -> Tensor:
    """Intersection over union (..., M, N) of all pairs; NaN for two boxes without area."""
    one_M14, other_1N4 = boxes_M4[..., :, None, :], others_N4[..., None, :, :]
    low_MN2 = torch.maximum(one_M14[..., :2], other_1N4[..., :2])
    high_MN2 = torch.minimum(one_M14[..., 2:], other_1N4[..., 2:])
    common_MN = (high_MN2 - low_MN2).clamp_(min=0).prod(-1)
    area_M1, area_1N = ((b[..., 2:] - b[..., :2]).prod(-1) for b in (one_M14, other_1N4))
    return common_MN / (area_M1 + area_1N - common_MN)


def apply_deltas(boxes_N4: Tensor, deltas_N4: Tensor, frame_HW: tuple[int, int]) -> Tensor:
    """Boxes (..., 4) moved and scaled by deltas, then clipped to the frame (Fast R-CNN).

    Args:
        boxes_N4: corners in pixels, float32.
        deltas_N4: shifts in sizes of the box, and logs of the change in size.
        frame_HW: height and width that corners are clipped to, in pixels.
    """
    low_N2, high_N2 = boxes_N4.split(2, -1)
    size_N2 = high_N2 - low_N2
    shift_N2, log_N2 = deltas_N4.float().nan_to_num(0.0, 0.0, 0.0).split(2, -1)
    middle_N2 = (low_N2 + high_N2) * 0.5 + shift_N2 * size_N2
    half_N2 = size_N2 * log_N2.clamp(-MOST_LOG, MOST_LOG).exp() * 0.5
    moved_N4 = torch.cat([middle_N2 - half_N2, middle_N2 + half_N2], -1)
    for axis, side in enumerate(reversed(frame_HW)):
        moved_N4[..., axis::2].clamp_(0, side)
    return moved_N4


@torch.compiler.disable
def suppress(boxes_GN4: Tensor, kept_GN: Tensor, threshold: float) -> Tensor:
    """Non-maximum suppression inside groups of boxes, by matrices: which boxes stay, (..., G, N).

    A box goes if it overlaps a better one that stays by more than the threshold. All boxes are
    decided at once from what stayed before, until nothing changes; that takes as many rounds as
    the longest chain of boxes of which each decides about the next. Groups are moved apart by a
    multiple of the largest coordinate, as mmcv's `batched_nms` does, which rounds them alike.

    Args:
        boxes_GN4: corners (..., G, N, 4), the best of each group first.
        kept_GN: False for boxes that are not there.
        threshold: of the intersection over union.
    """
    *_, groups, number, _ = boxes_GN4.shape
    largest_11 = boxes_GN4.where(kept_GN[..., None], 0).flatten(-3).amax(-1)[..., None, None, None]
    moved_GN4 = boxes_GN4 + torch.arange(groups, device=boxes_GN4.device)[:, None, None] * (
        largest_11 + 1
    )
    overlap_GNN = (pairwise_iou(moved_GN4, moved_GN4) > threshold).triu(1)
    stays_GN = kept_GN
    for _ in range(number):
        before_GN = stays_GN
        stays_GN = kept_GN & ~(overlap_GNN & before_GN[..., None]).any(-2)
        if boxes_GN4.is_meta or torch.equal(stays_GN, before_GN):
            break
    return stays_GN
