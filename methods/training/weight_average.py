"""An exponential moving average of a method's weights, which is what a training with it gives.

Averaged weights follow the noise of single steps less (Polyak and Juditsky, 1992).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from methods.training.trainable_norms import bundled_state
from vis_bench.method import VISMethod


class WeightAverage:
    """The average of all tensors that a weights file holds, statistics of norms among them.

    Args:
        method: whose values now are the first.
        decay: the share of the average that a step keeps, 0..1.

    Attributes:
        tensors: the averages by name.
    """

    def __init__(self, method: VISMethod, decay: float) -> None:
        self.tensors = {name: tensor.clone() for name, tensor in bundled_state(method).items()}
        self._decay = decay

    @torch.no_grad()
    def update(self, method: VISMethod) -> None:
        """Moves the average toward the method's values."""
        for name, tensor in bundled_state(method).items():
            self.tensors[name].lerp_(tensor, 1 - self._decay)

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over the averages of a checkpoint.

        Raises:
            ValueError: a tensor is missing, is not known, or has another shape.
        """
        if tensors.keys() != self.tensors.keys():
            raise ValueError("the averaged weights have other names")
        for name, tensor in self.tensors.items():
            if tensors[name].shape != tensor.shape:
                raise ValueError(f"averaged {name} has shape {tuple(tensors[name].shape)}")
            tensor.copy_(tensors[name])
