"""Peak memory of a stretch of work: of the process on a CPU, of allocator and device on a GPU."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"


@dataclass
class MemoryPeaks:
    """Peaks in bytes; those of a GPU are None without one.

    `process`: resident memory of this process. `allocator`: what tensors held on the GPU at once.
    `device`: what was in use on the whole GPU afterwards, the allocator's cache, the context and
    other processes included.
    """

    process: int | None = None
    allocator: int | None = None
    device: int | None = None

    @property
    def main(self) -> int | None:
        """The allocator's peak on a GPU, the process's on a CPU: the record's figure."""
        return self.process if self.allocator is None else self.allocator


@contextmanager
def peak_memory(device: torch.device) -> Iterator[MemoryPeaks]:
    """Measures the peaks of what runs inside; they are filled in at its end."""
    peaks = MemoryPeaks()
    gpu = device.type == "cuda"
    if gpu:
        torch.cuda.reset_peak_memory_stats(device)
    reset_process_peak()
    yield peaks
    peaks.process = process_peak()
    if gpu:
        peaks.allocator = torch.cuda.max_memory_allocated(device)
        free, total = torch.cuda.mem_get_info(device)
        peaks.device = total - free


def reset_process_peak() -> bool:
    """Starts a new peak of resident memory; False where the system offers no such thing."""
    try:
        _CLEAR_REFS.write_text(_RESET_PEAK)
    except OSError:
        return False
    return True


def process_peak() -> int:
    """Peak of resident memory in bytes since the last reset, or since the process started."""
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
