"""The `cpu` backend: C++, vectorised over channels, parallel over queries and heads.

The library has a plain C interface, so that it needs none of PyTorch's headers and builds in
seconds. 16-bit tensors are computed in float32.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from cuda_ops.build import BuildError, build_library, cxx_compilations

SOURCE = Path(__file__).parent / "csrc" / "cpu.cpp"


def unsupported(device: torch.device, dtype: torch.dtype) -> str | None:
    """Why this backend does not serve tensors of that kind, or None."""
    return None if device.type == "cpu" else f"it runs on the CPU, not on {device.type}"


def load(device: torch.device) -> None:
    """Builds and loads the library.

    Raises:
        BuildError: that is not possible here.
    """
    _library()


def forward(
    value_BSMD: Tensor,
    sides_2L: Sequence[int],
    starts_L: Sequence[int],
    locations_BQMLP2: Tensor,
    weights_BQMLP: Tensor,
) -> Tensor:
    """The output (B, Q, M * D)."""
    value, locations, weights = _prepared(value_BSMD, locations_BQMLP2, weights_BQMLP)
    batch, queries, heads = locations.shape[:3]
    output_BQE = value.new_empty(batch, queries, heads * value.shape[3])
    tensors = (value, locations, weights, output_BQE)
    _call("forward", sides_2L, starts_L, value, locations, tensors)
    return output_BQE.to(value_BSMD.dtype)


def backward(
    grad_BQE: Tensor,
    value_BSMD: Tensor,
    sides_2L: Sequence[int],
    starts_L: Sequence[int],
    locations_BQMLP2: Tensor,
    weights_BQMLP: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of value, locations and weights."""
    value, locations, weights = _prepared(value_BSMD, locations_BQMLP2, weights_BQMLP)
    grad_BQE = grad_BQE.to(value.dtype).contiguous()
    value_grad = torch.zeros(value.shape, dtype=value.dtype)
    location_grad, weight_grad = torch.empty_like(locations), torch.empty_like(weights)
    tensors = (grad_BQE, value, locations, weights, value_grad, location_grad, weight_grad)
    _call("backward", sides_2L, starts_L, value, locations, tensors)
    return (
        value_grad.to(value_BSMD.dtype),
        location_grad.to(locations_BQMLP2.dtype),
        weight_grad.to(weights_BQMLP.dtype),
    )


class _Shape(ctypes.Structure):
    """`MsDeformAttnShape` of the source."""

    _fields_ = [
        *(
            (name, ctypes.c_int64)
            for name in (
                *("batch", "positions", "heads", "channels", "queries", "levels", "points"),
                *("value_batch_stride", "value_position_stride", "value_head_stride", "threads"),
            )
        ),
        ("sides", ctypes.POINTER(ctypes.c_int64)),
        ("starts", ctypes.POINTER(ctypes.c_int64)),
    ]


@cache
def _library() -> ctypes.CDLL:
    failure = BuildError("there is no way to compile it")
    for compilation in cxx_compilations():
        try:
            return ctypes.CDLL(str(build_library("ms_deform_attn_cpu", SOURCE, compilation)))
        except (BuildError, OSError) as error:
            failure = BuildError(str(error))
    raise failure


def _prepared(value_BSMD: Tensor, *others: Tensor) -> list[Tensor]:
    """The inputs in float32 or float64 and laid out as the library reads them."""
    work = torch.promote_types(value_BSMD.dtype, torch.float32)
    value = value_BSMD.to(work)
    value = value if value.stride(3) == 1 else value.contiguous()
    return [value, *(other.to(work).contiguous() for other in others)]


def _call(
    name: str,
    sides_2L: Sequence[int],
    starts_L: Sequence[int],
    value_BSMD: Tensor,
    locations_BQMLP2: Tensor,
    tensors: Sequence[Tensor],
) -> None:
    _, queries, _, levels, points, _ = locations_BQMLP2.shape
    shape = _Shape(
        *value_BSMD.shape,
        *(queries, levels, points),
        *value_BSMD.stride()[:3],
        torch.get_num_threads(),
        (ctypes.c_int64 * len(sides_2L))(*sides_2L),
        (ctypes.c_int64 * len(starts_L))(*starts_L),
    )
    suffix = "f64" if value_BSMD.dtype == torch.float64 else "f32"
    function = getattr(_library(), f"ms_deform_attn_{name}_{suffix}")
    pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]
    if function(ctypes.byref(shape), *pointers) != 0:
        raise MemoryError("multi-scale deformable attention on the CPU ran out of memory")
