"""How much memory a measurement needs, and how much is free."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from cuda_ops.ms_deform_attn.backend import REFERENCE
from cuda_ops.profile.attention_shapes import CHANNELS, HEADS, POINTS, AttentionShape


def available_bytes(device: torch.device) -> int:
    """Memory that is free on a device."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def needed_bytes(backend: str, shape: AttentionShape, pass_name: str, dtype: torch.dtype) -> int:
    """About what a call takes at its peak: arguments, results and intermediate results.

    The reference holds all samples of a level, and in the backward pass their gradients and the
    sampled maps' as well; the other backends hold the value's gradient in float32 at most.
    """
    held = shape.bytes_held(pass_name, dtype)
    value = 4 * torch.Size(shape.value_size).numel()
    if backend != REFERENCE:
        return held + 2 * value
    samples = 4 * shape.batch * shape.queries * HEADS * POINTS * CHANNELS
    return held + 3 * value + (2 if pass_name == "forward" else 4) * samples
