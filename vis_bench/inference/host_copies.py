"""Copies from the host to a device that nobody waits for."""

from __future__ import annotations

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device | str) -> Tensor:
    """A host tensor on a device; on a GPU the copy is queued behind the work before it.

    An ordinary copy to a GPU waits for everything that is queued. From pinned memory it need not;
    PyTorch reuses that memory only when the copy is done.
    """
    if torch.device(device).type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
