"""BatchNorm that learns, for a backbone that starts from nothing.

The published backbones freeze the statistics that ImageNet gave them. A mini backbone has none, so
training puts PyTorch's BatchNorm in the place of each frozen one. Both keep the same four tensors
under the same names, so what was learned loads into the method as it is built everywhere else.
"""

from __future__ import annotations

import torch
from torch import nn

from methods.layers.resnet import EPSILON, FrozenBatchNorm2d

COUNTER = "num_batches_tracked"


def train_norms(module: nn.Module) -> None:
    """Replaces every frozen BatchNorm below a module by one that learns, from the same values."""
    for name, child in module.named_children():
        if isinstance(child, FrozenBatchNorm2d):
            setattr(module, name, _learning(child))
        else:
            train_norms(child)


def hold_norms(module: nn.Module, *, held: bool) -> None:
    """Keeps the norms that can learn as they are, or lets them learn again."""
    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.train(not held).requires_grad_(not held)


def bundled_state(method: nn.Module) -> dict[str, torch.Tensor]:
    """The method's tensors as `FrozenBatchNorm2d` keeps them: without counters of batches."""
    state = method.state_dict()
    return {name: tensor for name, tensor in state.items() if not name.endswith(COUNTER)}


def _learning(frozen: FrozenBatchNorm2d) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(frozen.weight.shape[0], eps=EPSILON)
    norm.load_state_dict({**frozen.state_dict(), COUNTER: torch.tensor(0)})
    return norm
