"""The `triton` backend: the same kernels without a C++ or CUDA compiler on the machine.

A program handles neighboring queries of one batch entry and head, all channels at once, and
accumulates in float32. Its backward pass adds to the value's gradient atomically, so only the
forward pass gives the same bits every time. With TRITON_INTERPRET=1 set before this module is
imported, Triton's interpreter runs the kernels on the CPU.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from cuda_ops.ms_deform_attn.inputs import AttentionInputs

_DTYPES = (torch.float32, torch.float16, torch.bfloat16)
_BLOCK = 1024  # queries times channels of a program


def unsupported(device: torch.device, dtype: torch.dtype) -> str | None:
    """Reason for which this backend refuses tensors of that kind; None if it takes them."""
    if device.type != "cuda" and not (device.type == "cpu" and _interpreted()):
        return "it runs on CUDA devices, and on the CPU only with TRITON_INTERPRET=1"
    return None if dtype in _DTYPES else f"it has no {dtype} kernel"


def load(device: torch.device) -> None:
    """Do nothing: Triton compiles a kernel when it first runs."""


def compiled_with(device: torch.device) -> None:
    """No library: Triton compiles it by itself."""


def forward(inputs: AttentionInputs) -> Tensor:
    """The output (B, Q, M * D)."""
    value, locations, weights = (x.contiguous() for x in inputs.tensors)
    output_BQE = value.new_empty(inputs.output_size)
    levels_L3 = _level_table(inputs.shapes_L2, tuple(inputs.starts_L), value.device)
    grid, sizes = _launch(value, locations)
    with _device(value):
        _forward_kernel[grid](value, levels_L3, locations, weights, output_BQE, **sizes)
    return output_BQE


def backward(grad_BQE: Tensor, inputs: AttentionInputs) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of value, locations and weights."""
    grad, value, locations, weights = (x.contiguous() for x in (grad_BQE, *inputs.tensors))
    value_grad = torch.zeros(value.shape, dtype=torch.float32, device=value.device)
    location_grad, weight_grad = torch.empty_like(locations), torch.empty_like(weights)
    levels_L3 = _level_table(inputs.shapes_L2, tuple(inputs.starts_L), value.device)
    grid, sizes = _launch(value, locations)
    read = (grad, value, levels_L3, locations, weights)
    with _device(value):
        _backward_kernel[grid](*read, value_grad, location_grad, weight_grad, **sizes)
    return value_grad.to(value.dtype), location_grad, weight_grad


