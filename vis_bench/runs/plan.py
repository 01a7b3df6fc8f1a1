"""How a cell's videos are inferred on a device."""

from __future__ import annotations

import torch

from vis_bench.inference.compiled import check_compile
from vis_bench.inference.loop import InferencePlan
from vis_bench.inference.tf32 import check_tf32
from vis_bench.runs.config import Cell


def inference_plan(cell: Cell, device: torch.device) -> InferencePlan:
    """The cell's plan.

    Raises:
        InputError: for TF32 or a way to compile that the device does not have.
    """
    if cell.tf32:
        check_tf32(device)
    check_compile(cell.compile, device)
    return InferencePlan(
        cell.clip_length, cell.clip_stride, cell.resolution, device, cell.precision, cell.tf32
    )
