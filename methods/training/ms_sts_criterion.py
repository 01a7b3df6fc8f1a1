"""MS-STS's loss: SeqFormer's, and a discriminator's beside it (Thawakar et al., ECCV 2022,
section 3.3).
"""

from __future__ import annotations

from torch import Tensor

from methods.seqformer.model import STRIDES
from methods.training.criterion import Example, LossSum
from methods.training.discriminator import Discriminator, judge
from methods.training.seqformer_criterion import SeqFormerCriterion, level_maps
from vis_bench.method import FrameFeatures, VISMethod

# The paper does not say how much the discriminator weighs. With 1, its gradient in the encoder was
# at most an eighth of that of the dice loss, and features became no more separable.
WEIGHTS = {"adversarial": 0.1, "discriminator": 10.0}
# The discriminator's, in the line of losses.
ACCURACY = "accuracy"


class MSSTSCriterion(SeqFormerCriterion):
    """Adds, for the last layer's masks, the discriminator's opinion of them, and teaches it.

    The `adversarial` term reaches the method only; the `discriminator` term the discriminator and
    the encoder's features.
    """

    default_weights = {**SeqFormerCriterion.default_weights, **WEIGHTS}

    def __init__(self, method: VISMethod, num_classes: int) -> None:
        super().__init__(method, num_classes)
        self.discriminator = Discriminator(method.query_embedding.embedding_dim // 2, len(STRIDES))

    def add_last_masks(
        self, total: LossSum, example: Example, features: FrameFeatures, masks_MTHW: Tensor,
        wanted_MTHW: Tensor, clips: int,
    ) -> None:  # fmt: skip
        """See `SeqFormerCriterion`."""
        if not (self.weights["adversarial"] or self.weights["discriminator"]):
            return
        judgement = judge(
            self.discriminator, example.frames_T3HW, level_maps(features),
            masks_MTHW.sigmoid(), wanted_MTHW,
        )  # fmt: skip
        total.add("adversarial", judgement.fooling / clips)
        total.add("discriminator", judgement.judging / clips)
        if len(masks_MTHW):
            total.observe(ACCURACY, judgement.accuracy)
