"""IFC's loss (Hwang et al., 2021, section 3.4; weights as in github.com/sukjunhwang/IFC)."""

from __future__ import annotations

import torch
from torch import Tensor

from methods.training.criterion import (
    Criterion,
    DenseHead,
    Example,
    LossSum,
    add_masks,
    to_grid,
)
from methods.training.data import ClipTargets
from methods.training.losses import (
    Matched,
    match,
    pairwise_dice,
    qualities_of_masks,
    softmax_with_no_object,
)
from vis_bench.method import VISMethod

# `no_object` weighs that class within the term `class`; published for 100 queries. With fewer
# queries more of them are matched, and a larger weight keeps the balance. `quality` is no term
# either: with 0 a matched query's class should be certain, as with the authors, with 1 as probable
# as the space-time IoU of its masks.
WEIGHTS = {
    "class": 1.0, "no_object": 0.1, "mask": 3.0, "dice": 3.0, "dense": 0.0, "quality": 0.0,
}  # fmt: skip


class IFCCriterion(Criterion):
    """Softmax over classes and "no object"; focal and dice on the masks; every decoder layer.

    The matching weighs the class probability and the dice coefficient equally.
    """

    default_weights = WEIGHTS

    def __init__(self, method: VISMethod, num_classes: int) -> None:
        super().__init__()
        self.dense_head = DenseHead(method.spatial_decoder.pointwise.out_channels, num_classes)

    def add_clip(
        self, total: LossSum, method: VISMethod, example: Example, clips: int, instances: int
    ) -> None:
        """See `Criterion`."""
        outputs, mask_features = method.decode(example.features)
        targets = example.targets
        for queries_QC in outputs:
            masks_QTHW = method.spatial_decoder.masks(mask_features, queries_QC)
            self._add_layer(
                total, method.class_head(queries_QC), masks_QTHW, targets, clips, instances
            )
        if self.weights["dense"]:
            total.add("dense", self.dense_head(mask_features, targets) / clips)

    def _add_layer(
        self,
        total: LossSum,
        logits_QK: Tensor,
        masks_QTHW: Tensor,
        targets: ClipTargets,
        clips: int,
        instances: int,
    ) -> None:
        masks_QX = to_grid(masks_QTHW, targets.masks_NTHW.shape[-2:]).flatten(1)
        targets_NX = targets.masks_NTHW.flatten(1)
        matches = match(matching_cost(logits_QK, masks_QX, targets.labels_N, targets_NX))
        matched_MX, wanted_MX = masks_QX[matches.queries_M], targets_NX[matches.targets_M]
        labels_Q = labels_of_queries(logits_QK, matches, targets.labels_N)
        qualities_Q = torch.ones_like(logits_QK[:, 0])
        qualities_Q[matches.queries_M] = qualities_of_masks(
            matched_MX, wanted_MX, self.weights["quality"]
        ).to(qualities_Q.dtype)
        classes = softmax_with_no_object(
            logits_QK, labels_Q, qualities_Q, self.weights["no_object"]
        )
        total.add("class", classes / clips)
        add_masks(total, matched_MX, wanted_MX, instances)


@torch.no_grad()
def matching_cost(
    logits_QK: Tensor, masks_QX: Tensor, labels_N: Tensor, targets_NX: Tensor
) -> Tensor:
    """Cost (Q, N): the dice loss minus the class probability."""
    return pairwise_dice(masks_QX, targets_NX) - logits_QK.softmax(-1)[:, labels_N]


def labels_of_queries(logits_QK: Tensor, matches: Matched, labels_N: Tensor) -> Tensor:
    """Class of every query: its target's, or the last one, "no object"."""
    labels_Q = labels_N.new_full((logits_QK.shape[0],), logits_QK.shape[-1] - 1)
    labels_Q[matches.queries_M] = labels_N[matches.targets_M]
    return labels_Q
