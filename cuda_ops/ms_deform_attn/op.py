"""Multi-scale deformable attention as seen by PyTorch's dispatcher.

Every call is one `cuda_ops::ms_deform_attn`, whatever its backend, so that compilers, tracers and
FLOP counters see the same program everywhere. The backend is chosen when the operator runs.

The dispatcher's schemas are flat: here, and only here, the inputs are separate arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from cuda_ops.ms_deform_attn.backends import select
from cuda_ops.ms_deform_attn.inputs import AttentionInputs


def ms_deform_attn_macs(
    value_BSMD: Sequence[int], sampling_locations_BQMLP2: Sequence[int], *, backward: bool = False
) -> int:
    """Multiply-adds of one call, from the shapes of its arguments.

    Five per sampled channel: four of the bilinear interpolation and one of the weighting, so
    5 * B * Q * M * L * P * D. The backward pass is counted as twice the forward one, the rule that
    also holds for matrix products and convolutions.
    """
    channels = value_BSMD[3]
    batch, queries, heads, levels, points, _ = sampling_locations_BQMLP2
    forward = 5 * batch * queries * heads * levels * points * channels
    return 2 * forward if backward else forward


@torch.library.custom_op("cuda_ops::ms_deform_attn", mutates_args=())
def _forward_op(
    value_BSMD: Tensor,
    sides_2L: Sequence[int],
    starts_L: Sequence[int],
    locations_BQMLP2: Tensor,
    weights_BQMLP: Tensor,
    backend: str,
) -> Tensor:
    inputs = AttentionInputs(value_BSMD, sides_2L, starts_L, locations_BQMLP2, weights_BQMLP)
    chosen = select(backend, value_BSMD.device, value_BSMD.dtype)
    return value_BSMD.new_zeros(inputs.output_size) if inputs.is_empty else chosen.forward(inputs)


@torch.library.custom_op("cuda_ops::ms_deform_attn_backward", mutates_args=())
def _backward_op(
    grad_BQE: Tensor,
    value_BSMD: Tensor,
    sides_2L: Sequence[int],
    starts_L: Sequence[int],
    locations_BQMLP2: Tensor,
    weights_BQMLP: Tensor,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor]:
    inputs = AttentionInputs(value_BSMD, sides_2L, starts_L, locations_BQMLP2, weights_BQMLP)
    if inputs.is_empty:
        value, locations, weights = (x.new_zeros(x.shape) for x in inputs.tensors)
        return value, locations, weights
    chosen = select(backend, value_BSMD.device, value_BSMD.dtype)
    return chosen.backward(grad_BQE, inputs)


@_forward_op.register_fake
def _forward_fake(value_BSMD: Tensor, *others: Any) -> Tensor:
    *inputs, _backend = others
    return value_BSMD.new_empty(AttentionInputs(value_BSMD, *inputs).output_size)


@_backward_op.register_fake
def _backward_fake(grad_BQE: Tensor, *inputs: Any) -> tuple[Tensor, Tensor, Tensor]:
    *tensors_and_levels, _backend = inputs
    tensors = AttentionInputs(*tensors_and_levels).tensors
    value, locations, weights = (x.new_empty(x.shape) for x in tensors)
    return value, locations, weights


def forward(inputs: AttentionInputs, backend: str) -> Tensor:
    """The forward pass on the chosen backend; output (B, Q, M * D)."""
    return _forward_op(*_flat(inputs), backend)


def backward(
    grad_BQE: Tensor, inputs: AttentionInputs, backend: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of value, locations and weights on the chosen backend."""
    return _backward_op(grad_BQE, *_flat(inputs), backend)


def _flat(inputs: AttentionInputs) -> tuple[Tensor, Sequence[int], Sequence[int], Tensor, Tensor]:
    return (
        inputs.value_BSMD,
        inputs.sides_2L,
        inputs.starts_L,
        inputs.locations_BQMLP2,
        inputs.weights_BQMLP,
    )


def _save_for_backward(ctx: Any, inputs: tuple, output: Tensor) -> None:
    value_BSMD, sides_2L, starts_L, locations_BQMLP2, weights_BQMLP, backend = inputs
    ctx.save_for_backward(value_BSMD, locations_BQMLP2, weights_BQMLP)
    ctx.sides_2L, ctx.starts_L, ctx.backend = sides_2L, starts_L, backend


def _differentiate(ctx: Any, grad_BQE: Tensor) -> tuple[Tensor | None, ...]:
    value_BSMD, locations_BQMLP2, weights_BQMLP = ctx.saved_tensors
    inputs = AttentionInputs(
        value_BSMD, ctx.sides_2L, ctx.starts_L, locations_BQMLP2, weights_BQMLP
    )
    value, locations, weights = backward(grad_BQE, inputs, ctx.backend)
    return value, None, None, locations, weights, None


_forward_op.register_autograd(_differentiate, setup_context=_save_for_backward)


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
