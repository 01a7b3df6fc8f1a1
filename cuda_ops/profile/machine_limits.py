"""The most that this machine can do, measured: how fast it copies and multiplies matrices."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch

from cuda_ops.profile.stopwatch import stopwatch

_COPY_BYTES = {"cpu": 2**28, "cuda": 2**30}
_MATRIX_SIDE = {"cpu": 1536, "cuda": 8192}
_REPETITIONS = 21


@dataclass(frozen=True)
class MachineLimits:
    """Bytes read and written per second by a copy, and operations per second of a matrix product.

    A multiply-add counts as two operations, as is usual for matrix rates.
    """

    copy_bytes_per_s: float
    matrix_flop_per_s: dict[torch.dtype, float]


def measure_limits(device: torch.device, dtypes: list[torch.dtype]) -> MachineLimits:
    """Medians, as the kernels' own times are: of copies of a tensor far larger than any cache, and
    of square matrix products per dtype.
    """
    return MachineLimits(
        _copy_rate(device), {dtype: _matrix_rate(device, dtype) for dtype in dtypes}
    )


def _copy_rate(device: torch.device) -> float:
    size = _COPY_BYTES.get(device.type, 2**28)
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * size / _median(device, lambda: target.copy_(source))


def _matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    side = _MATRIX_SIDE.get(device.type, 1536)
    factor = torch.rand(side, side, device=device).to(dtype)
    product = torch.empty_like(factor)
    return 2 * side**3 / _median(device, lambda: torch.mm(factor, factor, out=product))


def _median(device: torch.device, call: Callable[[], object]) -> float:
    time_call = stopwatch(device)
    call()
    return statistics.median(time_call(call) for _ in range(_REPETITIONS))
