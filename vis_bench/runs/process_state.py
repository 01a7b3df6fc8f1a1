"""Settings of the process that a method's own code may change, put back for the next cell."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import torch


@contextlib.contextmanager
def kept_folder() -> Iterator[None]:
    """Put the working directory back, from which the records' folder is named."""
    before = Path.cwd()
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def kept_torch_settings() -> Iterator[None]:
    """Put PyTorch's default type and device, threads and determinism back."""
    dtype, device, threads = (
        torch.get_default_dtype(), torch.get_default_device(), torch.get_num_threads(),
    )  # fmt: skip
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        if torch.get_default_device() != device:
            torch.set_default_device(None if device.type == "cpu" else device)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
