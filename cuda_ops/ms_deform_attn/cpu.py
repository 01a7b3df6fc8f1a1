"""The `cpu` backend: C++, vectorized over channels, parallel over queries and heads.

The library has a plain C interface, so it needs none of PyTorch's headers and builds in seconds.
16-bit tensors are computed in float32.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from cuda_ops.build import BuildError, CompilerTimeoutError, cxx_compilations, load_library
from cuda_ops.ms_deform_attn.inputs import AttentionInputs

SOURCE = Path(__file__).parent / "csrc" / "cpu.cpp"


def unsupported(device: torch.device, dtype: torch.dtype) -> str | None:
    """Reason for which this backend refuses tensors of that kind; None if it takes them."""
    return None if device.type == "cpu" else f"it runs on the CPU, not on {device.type}"


def load(device: torch.device) -> None:
    """Build and load the library.

    Raises:
        BuildError: it cannot be built or loaded here.
    """
    _library()


def compiled_with(device: torch.device) -> str:
    """Compiler and flags of the library."""
    return _library()[1]


def forward(inputs: AttentionInputs) -> Tensor:
    """The output (B, Q, M * D)."""
    prepared = _prepared(inputs)
    output_BQE = prepared.value_BSMD.new_empty(prepared.output_size)
    _call("forward", prepared, [*prepared.tensors, output_BQE])
    return output_BQE.to(inputs.value_BSMD.dtype)


def backward(grad_BQE: Tensor, inputs: AttentionInputs) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of value, locations and weights."""
    prepared = _prepared(inputs)
    value, locations, weights = prepared.tensors
    grad_BQE = grad_BQE.to(value.dtype).contiguous()
    value_grad = torch.zeros(value.shape, dtype=value.dtype)
    location_grad, weight_grad = torch.empty_like(locations), torch.empty_like(weights)
    grads = (value_grad, location_grad, weight_grad)
    _call("backward", prepared, [grad_BQE, *prepared.tensors, *grads])
    value, location, weight = (g.to(x.dtype) for g, x in zip(grads, inputs.tensors, strict=True))
    return value, location, weight


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
def _library() -> tuple[ctypes.CDLL, str]:
    """The library, and the compiler and flags that built it."""
    failure = BuildError("no compiler works")
    for compilation in cxx_compilations():
        try:
            return load_library("ms_deform_attn_cpu", SOURCE, compilation), compilation.title
        except CompilerTimeoutError:
            raise
        except BuildError as error:
            failure = error
    raise failure


def _prepared(inputs: AttentionInputs) -> AttentionInputs:
    """The inputs in float32 or float64 and laid out as the library reads them."""
    work = torch.promote_types(inputs.value_BSMD.dtype, torch.float32)
    value = inputs.value_BSMD.to(work)
    return replace(
        inputs,
        value_BSMD=value if value.stride(3) == 1 else value.contiguous(),
        locations_BQMLP2=inputs.locations_BQMLP2.to(work).contiguous(),
        weights_BQMLP=inputs.weights_BQMLP.to(work).contiguous(),
    )


def _call(name: str, prepared: AttentionInputs, tensors: Sequence[Tensor]) -> None:
    """Call a function of the library with the tensors that it reads and writes."""
    value_BSMD = prepared.value_BSMD
    _, queries, _, levels, points, _ = prepared.locations_BQMLP2.shape
    shape = _Shape(
        *value_BSMD.shape,
        *(queries, levels, points),
        *value_BSMD.stride()[:3],
        torch.get_num_threads(),
        (ctypes.c_int64 * len(prepared.sides_2L))(*prepared.sides_2L),
        (ctypes.c_int64 * len(prepared.starts_L))(*prepared.starts_L),
    )
    suffix = "f64" if value_BSMD.dtype == torch.float64 else "f32"
    function = getattr(_library()[0], f"ms_deform_attn_{name}_{suffix}")
    pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]
    if function(ctypes.byref(shape), *pointers) != 0:
        raise MemoryError("multi-scale deformable attention on the CPU ran out of memory")
