"""How long one call takes, on the CPU or on a GPU."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

# Written between two calls: larger than any GPU's cache, and long enough for the next call to be
# queued meanwhile, so that the time is the kernel's and not that of launching it.
_FLUSH_BYTES = 2**30


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
