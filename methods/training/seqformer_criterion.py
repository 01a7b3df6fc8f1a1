"""SeqFormer's loss (Wu et al., ECCV 2022, section 3.2; weights as in
github.com/wjf5203/SeqFormer).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from methods.layers.deformable_attention import FeatureLevels
from methods.seqformer.decoder import DecoderOutput
from methods.seqformer.model import STRIDES
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
    box_costs,
    focal_class_cost,
    generalized_iou,
    match,
    qualities_of_masks,
    quality_focal,
)
from vis_bench.method import FrameFeatures, VISMethod

# `quality` is no term: with 0 a matched query's class should be certain, as with the authors, with
# 1 as probable as the space-time IoU of its masks.
WEIGHTS = {
    "class": 2.0, "box": 5.0, "giou": 2.0, "mask": 2.0, "dice": 5.0, "dense": 0.0, "quality": 0.0,
}  # fmt: skip
# Column k of the class head is category k, counted from 1.
FIRST_COLUMN = 1


class SeqFormerCriterion(Criterion):
    """Focal loss on classes, L1 and generalized IoU on boxes, focal and dice on masks; for every
    decoder layer, each with a matching of its own by class and boxes.

    Boxes count in the frames where the instance is visible, masks in all frames.
    """

    default_weights: Mapping[str, float] = WEIGHTS

    def __init__(self, method: VISMethod, num_classes: int) -> None:
        super().__init__()
        self.dense_head = DenseHead(method.query_embedding.embedding_dim // 2, num_classes)

    def add_clip(
        self, total: LossSum, method: VISMethod, example: Example, clips: int, instances: int
    ) -> None:
        """See `Criterion`."""
        features = method.encode_clip(example.features)
        targets = example.targets
        for layer, output in enumerate(method.decode(features, last_boxes=True)):
            logits_QK = method.class_logits(output, layer)
            matches = match(self._matching_cost(logits_QK, output, targets))
            self._add_boxes(total, output, targets, matches, instances)
            wanted_MTHW = targets.masks_NTHW[matches.targets_M]
            masks_MTHW = to_grid(
                method.masks(output, features, matches.queries_M), wanted_MTHW.shape[-2:]
            )
            add_masks(total, masks_MTHW, wanted_MTHW, instances)
            qualities_M = qualities_of_masks(
                masks_MTHW.flatten(1), wanted_MTHW.flatten(1), self.weights["quality"]
            )
            self._add_classes(total, logits_QK, targets, matches, qualities_M, instances)
        self.add_last_masks(total, example, features, masks_MTHW, wanted_MTHW, clips)
        if self.weights["dense"]:
            total.add("dense", self.dense_head(level_maps(features)[0], targets) / clips)

    def add_last_masks(
        self,
        total: LossSum,
        example: Example,
        features: FrameFeatures,
        masks_MTHW: Tensor,
        wanted_MTHW: Tensor,
        clips: int,
    ) -> None:
        """Add terms of the last layer's matched masks, logits on the targets' grid; SeqFormer has
        none.
        """

    @torch.no_grad()
    def _matching_cost(
        self, logits_QK: Tensor, output: DecoderOutput, targets: ClipTargets
    ) -> Tensor:
        distance, giou = box_costs(output.boxes_TQ4, targets.boxes_NT4, targets.visible_NT)
        classes = focal_class_cost(logits_QK, targets.labels_N + FIRST_COLUMN)
        return (
            self.weights["class"] * classes
            + self.weights["box"] * distance
            + self.weights["giou"] * giou
        )

    def _add_classes(
        self,
        total: LossSum,
        logits_QK: Tensor,
        targets: ClipTargets,
        matches: Matched,
        qualities_M: Tensor,
        instances: int,
    ) -> None:
        pairs = matches.queries_M, targets.labels_N[matches.targets_M] + FIRST_COLUMN
        wanted_QK, positive_QK = torch.zeros_like(logits_QK), torch.zeros_like(logits_QK).bool()
        wanted_QK[pairs], positive_QK[pairs] = qualities_M.to(wanted_QK.dtype), True
        total.add("class", quality_focal(logits_QK, wanted_QK, positive_QK).sum() / instances)

    def _add_boxes(
        self,
        total: LossSum,
        output: DecoderOutput,
        targets: ClipTargets,
        matches: Matched,
        instances: int,
    ) -> None:
        boxes_MT4 = output.boxes_TQ4[:, matches.queries_M].transpose(0, 1)
        wanted_MT4 = targets.boxes_NT4[matches.targets_M]
        seen_MT = targets.visible_NT[matches.targets_M].to(boxes_MT4.dtype)
        seen_MT = seen_MT / seen_MT.sum(-1, keepdim=True).clamp(min=1)
        distance_MT = (boxes_MT4 - wanted_MT4).abs().sum(-1)
        total.add("box", (distance_MT * seen_MT).sum() / instances)
        giou_MT = generalized_iou(boxes_MT4, wanted_MT4)
        total.add("giou", ((1 - giou_MT) * seen_MT).sum() / instances)


def level_maps(features: FrameFeatures) -> list[Tensor]:
    """The encoder's maps, each (T, C, height, width), finest first."""
    return FeatureLevels.of_frame(features.frame_size_HW, STRIDES).maps(features.maps["memory"])
