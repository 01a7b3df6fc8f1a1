"""The machine's limits: rates of copies and matrix products; and a stopwatch."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

# Written between two calls: larger than any GPU's cache, and long enough for the next call to be
# queued meanwhile, so that the time is the kernel's and not that of launching it.
_FLUSH_BYTES = 2**30
_COPY_BYTES = {"cpu": 2**28, "cuda": 2**30}
_MATRIX_SIDE = {"cpu": 1536, "cuda": 8192}
_REPETITIONS = 21


def stopwatch(device: torch.device) -> Callable[[Callable[[], object]], float]:
    """A function that runs a call and returns the seconds that it took on the device.

    On a GPU every call starts with caches that hold none of its data; on the CPU it starts with
    whatever the previous call left in them.
    """
    return _cuda_stopwatch(device) if device.type == "cuda" else _seconds


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _cuda_stopwatch(device: torch.device) -> Callable[[Callable[[], object]], float]:
    flushed = torch.empty(_FLUSH_BYTES, dtype=torch.uint8, device=device)

    def seconds(call: Callable[[], object]) -> float:
        with torch.cuda.device(device):
            start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            flushed.zero_()
            start.record()
            call()
            stop.record()
            stop.synchronize()
            return start.elapsed_time(stop) / 1000

    return seconds


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
