"""The `cuda` backend: CUDA C++, compiled by nvcc for this GPU on first use.

The library has a plain C interface and is launched on PyTorch's current stream. It accumulates in
float32; its backward pass adds to the value's gradient atomically, so only the forward pass gives
the same bits every time.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from cuda_ops.build import cuda_compilation, load_library
from cuda_ops.ms_deform_attn.inputs import AttentionInputs

SOURCE = Path(__file__).parent / "csrc" / "cuda.cu"
MAX_LEVELS = 16
_DTYPES = {torch.float32: 0, torch.float16: 1, torch.bfloat16: 2}


def unsupported(device: torch.device, dtype: torch.dtype) -> str | None:
    """Reason for which this backend refuses tensors of that kind; None if it takes them."""
    if device.type != "cuda":
        return f"it runs on CUDA devices, not on {device.type}"
    return None if dtype in _DTYPES else f"it has no {dtype} kernel"


def load(device: torch.device) -> None:
    """Build and load the library for a device.

    Raises:
        BuildError: it cannot be built or loaded here.
    """
    _library(torch.cuda.get_device_capability(device))


def compiled_with(device: torch.device) -> str:
    """Compiler and flags of the library for a device."""
    return _library(torch.cuda.get_device_capability(device))[1]


def forward(inputs: AttentionInputs) -> Tensor:
    """The output (B, Q, M * D)."""
    tensors = [_aligned(x) for x in inputs.tensors]
    output_BQE = inputs.value_BSMD.new_empty(inputs.output_size)
    _launch("forward", inputs, [*tensors, output_BQE])
    return output_BQE


def backward(grad_BQE: Tensor, inputs: AttentionInputs) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of value, locations and weights."""
    tensors = [_aligned(x) for x in (grad_BQE, *inputs.tensors)]
    _, value, locations, weights = tensors
    value_grad = torch.zeros(value.shape, dtype=torch.float32, device=value.device)
    location_grad, weight_grad = torch.empty_like(locations), torch.empty_like(weights)
    _launch("backward", inputs, [*tensors, value_grad, location_grad, weight_grad])
    return value_grad.to(value.dtype), location_grad, weight_grad


class _KernelProblem(ctypes.Structure):
    """`Problem` of the kernels."""

    _fields_ = [
        *(
            (name, ctypes.c_int64)
            for name in (
                *("batch", "positions", "heads", "channels"),
                *("queries", "levels", "points"),
            )
        ),
        ("height", ctypes.c_int64 * MAX_LEVELS),
        ("width", ctypes.c_int64 * MAX_LEVELS),
        ("start", ctypes.c_int64 * MAX_LEVELS),
    ]


@cache
def _library(capability: tuple[int, int]) -> tuple[ctypes.CDLL, str]:
    """The library for a compute capability, and the compiler and flags that built it."""
    compilation = cuda_compilation(capability)
    library = load_library("ms_deform_attn_cuda", SOURCE, compilation)
    library.ms_deform_attn_error.restype = ctypes.c_char_p
    return library, compilation.title


def _aligned(tensor: Tensor) -> Tensor:
    """Contiguous, and starting where 16 bytes can be read at once."""
    tensor = tensor.contiguous()
    return tensor.clone() if tensor.data_ptr() % 16 else tensor


def _problem(inputs: AttentionInputs) -> _KernelProblem:
    levels = len(inputs.starts_L)
    if levels > MAX_LEVELS:
        raise ValueError(
            f"spatial_shapes_L2 may have at most {MAX_LEVELS} levels on backend 'cuda', got "
            f"{levels}; 'triton' and 'reference' take more"
        )
    _, queries, _, _, points, _ = inputs.locations_BQMLP2.shape
    problem = _KernelProblem(*inputs.value_BSMD.shape, queries, levels, points)
    problem.height[:levels] = inputs.sides_2L[0::2]
    problem.width[:levels] = inputs.sides_2L[1::2]
    problem.start[:levels] = inputs.starts_L
    return problem


def _launch(name: str, inputs: AttentionInputs, tensors: Sequence[Tensor]) -> None:
    """Launch a kernel with the aligned tensors that it reads and writes."""
    problem, device = _problem(inputs), inputs.value_BSMD.device
    library, _ = _library(torch.cuda.get_device_capability(device))
    pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]
    dtypes = _DTYPES[inputs.value_BSMD.dtype], _DTYPES[inputs.locations_BQMLP2.dtype]
    with torch.cuda.device(device):
        stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
        launch = getattr(library, f"ms_deform_attn_{name}")
        code = launch(ctypes.byref(problem), *dtypes, *pointers, stream)
    if code != 0:
        reason = library.ms_deform_attn_error(code).decode()
        raise RuntimeError(f"multi-scale deformable attention could not be launched: {reason}")
