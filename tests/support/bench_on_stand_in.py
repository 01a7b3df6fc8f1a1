"""The command line on the stand-in for a CUDA device: `python bench_on_stand_in.py run CONFIG ...`.

The dry run of `.ci/gpu` calls it. A CPU computes, so that its times and its memory say nothing of a
GPU; what runs is everything between the command and the written file.
"""

import sys
import time
from contextlib import ExitStack, nullcontext
from types import SimpleNamespace
from unittest.mock import patch

import torch
from torch import nn

from cuda_ops.profile import Budget, machine, profile
from fake_cuda import cuda_guard
from stand_in_device import StandInDevice
from vis_bench.cli import main

NAME = "stand-in for a GPU"
GIB = 1 << 30


class Event:
    def __init__(self, enable_timing=False):
        self.at = 0.0

    def record(self, stream=None):
        self.at = time.perf_counter()

    def synchronize(self):
        pass

    def elapsed_time(self, later):
        return 1000 * (later.at - self.at)


def nothing(*_, **__):
    return None


# Of torch.cuda: what the bench asks a driver.
CUDA = {
    "is_available": lambda: True,
    "device_count": lambda: 1,
    "current_device": lambda: 0,
    "get_device_name": lambda device=None: NAME,
    "get_device_capability": lambda device=None: (9, 0),
    "get_device_properties": lambda device=None: SimpleNamespace(
        uuid="0", total_memory=80 * GIB, name=NAME
    ),
    "mem_get_info": lambda device=None: (79 * GIB, 80 * GIB),
    "memory_allocated": lambda device=None: GIB,
    "max_memory_allocated": lambda device=None: GIB,
    "is_bf16_supported": lambda *_, **__: True,
    "device": lambda device: nullcontext(),
    "current_stream": lambda device=None: None,
    "Event": Event,
    **dict.fromkeys(("synchronize", "empty_cache", "reset_peak_memory_stats"), nothing),
}


class Generator(torch.Generator):
    """One of the CPU's, whatever the device."""

    def __new__(cls, device=None):
        return super().__new__(cls)


def moving(device):
    """`Module.to` for the stand-in."""
    to = nn.Module.to

    def moved(module, *args, **kwargs):
        if args and torch.device(args[0]).type == "cuda":
            device.move(module)
            return module
        return to(module, *args, **kwargs)

    return moved


def run(arguments):
    device = StandInDevice()
    with ExitStack() as around:
        around.enter_context(cuda_guard())
        for name, value in CUDA.items():
            around.enter_context(patch.object(torch.cuda, name, value))
        # A CPU copies and multiplies what it can in a moment; threads would only wait for another.
        torch.set_num_threads(1)
        budget = Budget(repetitions=2)
        around.enter_context(patch.dict(profile.__kwdefaults__, budget=budget))
        for name, value in (("_FLUSH_BYTES", 1), ("_REPETITIONS", 1)):
            around.enter_context(patch.object(machine, name, value))
        around.enter_context(patch.dict(machine._COPY_BYTES, cuda=1 << 20))
        around.enter_context(patch.dict(machine._MATRIX_SIDE, cuda=64))
        around.enter_context(patch.object(torch, "Generator", Generator))
        around.enter_context(patch.object(nn.Module, "to", moving(device)))
        around.enter_context(device)
        return main(arguments)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
