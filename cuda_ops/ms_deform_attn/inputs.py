"""What every backend of multi-scale deformable attention is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class AttentionInputs:
    """The arguments of one call; backends may rely on `argument_checks.check_inputs`.

    Attributes:
        value_BSMD: the levels' features, flattened row by row.
        sides_2L: height and width of each level in turn.
        starts_L: where each level starts on the S axis.
        locations_BQMLP2: sampling locations (x, y) as fractions of the level.
        weights_BQMLP: attention weights, in the locations' dtype.
    """

    value_BSMD: Tensor
    sides_2L: Sequence[int]
    starts_L: Sequence[int]
    locations_BQMLP2: Tensor
    weights_BQMLP: Tensor

    @property
    def shapes_L2(self) -> tuple[tuple[int, int], ...]:
        """Height and width of each level."""
        return tuple(zip(self.sides_2L[0::2], self.sides_2L[1::2], strict=True))

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Value, locations and weights: what has a gradient."""
        return self.value_BSMD, self.locations_BQMLP2, self.weights_BQMLP

    @property
    def output_size(self) -> tuple[int, int, int]:
        """(B, Q, M * D)."""
        batch, _, heads, channels = self.value_BSMD.shape
        return batch, self.locations_BQMLP2.shape[1], heads * channels

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to sample: the output and all gradients are then 0."""
        return self.value_BSMD.numel() == 0 or self.locations_BQMLP2.numel() == 0


@dataclass(frozen=True)
class AttentionProblem(AttentionInputs):
    """Inputs together with the gradient that the output (B, Q, E), E = M * D, receives."""

    grad_BQE: Tensor

    def to(self, device: torch.device | str, value: torch.dtype, coordinate: torch.dtype) -> Self:
        """The problem on a device; `coordinate` is the dtype of locations and weights."""
        return replace(
            self,
            value_BSMD=self.value_BSMD.to(device, value),
            grad_BQE=self.grad_BQE.to(device, value),
            locations_BQMLP2=self.locations_BQMLP2.to(device, coordinate),
            weights_BQMLP=self.weights_BQMLP.to(device, coordinate),
        )


def packed_starts(shapes_L2: Sequence[Sequence[int]]) -> list[int]:
    """Where levels of these heights and widths start when they follow each other without gaps."""
    starts = [0]
    for height, width in shapes_L2[:-1]:
        starts.append(starts[-1] + height * width)
    return starts
