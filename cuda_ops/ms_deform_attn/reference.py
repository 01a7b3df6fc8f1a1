"""The definition of multi-scale deformable attention, in plain PyTorch.

In the names N stands for batch times heads and K for the positions of one level.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from cuda_ops.ms_deform_attn.inputs import AttentionInputs


def unsupported(device: torch.device, dtype: torch.dtype) -> str | None:
    """None: the definition runs wherever PyTorch does."""
    return None


def load(device: torch.device) -> None:
    """Do nothing: there is nothing to build."""


def compiled_with(device: torch.device) -> None:
    """No library: it is PyTorch's own code."""


def forward(inputs: AttentionInputs) -> Tensor:
    """Sum the bilinear samples of all levels; 16-bit values are computed in float32."""
    value_BSMD = inputs.value_BSMD
    batch, _, heads, channels = value_BSMD.shape
    queries = inputs.locations_BQMLP2.shape[1]
    output_NDQ = torch.zeros(
        (batch * heads, channels, queries), dtype=_work_dtype(value_BSMD), device=value_BSMD.device
    )
    for _, map_NDHW, grid_NQP2, weights_NQP in _levels(inputs):
        samples_NDQP = grid_sample(map_NDHW, grid_NQP2, align_corners=False)
        for samples_NDQ, weights_NQ in zip(
            samples_NDQP.unbind(-1), weights_NQP.unbind(-1), strict=True
        ):
            output_NDQ.addcmul_(samples_NDQ, weights_NQ[:, None])
    output_BQMD = output_NDQ.unflatten(0, (batch, heads)).permute(0, 3, 1, 2)
    return output_BQMD.flatten(2).contiguous().to(value_BSMD.dtype)


def backward(grad_BQE: Tensor, inputs: AttentionInputs) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of value, locations and weights; 16-bit values are computed in float32."""
    value_BSMD, locations_BQMLP2, weights_BQMLP = inputs.tensors
    batch, _, heads, _ = value_BSMD.shape
    work = _work_dtype(value_BSMD)
    grad_NQD = grad_BQE.to(work).unflatten(2, (heads, -1)).transpose(1, 2).flatten(0, 1)
    value_grad_BSMD = torch.zeros(value_BSMD.shape, dtype=work, device=value_BSMD.device)
    location_grads: list[Tensor] = []
    weight_grads: list[Tensor] = []
    for start, map_NDHW, grid_NQP2, weights_NQP in _levels(inputs):
        samples_NDQP = grid_sample(map_NDHW, grid_NQP2, align_corners=False)
        weight_grads.append(torch.einsum("ndqp,nqd->nqp", samples_NDQP, grad_NQD))
        samples_grad_NDQP = grad_NQD.mT.unsqueeze(3) * weights_NQP.unsqueeze(1)
        map_grad_NDHW, grid_grad_NQP2 = torch.ops.aten.grid_sampler_2d_backward(
            samples_grad_NDQP, map_NDHW, grid_NQP2, 0, 0, False, [True, True]
        )
        location_grads.append(2 * grid_grad_NQP2)
        map_grad_BKMD = map_grad_NDHW.flatten(2).unflatten(0, (batch, heads)).permute(0, 3, 1, 2)
        value_grad_BSMD[:, start : start + map_grad_BKMD.shape[1]] += map_grad_BKMD
    return (
        value_grad_BSMD.to(value_BSMD.dtype),
        _by_query(location_grads, batch).to(locations_BQMLP2.dtype),
        _by_query(weight_grads, batch).to(weights_BQMLP.dtype),
    )


def _levels(inputs: AttentionInputs) -> Iterator[tuple[int, Tensor, Tensor, Tensor]]:
    """Each level's start, map, sampling grid and weights, heads folded into the batch."""
    value_BSMD, locations_BQMLP2, weights_BQMLP = inputs.tensors
    work = _work_dtype(value_BSMD)
    grid_BQMLP2 = _grid(locations_BQMLP2.to(work))
    levels = zip(inputs.shapes_L2, inputs.starts_L, strict=True)
    for level, ((height, width), start) in enumerate(levels):
        value_BKMD = value_BSMD[:, start : start + height * width].to(work)
        map_NDHW = value_BKMD.permute(0, 2, 3, 1).flatten(0, 1).unflatten(2, (height, width))
        grid_NQP2 = grid_BQMLP2[:, :, :, level].transpose(1, 2).flatten(0, 1)
        weights_NQP = weights_BQMLP[:, :, :, level].to(work).transpose(1, 2).flatten(0, 1)
        yield start, map_NDHW, grid_NQP2, weights_NQP


def _grid(locations_BQMLP2: Tensor) -> Tensor:
    """Locations in 0..1 as `grid_sample` counts them, -1..1.

    A sample that lies at least one level's size outside is 0 wherever exactly it lies, so far,
    infinite and NaN locations are moved there; `grid_sample` itself would read NaN at the left
    border.
    """
    return 2 * locations_BQMLP2.nan_to_num(nan=-1.0).clamp(-1.0, 2.0) - 1


def _by_query(gradients: list[Tensor], batch: int) -> Tensor:
    """Per-level gradients (N, Q, ...) as one tensor (B, Q, M, L, ...)."""
    return torch.stack(gradients, 2).unflatten(0, (batch, -1)).transpose(1, 2).contiguous()


def _work_dtype(value_BSMD: Tensor) -> torch.dtype:
    return torch.promote_types(value_BSMD.dtype, torch.float32)