@triton.jit
def _items(positions, heads, channels, queries, BLOCK_Q: tl.constexpr):  # type: ignore
    """A program's items, numbered over (batch, query, head), which of them exist, and where the
    values of its batch entry and head start.
    """
    blocks = tl.cdiv(queries, BLOCK_Q)
    pair = (tl.program_id(0) // blocks).to(tl.int64)
    query = (tl.program_id(0) % blocks) * BLOCK_Q + tl.arange(0, BLOCK_Q)
    batch = pair // heads
    head = pair % heads
    item = (batch * queries + query) * heads + head
    return item, query < queries, (batch * positions * heads + head) * channels


@triton.jit
def _place(locations, sample, exists, height, width):  # type: ignore
    """The pixel column and row left of and above each sample, and its distance from them.

    A location outside the level is given the pixel (-2, -2), none of whose neighbors is inside.
    """
    x = tl.load(locations + 2 * sample, mask=exists, other=-1.0).to(tl.float32) * width - 0.5
    y = tl.load(locations + 2 * sample + 1, mask=exists, other=-1.0).to(tl.float32) * height - 0.5
    inside = (x >= -1.0) & (x < width) & (y >= -1.0) & (y < height)
    x = tl.where(inside, x, -2.0)
    y = tl.where(inside, y, -2.0)
    left = tl.floor(x)
    top = tl.floor(y)
    return left.to(tl.int32), top.to(tl.int32), x - left, y - top


@triton.jit
def _corner(x, y, height, width, start, row_size, channel, in_row):  # type: ignore
    """Offsets of the channels of pixel (x, y), and where the pixel lies inside the level."""
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    row = start + y.to(tl.int64) * width + x
    return row[:, None] * row_size + channel[None, :], inside[:, None] & in_row[None, :]


@triton.jit
def _forward_kernel(  # type: ignore
    value,
    levels_L3,
    locations,
    attention,
    output,
    positions,
    heads,
    channels,
    queries,
    LEVELS: tl.constexpr,
    POINTS: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    item, exists, base = _items(positions, heads, channels, queries, BLOCK_Q)
    channel = tl.arange(0, BLOCK_D)
    in_row = channel < channels
    value += base
    row_size = heads * channels
    sums = tl.zeros((BLOCK_Q, BLOCK_D), tl.float32)
    for level in range(LEVELS):
        height = tl.load(levels_L3 + 3 * level)
        width = tl.load(levels_L3 + 3 * level + 1)
        start = tl.load(levels_L3 + 3 * level + 2)
        level_sums = tl.zeros((BLOCK_Q, BLOCK_D), tl.float32)
        for point in range(POINTS):
            sample = (item * LEVELS + level) * POINTS + point
            weight = tl.load(attention + sample, mask=exists, other=0.0).to(tl.float32)
            x, y, to_x, to_y = _place(locations, sample, exists, height, width)
            for down in tl.static_range(2):
                for right in tl.static_range(2):
                    offset, inside = _corner(
                        x + right, y + down, height, width, start, row_size, channel, in_row
                    )
                    along_x = to_x if right else 1.0 - to_x
                    along_y = to_y if down else 1.0 - to_y
                    pixel = tl.load(value + offset, mask=inside, other=0.0).to(tl.float32)
                    level_sums += pixel * (weight * along_x * along_y)[:, None]
        sums += level_sums
    target = output + item[:, None] * channels + channel[None, :]
    tl.store(target, sums.to(output.dtype.element_ty), mask=exists[:, None] & in_row[None, :])


@triton.jit
def _backward_kernel(  # type: ignore
    grad,
    value,
    levels_L3,
    locations,
    attention,
    value_grad,
    location_grad,
    attention_grad,
    positions,
    heads,
    channels,
    queries,
    LEVELS: tl.constexpr,
    POINTS: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    item, exists, base = _items(positions, heads, channels, queries, BLOCK_Q)
    channel = tl.arange(0, BLOCK_D)
    in_row = channel < channels
    value += base
    value_grad += base
    row_size = heads * channels
    gradient = tl.load(
        grad + item[:, None] * channels + channel[None, :],
        mask=exists[:, None] & in_row[None, :],
        other=0.0,
    ).to(tl.float32)
    for level in range(LEVELS):
        height = tl.load(levels_L3 + 3 * level)
        width = tl.load(levels_L3 + 3 * level + 1)
        start = tl.load(levels_L3 + 3 * level + 2)
        for point in range(POINTS):
            sample = (item * LEVELS + level) * POINTS + point
            weight = tl.load(attention + sample, mask=exists, other=0.0).to(tl.float32)
            x, y, to_x, to_y = _place(locations, sample, exists, height, width)
            x_sum = tl.zeros((BLOCK_Q,), tl.float32)
            y_sum = tl.zeros((BLOCK_Q,), tl.float32)
            weight_sum = tl.zeros((BLOCK_Q,), tl.float32)
            for down in tl.static_range(2):
                for right in tl.static_range(2):
                    offset, inside = _corner(
                        x + right, y + down, height, width, start, row_size, channel, in_row
                    )
                    along_x = to_x if right else 1.0 - to_x
                    along_y = to_y if down else 1.0 - to_y
                    pixel = tl.load(value + offset, mask=inside, other=0.0).to(tl.float32)
                    dot = tl.sum(pixel * gradient, axis=1)
                    x_sum += dot * along_y * (1.0 if right else -1.0)
                    y_sum += dot * along_x * (1.0 if down else -1.0)
                    weight_sum += dot * along_x * along_y
                    scaled = gradient * (weight * along_x * along_y)[:, None]
                    tl.atomic_add(value_grad + offset, scaled, mask=inside, sem="relaxed")
            dtype = location_grad.dtype.element_ty
            x_sum = x_sum * weight * width
            y_sum = y_sum * weight * height
            tl.store(location_grad + 2 * sample, x_sum.to(dtype), mask=exists)
            tl.store(location_grad + 2 * sample + 1, y_sum.to(dtype), mask=exists)
            tl.store(attention_grad + sample, weight_sum.to(dtype), mask=exists)


def _interpreted() -> bool:
    return not isinstance(_forward_kernel, triton.JITFunction)


def _device(value_BSMD: Tensor) -> AbstractContextManager:
    """Triton launches on the current device."""
    return torch.cuda.device(value_BSMD.device) if value_BSMD.is_cuda else nullcontext()


def _launch(value_BSMD: Tensor, locations_BQMLP2: Tensor) -> tuple[tuple[int], dict[str, Any]]:
    """The number of programs, and the kernels' sizes."""
    batch, positions, heads, channels = value_BSMD.shape
    _, queries, _, levels, points, _ = locations_BQMLP2.shape
    block_d = triton.next_power_of_2(channels)
    block_q = max(_BLOCK // block_d, 1)
    sizes = {
        **{"positions": positions, "heads": heads, "channels": channels, "queries": queries},
        "enable_fp_fusion": True,
        **{"LEVELS": levels, "POINTS": points, "BLOCK_Q": block_q, "BLOCK_D": block_d},
    }
    return (batch * heads * triton.cdiv(queries, block_q),), sizes


@lru_cache(maxsize=256)
def _level_table(
    shapes_L2: tuple[tuple[int, int], ...], starts_L: tuple[int, ...], device: torch.device
) -> Tensor:
    """Height, width and start of each level, on the device."""
    rows = [(*shape, start) for shape, start in zip(shapes_L2, starts_L, strict=True)]
    return torch.tensor(rows, dtype=torch.int32, device=device)
