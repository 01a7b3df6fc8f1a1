"""What ran where: device, versions, threads, and the state of the source tree."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from vis_bench.errors import InputError

SOURCE_ROOT = Path(__file__).resolve().parents[2]


def pick_device(name: str | None) -> torch.device:
    """The device to run on; None takes a GPU where there is one.

    Raises:
        InputError: for a GPU that is not there, or a device that is neither cpu nor cuda.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or not (index == "" or index.isdigit()):
        raise InputError(f"device is {name!r}; allowed are cpu, cuda and cuda:<index>")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if kind == "cuda" and int(index or 0) >= count:
        raise InputError(f"device {name} is not there: this machine has {count} CUDA devices")
    return torch.device(name)


def describe_environment(device: torch.device) -> dict[str, Any]:
    """The record's environment fields: device, driver, cuda, torch, python, num_threads, tf32."""
    gpu = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if gpu else _cpu_name(),
        "driver": _driver_version() if gpu else None,
        "cuda": torch.version.cuda if gpu else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "num_threads": torch.get_num_threads(),
        "tf32": torch.backends.cuda.matmul.allow_tf32 if gpu else None,
    }


def describe_source() -> dict[str, Any]:
    """The record's provenance fields git_commit and git_dirty; both None outside a checkout."""
    commit = _git("rev-parse", "HEAD")
    status = _git("status", "--porcelain", "--untracked-files=no")
    return {"git_commit": commit, "git_dirty": None if commit is None else bool(status)}


def _git(*arguments: str) -> str | None:
    if not (SOURCE_ROOT / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=SOURCE_ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _cpu_name() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _driver_version() -> str | None:
    import pynvml

    try:
        pynvml.nvmlInit()
        return str(pynvml.nvmlSystemGetDriverVersion())
    except pynvml.NVMLError:
        return None
