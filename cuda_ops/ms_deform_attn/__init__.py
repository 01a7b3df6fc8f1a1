"""Multi-scale deformable attention: one operator of PyTorch's dispatcher, several backends.

Zhu et al., "Deformable DETR", 2021, equation 3 without the linear projections around it: every
query reads P points on each of L feature maps, once per head, and sums them with its weights.

Shape letters: B batch, S positions of all levels together, M heads, D channels of a head, Q
queries, L levels, P points, 2 coordinates (x, y) of a location or sides (height, width) of a
level.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from cuda_ops.ms_deform_attn.backends import (
    AUTO,
    backend_names,
    check_backend,
    compiled_with,
    resolve_backend,
    why_unavailable,
)
from cuda_ops.ms_deform_attn.inputs import AttentionInputs, check_inputs, level_layout
from cuda_ops.ms_deform_attn.op import forward, ms_deform_attn_macs

__all__ = [
    "backend_names",
    "compiled_with",
    "ms_deform_attn",
    "ms_deform_attn_macs",
    "resolve_backend",
    "why_unavailable",
]


def ms_deform_attn(
    value_BSMD: Tensor,
    spatial_shapes_L2: Tensor | Sequence[Sequence[int]],
    level_start_index_L: Tensor | Sequence[int] | None,
    sampling_locations_BQMLP2: Tensor,
    attention_weights_BQMLP: Tensor,
    *,
    backend: str = AUTO,
) -> Tensor:
    """Read the feature maps at the sampling locations and sum with the attention weights.

    A location (x, y) is a fraction of the level: (0, 0) is the top left corner of its first pixel
    and (1, 1) the bottom right corner of its last one. Sampling is bilinear between pixel
    centers, and everything outside the level is 0; so is a sample whose location is NaN or
    infinite. Where a location lies exactly on a pixel center, its gradient is the derivative
    to the right (x) and downwards (y).

    Args:
        value_BSMD: the levels' features, flattened row by row.
        spatial_shapes_L2: height and width of each level. Python numbers are best: reading a
            tensor back waits for its device, and fails under `torch.compile` and on the meta
            device.
        level_start_index_L: where each level starts on the S axis, None for one after the other.
            The levels fill the axis in any order, without gaps, overlaps or a rest.
        sampling_locations_BQMLP2: in the value's dtype, or in float32 for a 16-bit value.
        attention_weights_BQMLP: of the locations' dtype; usually they sum to 1 over L and P.
        backend: one of `backend_names()`, or `auto` for the fastest that works here.

    Returns:
        Tensor of shape (B, Q, M * D) in the value's dtype.

    Raises:
        ValueError: a shape, a level, a device or the backend's name does not fit.
        TypeError: a dtype does not fit.
    """
    check_backend(backend)
    sides, starts = level_layout(spatial_shapes_L2, level_start_index_L)
    inputs = AttentionInputs(
        value_BSMD, sides, starts, sampling_locations_BQMLP2, attention_weights_BQMLP
    )
    check_inputs(inputs)
    return forward(inputs, backend)
