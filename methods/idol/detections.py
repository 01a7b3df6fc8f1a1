"""Detections of one frame: selection of queries and non-maximum suppression, as in the authors'
code (wjf5203/VNext, `projects/IDOL`).

Shape letters: Q queries, N detections, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from methods.layers.boxes import corners, pairwise_iou, suppress
from methods.layers.transformer import full_precision

MIN_SCORE = 0.1
MAX_BOX_IOU = 0.9
# Two empty masks have IoU 1.
EPSILON = 1e-6


def selected_queries(class_probs_QK: Tensor, boxes_Q4: Tensor) -> Tensor:
    """Numbers (N,) of the queries that pass the selection and the NMS of boxes, best first.

    - A query is as good as its most probable class. Those above `MIN_SCORE` pass; where none does,
      the best one passes whatever its score.
    - Boxes suppress worse ones of the same class above `MAX_BOX_IOU`. Each class is moved to a
      place of its own first, which also rounds the coordinates as theirs are rounded.

    Args:
        boxes_Q4: cx, cy, w, h.
    """
    scores_Q, classes_Q = class_probs_QK.max(-1)
    passed_Q = scores_Q > MIN_SCORE
    numbers_Q = torch.arange(len(scores_Q), device=scores_Q.device)
    passed_Q = passed_Q | (~passed_Q.any() & (numbers_Q == scores_Q.argmax()))
    queries_N = passed_Q.nonzero()[:, 0]
    best_first_N = scores_Q[queries_N].sort(descending=True, stable=True).indices
    queries_N = queries_N[best_first_N]
    boxes_N4 = corners(boxes_Q4[queries_N])
    moved_N4 = boxes_N4 + (classes_Q[queries_N] * (boxes_N4.amax() + 1))[:, None]
    return queries_N[suppress(pairwise_iou(moved_N4, moved_N4) > MAX_BOX_IOU)]


def kept_masks(mask_logits_NHW: Tensor, max_iou: float) -> Tensor:
    """True for each detection, best first, whose mask no better one suppresses; (N,).

    Classes do not count, and the padding of the frame does.
    """
    return suppress(mask_iou(mask_logits_NHW) > max_iou)


def mask_iou(mask_logits_NHW: Tensor) -> Tensor:
    """Intersection over union of every pair of masks: (N, N)."""
    masks_NP = (mask_logits_NHW > 0).flatten(1).float()
    with full_precision(masks_NP.device):
        common_NN = masks_NP @ masks_NP.T
    area_N = masks_NP.sum(1)
    union_NN = area_N[:, None] + area_N - common_NN
    return (common_NN + EPSILON) / (union_NN + EPSILON)
