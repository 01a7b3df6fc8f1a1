"""Bipartite matching of queries and ground-truth instances (Carion et al., DETR, equation 1).

Shape letters: Q queries, N targets, K classes, T frames.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from methods.training.losses import FOCAL_ALPHA, FOCAL_GAMMA, generalized_iou


class Matches(NamedTuple):
    """Query `queries_M[i]` answers for target `targets_M[i]`; sorted by query."""

    queries_M: Tensor
    targets_M: Tensor


class CostsNotFiniteError(ValueError):
    """What is matched holds NaN or infinity, because the training has diverged."""


def match(cost_QN: Tensor) -> Matches:
    """The assignment of least total cost; min(Q, N) pairs.

    Raises:
        CostsNotFiniteError: for a cost that is not finite.
    """
    if not torch.isfinite(cost_QN).all():
        raise CostsNotFiniteError("matching costs are not finite; the training diverged")
    queries, targets = linear_sum_assignment(cost_QN.detach().float().cpu().numpy())
    device = cost_QN.device
    return Matches(torch.as_tensor(queries, device=device), torch.as_tensor(targets, device=device))


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
