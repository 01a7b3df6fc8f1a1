"""What a measurement runs on: the device, versions and threads."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pynvml
import torch

from vis_bench.errors import InputError
from vis_bench.records.schema import MachineFields


def pick_device(name: str | None) -> torch.device:
    """The device to run on; None takes a GPU where there is one.

    Raises:
        InputError: for a GPU that is not there, or a device that is neither cpu nor cuda.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or not (index == "" or index.isdigit()):
        raise InputError(f"device is {name!r}; expected cpu, cuda or cuda:<index>")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if kind == "cuda" and int(index or 0) >= count:
        raise InputError(f"device {name} is not there: this machine has {count} CUDA devices")
    return torch.device(name)


def describe_machine(
    device: torch.device, precision: str, kernel_backend: str | None, *, tf32: bool = False,
    compile_mode: str = "none",
) -> MachineFields:  # fmt: skip
    """The machine, and how it computes.

    Args:
        tf32: whether a GPU rounds the factors of float32 products; a CPU does not.
        compile_mode: how `torch.compile` is used.
    """
    gpu = device.type == "cuda"
    return MachineFields(
        precision=precision,
        kernel_backend=kernel_backend,
        device=torch.cuda.get_device_name(device) if gpu else _cpu_name(),
        driver=_driver_version() if gpu else None,
        cuda=torch.version.cuda if gpu else None,
        torch=torch.__version__,
        python=platform.python_version(),
        num_threads=torch.get_num_threads(),
        tf32=tf32 if gpu else None,
        compile=compile_mode,
    )


def _cpu_name() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _driver_version() -> str | None:
    try:
        pynvml.nvmlInit()
        return str(pynvml.nvmlSystemGetDriverVersion())
    except pynvml.NVMLError:
        return None
