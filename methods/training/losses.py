"""Losses, and the matching of queries with ground-truth instances.

Shape letters: Q queries, N targets or matched pairs, K classes, T frames, X anything that a target
is spread over (T * H * W pixels, say).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
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
        gamma: strength of the discount of well-judged elements.
    """
    probs = logits.sigmoid()
    missed = probs * (1 - targets) + (1 - probs) * targets
    weight = alpha * targets + (1 - alpha) * (1 - targets)
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return weight * missed**gamma * entropy


def quality_focal(logits: Tensor, qualities: Tensor, positive: Tensor) -> Tensor:
    """Focal loss towards any probability, in the shape of `logits`: the discount is by how far the
    probability is from the quality (Li et al., "Generalized Focal Loss", 2020, equation 3), and
    positive and negative elements weigh as in `sigmoid_focal`, which it equals for 0 and 1.

    Args:
        logits: any shape.
        qualities: the same shape, 0..1; 0 where not positive.
        positive: the same shape, boolean.
    """
    missed = (qualities - logits.sigmoid()).abs()
    weight = torch.where(positive, FOCAL_ALPHA, 1 - FOCAL_ALPHA)
    entropy = F.binary_cross_entropy_with_logits(logits, qualities, reduction="none")
    return weight * missed**FOCAL_GAMMA * entropy


@torch.no_grad()
def qualities_of_masks(logits_NX: Tensor, targets_NX: Tensor, share: float) -> Tensor:
    """Target score (N,) of each mask: 1, with a `share` of 1 its space-time IoU with its target,
    and in between linear.
    """
    found_NX, wanted_NX = logits_NX > 0, targets_NX > 0.5
    union_N = (found_NX | wanted_NX).sum(-1)
    iou_N = (found_NX & wanted_NX).sum(-1) / union_N.clamp(min=1)
    return 1 - share * (1 - iou_N)


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
    hull_low = torch.minimum(a[..., :2], b[..., :2])
    hull_high = torch.maximum(a[..., 2:], b[..., 2:])
    hull = (hull_high - hull_low).prod(-1)
    tiny = torch.finfo(union.dtype).tiny
    return overlap / union.clamp(min=tiny) - (hull - union) / hull.clamp(min=tiny)


def softmax_with_no_object(
    logits_QK: Tensor, labels_Q: Tensor, qualities_Q: Tensor, no_object_weight: float
) -> Tensor:
    """Cross-entropy over all queries, in which the last class, "no object", weighs less.

    A weighted mean, as DETR takes it: the sum of weighted terms over the sum of the weights.

    Args:
        logits_QK: of all classes and, last, "no object".
        labels_Q: the class of each query.
        qualities_Q: the probability that this class should have, 0..1; the rest is "no object".
        no_object_weight: of that class; the others weigh 1.
    """
    weights_K = logits_QK.new_ones(logits_QK.shape[-1])
    weights_K[-1] = no_object_weight
    wanted_QK = torch.zeros_like(logits_QK)
    wanted_QK[:, -1] = 1 - qualities_Q
    wanted_QK[torch.arange(len(labels_Q), device=labels_Q.device), labels_Q] += qualities_Q
    weighted_QK = wanted_QK * weights_K
    return -(weighted_QK * logits_QK.log_softmax(-1)).sum() / weighted_QK.sum()


class Matched(NamedTuple):
    """Query `queries_M[i]` answers for target `targets_M[i]`; sorted by query."""

    queries_M: Tensor
    targets_M: Tensor


class CostsNotFiniteError(ValueError):
    """Matching costs with NaN or infinity, because the training has diverged."""


def match(cost_QN: Tensor) -> Matched:
    """Assignment of least total cost; min(Q, N) pairs."""
    if not torch.isfinite(cost_QN).all():
        raise CostsNotFiniteError("matching costs are not finite; the training diverged")
    queries, targets = linear_sum_assignment(cost_QN.detach().float().cpu().numpy())
    device = cost_QN.device
    return Matched(torch.as_tensor(queries, device=device), torch.as_tensor(targets, device=device))


def focal_class_cost(logits_QK: Tensor, columns_N: Tensor) -> Tensor:
    """The focal loss of each query as a positive of each target's class, minus that as a negative;
    (Q, N). After Deformable DETR's matcher.
    """
    probs_QN = logits_QK.sigmoid()[:, columns_N]
    positive = FOCAL_ALPHA * (1 - probs_QN) ** FOCAL_GAMMA * -(probs_QN + 1e-8).log()
    negative = (1 - FOCAL_ALPHA) * probs_QN**FOCAL_GAMMA * -(1 - probs_QN + 1e-8).log()
    return positive - negative


def box_costs(boxes_TQ4: Tensor, boxes_NT4: Tensor, visible_NT: Tensor) -> tuple[Tensor, Tensor]:
    """L1 distance and negated generalized IoU, each (Q, N), averaged over the frames in which the
    target is visible; the L1 distance sums the four coordinates.
    """
    predicted_Q1T4 = boxes_TQ4.transpose(0, 1)[:, None]
    seen_NT = visible_NT / visible_NT.sum(-1, keepdim=True).clamp(min=1)
    distance_QNT = (predicted_Q1T4 - boxes_NT4).abs().sum(-1)
    giou_QNT = generalized_iou(predicted_Q1T4, boxes_NT4)
    return (distance_QNT * seen_NT).sum(-1), -(giou_QNT * seen_NT).sum(-1)
