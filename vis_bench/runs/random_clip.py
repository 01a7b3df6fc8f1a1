"""A clip to run a method on where its frames do not matter."""

from __future__ import annotations

import torch

from vis_bench.cost.flops.nominal import NOMINAL_SIZE_HW
from vis_bench.inference.preprocess import input_size
from vis_bench.method import VISMethod
from vis_bench.runs.config import Cell

# Frames where the config's clip is a whole video.
WHOLE_CLIP_FRAMES = 5


def random_clip(method: VISMethod, cell: Cell, device: torch.device) -> torch.Tensor:
    """Random 16:9 frames (T, 3, H, W) at the cell's resolution."""
    length = WHOLE_CLIP_FRAMES if cell.clip_length == "whole" else cell.clip_length
    size_HW = input_size(*NOMINAL_SIZE_HW, cell.resolution, method.input_format)
    generator = torch.Generator().manual_seed(cell.seed)
    return torch.randn(length, 3, *size_HW, generator=generator).to(device)
