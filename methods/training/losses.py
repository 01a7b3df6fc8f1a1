"""The losses of the three methods, as plain functions of tensors.

Shape letters: N matched pairs, X anything that a target is spread over (T * H * W pixels, say).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

FOCAL_ALPHA = 0.25
FOCAL_GAMMA = 2.0


def sigmoid_focal(
    logits: Tensor, targets: Tensor, alpha: float = FOCAL_ALPHA, gamma: float = FOCAL_GAMMA
) -> Tensor:
    """Focal loss of every element, in the shape of `logits` (Lin et al., 2017, equation 5).

    Args:
        logits: any shape.
        targets: the same shape, 0..1.
        alpha: weight of positive elements; negative ones weigh 1 - alpha.
        gamma: how strongly well-judged elements are discounted.
    """
    probs = logits.sigmoid()
    missed = probs * (1 - targets) + (1 - probs) * targets
    weight = alpha * targets + (1 - alpha) * (1 - targets)
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return weight * missed**gamma * entropy


def mask_focal(logits_NX: Tensor, targets_NX: Tensor) -> Tensor:
    """Focal loss of each mask, averaged over its pixels; (N,)."""
    return sigmoid_focal(logits_NX, targets_NX).mean(-1)


def dice(logits_NX: Tensor, targets_NX: Tensor) -> Tensor:
    """1 - dice coefficient of each mask, with 1 added above and below (Milletari et al., 2016)."""
    probs_NX = logits_NX.sigmoid()
    overlap_N = 2 * (probs_NX * targets_NX).sum(-1)
    return 1 - (overlap_N + 1) / (probs_NX.sum(-1) + targets_NX.sum(-1) + 1)


def pairwise_dice(logits_QX: Tensor, targets_NX: Tensor) -> Tensor:
    """`dice` of every pair of a query and a target; (Q, N)."""
    probs_QX = logits_QX.sigmoid()
    overlap_QN = 2 * (probs_QX @ targets_NX.T)
    sums_QN = probs_QX.sum(-1)[:, None] + targets_NX.sum(-1)[None]
    return 1 - (overlap_QN + 1) / (sums_QN + 1)


def corners(boxes: Tensor) -> Tensor:
    """Boxes (..., 4) from cx, cy, w, h to left, top, right, bottom."""
    centers, sizes = boxes.split(2, dim=-1)
    return torch.cat([centers - sizes / 2, centers + sizes / 2], dim=-1)


def generalized_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Generalized IoU, -1..1, of boxes cx, cy, w, h (Rezatofighi et al., 2019).

    Args:
        boxes, others: (..., 4), broadcast against each other; widths and heights not negative.
    """
    a, b = corners(boxes), corners(others)
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    overlap = (high - low).clamp(min=0).prod(-1)
    union = boxes[..., 2:].prod(-1) + others[..., 2:].prod(-1) - overlap
    hull_low, hull_high = (
        torch.minimum(a[..., :2], b[..., :2]),
        torch.maximum(a[..., 2:], b[..., 2:]),
    )
    hull = (hull_high - hull_low).prod(-1)
    tiny = torch.finfo(union.dtype).tiny
    return overlap / union.clamp(min=tiny) - (hull - union) / hull.clamp(min=tiny)


def softmax_with_no_object(logits_QK: Tensor, labels_Q: Tensor, no_object_weight: float) -> Tensor:
    """Cross-entropy over all queries, in which the last class, "no object", weighs less.

    A weighted mean, as DETR takes it: the sum of weighted terms over the sum of the weights.
    """
    weights_K = logits_QK.new_ones(logits_QK.shape[-1])
    weights_K[-1] = no_object_weight
    return F.cross_entropy(logits_QK, labels_Q, weights_K)
