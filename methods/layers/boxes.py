"""Boxes: their refinement from layer to layer, their overlaps, and non-maximum suppression."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.layers.transformer import MLP

INVERSE_SIGMOID_EPSILON = 1e-5
INITIAL_BOX_LOGIT = -2.0


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


def box_iou(boxes_N4: Tensor) -> Tensor:
    """Intersection over union of every pair of boxes (left, top, right, bottom): (N, N)."""
    starts_N2, ends_N2 = boxes_N4.split(2, -1)
    area_N = (ends_N2 - starts_N2).prod(-1)
    sides_NN2 = torch.minimum(ends_N2[:, None], ends_N2) - torch.maximum(
        starts_N2[:, None], starts_N2
    )
    common_NN = sides_NN2.clamp(min=0).prod(-1)
    return common_NN / (area_N[:, None] + area_N - common_NN)


def suppress(overlaps_NN: Tensor) -> Tensor:
    """Greedy non-maximum suppression: True for each of N items, best first, that overlaps no
    earlier one that is kept; (N,).

    Row n is decided when all rows before it are, so that repeating the rule for all of them settles
    at least one more row each time; in practice a few repetitions settle all.

    Args:
        overlaps_NN: booleans; only pairs of an item and an earlier one are read.
    """
    earlier_NN = overlaps_NN.tril(-1)
    kept_N = overlaps_NN.new_ones(len(overlaps_NN))
    while True:
        again_N = ~(earlier_NN & kept_N).any(1)
        # Tensors without values, on which FLOPs are counted, settle at once.
        if kept_N.is_meta or torch.equal(again_N, kept_N):
            return again_N
        kept_N = again_N
