"""Boxes: their refinement from layer to layer, overlaps, coding by deltas, and suppression.

Corners are left, top, right, bottom in pixels. Shape letters: N boxes, G groups of boxes that do
not suppress each other.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.layers.transformer import MLP

INVERSE_SIGMOID_EPSILON = 1e-5
INITIAL_BOX_LOGIT = -2.0
# Largest log of a size's change (Detectron): a box does not grow beyond 1000 / 16 times.
MOST_LOG = math.log(1000 / 16)


def box_heads(width: int, layers: int) -> nn.ModuleList:
    """A box head for each decoder layer, which start by leaving the references as they are (Zhu et
    al., 2021, supplement A.4).
    """
    heads = nn.ModuleList(MLP(width, width, 4, 3) for _ in range(layers))
    for head in heads:
        nn.init.zeros_(head.layers[-1].weight)
        nn.init.zeros_(head.layers[-1].bias)
    with torch.no_grad():
        nn.init.constant_(heads[0].layers[-1].bias[2:], INITIAL_BOX_LOGIT)
    return heads


def inverse_sigmoid(values: Tensor) -> Tensor:
    """Logits of values in 0..1, kept finite at both ends."""
    low, high = values.clamp(min=INVERSE_SIGMOID_EPSILON), 1 - values
    return torch.log(low / high.clamp(min=INVERSE_SIGMOID_EPSILON))


def refined_boxes(start_TQX: Tensor, deltas_TQ4: Tensor) -> Tensor:
    """Boxes (cx, cy, w, h in 0..1) from a head's output and the logits of points or boxes.

    Points have no width and height, which then are the head's alone.
    """
    missing = deltas_TQ4.shape[-1] - start_TQX.shape[-1]
    return (deltas_TQ4 + F.pad(start_TQX, (0, missing))).sigmoid()


def corners(boxes: Tensor) -> Tensor:
    """Boxes (..., cx, cy, w, h) as (..., left, top, right, bottom)."""
    centers, halves = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centers - halves, centers + halves], -1)


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
def suppress(overlaps_NN: Tensor, present_N: Tensor | None = None) -> Tensor:
    """Greedy non-maximum suppression: True for each of N items, best first, that overlaps no
    earlier one that is kept; (..., N).

    All items are decided at once from what stayed before, until nothing changes; that takes as many
    rounds as the longest chain of items of which each decides about the next.

    Args:
        overlaps_NN: booleans (..., N, N); only pairs of an item and an earlier one are read.
        present_N: False for items that are not there; None for none.
    """
    earlier_NN = overlaps_NN.tril(-1)
    if present_N is None:
        present_N = overlaps_NN.new_ones(overlaps_NN.shape[:-1])
    kept_N = present_N
    while True:
        again_N = present_N & ~(earlier_NN & kept_N[..., None, :]).any(-1)
        # Tensors without values, on which FLOPs are counted, settle at once.
        if kept_N.is_meta or torch.equal(again_N, kept_N):
            return again_N
        kept_N = again_N


def suppress_boxes(boxes_GN4: Tensor, kept_GN: Tensor, threshold: float) -> Tensor:
    """Non-maximum suppression inside groups of boxes: which boxes stay, (..., G, N).

    Groups are moved apart by a multiple of the largest coordinate, as mmcv's `batched_nms` does,
    which rounds them alike.

    Args:
        boxes_GN4: corners (..., G, N, 4), the best of each group first.
        kept_GN: False for boxes that are not there.
        threshold: of the intersection over union, above which the lesser box goes.
    """
    largest_11 = boxes_GN4.where(kept_GN[..., None], 0).flatten(-3).amax(-1)[..., None, None, None]
    groups_G11 = torch.arange(boxes_GN4.shape[-3], device=boxes_GN4.device)[:, None, None]
    moved_GN4 = boxes_GN4 + groups_G11 * (largest_11 + 1)
    return suppress(pairwise_iou(moved_GN4, moved_GN4) > threshold, kept_GN)
