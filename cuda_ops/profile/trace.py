"""A trace of a method's forward pass, and the operators that take most of its time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

TABLE_ROWS = 10


def trace_method(method: nn.Module, frames: Tensor, path: Path | str) -> list[dict[str, Any]]:
    """Trace one forward pass, after one that is not traced.

    Writes a trace that `chrome://tracing` and Perfetto open to `path` (.json or .json.gz).

    Args:
        method: is called with `frames`, without gradients.
        frames: the method's input, on its device.
        path: a file in a folder that exists.

    Returns:
        The ten most expensive operators, by their own time, without that of the operators they
        call: `op`, `calls`, `self_ms`, `share` (of all operators' own time). On a GPU it is the
        GPU's time.
    """
    on_gpu = frames.is_cuda
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * on_gpu
    with torch.no_grad():
        method(frames)
        with profile(activities=activities) as profiler:
            method(frames)
    profiler.export_chrome_trace(str(path))
    return _most_expensive(profiler, on_gpu)


def _most_expensive(profiler: profile, on_gpu: bool) -> list[dict[str, Any]]:
    own = "self_device_time_total" if on_gpu else "self_cpu_time_total"  # microseconds
    events = sorted(profiler.key_averages(), key=lambda event: getattr(event, own), reverse=True)
    total = sum(getattr(event, own) for event in events) or 1
    return [
        {
            "op": event.key,
            "calls": event.count,
            "self_ms": getattr(event, own) / 1000,
            "share": getattr(event, own) / total,
        }
        for event in events[:TABLE_ROWS]
    ]
