"""Multi-scale deformable attention as seen by PyTorch's dispatcher.

Every call is one `cuda_ops::ms_deform_attn`, whatever its backend, so that compilers, tracers and
FLOP counters see the same program everywhere. The backend is chosen when the operator runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from cuda_ops.ms_deform_attn.backends import select
from cuda_ops.ms_deform_attn.macs import ms_deform_attn_macs


@torch.library.custom_op("cuda_ops::ms_deform_attn", mutates_args=())
def forward_op(
    value_BSMD: Tensor,
    sides_2L: Sequence[int],
    starts_L: Sequence[int],
    locations_BQMLP2: Tensor,
    weights_BQMLP: Tensor,
    backend: str,
) -> Tensor:
    """The forward pass on the chosen backend; output (B, Q, M * D)."""
    chosen = select(backend, value_BSMD.device, value_BSMD.dtype)
    batch, _, heads, channels = value_BSMD.shape
    if locations_BQMLP2.numel() == 0 or value_BSMD.numel() == 0:
        return value_BSMD.new_zeros(batch, locations_BQMLP2.shape[1], heads * channels)
    return chosen.forward(value_BSMD, sides_2L, starts_L, locations_BQMLP2, weights_BQMLP)


@torch.library.custom_op("cuda_ops::ms_deform_attn_backward", mutates_args=())
def backward_op(
    grad_BQE: Tensor,
    value_BSMD: Tensor,
    sides_2L: Sequence[int],
    starts_L: Sequence[int],
    locations_BQMLP2: Tensor,
    weights_BQMLP: Tensor,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of value, locations and weights on the chosen backend."""
    inputs = (value_BSMD, locations_BQMLP2, weights_BQMLP)
    if locations_BQMLP2.numel() == 0 or value_BSMD.numel() == 0:
        value, locations, weights = (x.new_zeros(x.shape) for x in inputs)
        return value, locations, weights
    chosen = select(backend, value_BSMD.device, value_BSMD.dtype)
    return chosen.backward(
        grad_BQE, value_BSMD, sides_2L, starts_L, locations_BQMLP2, weights_BQMLP
    )


@forward_op.register_fake
def _forward_fake(
    value_BSMD: Tensor,
    sides_2L: Sequence[int],
    starts_L: Sequence[int],
    locations_BQMLP2: Tensor,
    weights_BQMLP: Tensor,
    backend: str,
) -> Tensor:
    batch, _, heads, channels = value_BSMD.shape
    return value_BSMD.new_empty(batch, locations_BQMLP2.shape[1], heads * channels)


@backward_op.register_fake
def _backward_fake(
    grad_BQE: Tensor,
    value_BSMD: Tensor,
    sides_2L: Sequence[int],
    starts_L: Sequence[int],
    locations_BQMLP2: Tensor,
    weights_BQMLP: Tensor,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor]:
    inputs = (value_BSMD, locations_BQMLP2, weights_BQMLP)
    value, locations, weights = (x.new_empty(x.shape) for x in inputs)
    return value, locations, weights


def _save_for_backward(ctx: Any, inputs: tuple, output: Tensor) -> None:
    value_BSMD, sides_2L, starts_L, locations_BQMLP2, weights_BQMLP, backend = inputs
    ctx.save_for_backward(value_BSMD, locations_BQMLP2, weights_BQMLP)
    ctx.levels = sides_2L, starts_L
    ctx.backend = backend


def _differentiate(ctx: Any, grad_BQE: Tensor) -> tuple[Tensor | None, ...]:
    value_BSMD, locations_BQMLP2, weights_BQMLP = ctx.saved_tensors
    sides_2L, starts_L = ctx.levels
    value, locations, weights = backward_op(
        grad_BQE, value_BSMD, sides_2L, starts_L, locations_BQMLP2, weights_BQMLP, ctx.backend
    )
    return value, None, None, locations, weights, None


forward_op.register_autograd(_differentiate, setup_context=_save_for_backward)


# PyTorch's counter counts a multiply-add as two operations.
@register_flop_formula(torch.ops.cuda_ops.ms_deform_attn)
def _forward_flop(
    value_BSMD: Sequence[int],
    sides_2L: object,
    starts_L: object,
    locations_BQMLP2: Sequence[int],
    *args: object,
    out_shape: object = None,
    **kwargs: object,
) -> int:
    return 2 * ms_deform_attn_macs(value_BSMD, locations_BQMLP2)


@register_flop_formula(torch.ops.cuda_ops.ms_deform_attn_backward)
def _backward_flop(
    grad_BQE: object,
    value_BSMD: Sequence[int],
    sides_2L: object,
    starts_L: object,
    locations_BQMLP2: Sequence[int],
    *args: object,
    out_shape: object = None,
    **kwargs: object,
) -> int:
    return 2 * ms_deform_attn_macs(value_BSMD, locations_BQMLP2, backward=True)
