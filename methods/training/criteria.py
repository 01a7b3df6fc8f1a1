"""The criterion of each method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from methods.training.backbone_classifier import BackboneCriterion
from methods.training.criterion import Criterion
from methods.training.ifc_criterion import IFCCriterion
from methods.training.ms_sts_criterion import MSSTSCriterion
from methods.training.seqformer_criterion import SeqFormerCriterion
from vis_bench.errors import InputError
from vis_bench.method import VISMethod


class BuildCriterion(Protocol):
    """How a criterion is built."""

    def __call__(self, method: VISMethod, num_classes: int) -> Criterion:
        """The method's loss."""


CRITERIA: dict[str, BuildCriterion] = {
    "backbone": BackboneCriterion,
    "ifc": IFCCriterion,
    "ms_sts": MSSTSCriterion,
    "seqformer": SeqFormerCriterion,
}


def build_criterion(
    name: str, method: VISMethod, num_classes: int, weights: Mapping[str, float] = {}
) -> Criterion:
    """The criterion of a method, with `weights` over its own.

    Raises:
        InputError: for a method that cannot be trained here, or an unknown loss.
    """
    if name not in CRITERIA:
        raise InputError(
            f"method {name!r} cannot be trained; expected one of: {', '.join(CRITERIA)}"
        )
    criterion = CRITERIA[name](method, num_classes)
    criterion.weigh(weights)
    return criterion
