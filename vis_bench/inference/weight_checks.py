"""What is checked of a weights file beside its form: kinds of numbers, their values, its size."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from vis_bench.errors import InputError

# What checkpoints of others hold as whole numbers: counters of batches, tables of positions.
COUNTS = ("num_batches_tracked", "relative_position_index")


def check_kinds(state: Mapping[str, Tensor], method: nn.Module, path: Path) -> None:
    """Refuses whole or complex numbers where a method computes with real ones.

    They would be converted without a word, as quantized weights are not meant to be.

    Raises:
        InputError: naming the first such key of the file.
    """
    own = method.state_dict()
    for key, value in state.items():
        counts = key.endswith(COUNTS) or (key in own and not own[key].is_floating_point())
        if not value.is_floating_point() and not counts:
            raise InputError(f"{path} has {value.dtype} for {key}; expected floating-point weights")


def check_finite(state: Mapping[str, Tensor], path: Path) -> None:
    """Refuses weights that are not numbers; for tensors whose shapes are known to fit.

    Raises:
        InputError: naming the first key of the file that holds one.
    """
    for key, value in state.items():
        if not value.is_floating_point():
            continue
        # A sum is finite only where all its terms are; it needs no memory for what it compares.
        if not value.sum(dtype=torch.float32).isfinite() and not value.isfinite().all():
            raise InputError(f"{path} has NaN or infinity in {key}; expected finite weights")


def check_archive(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuses an archive that unpacks to more than it holds; PyTorch does not compress.

    Raises:
        zipfile.BadZipFile: for such an archive.
    """
    unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > path.stat().st_size:
        raise zipfile.BadZipFile(f"it would unpack to {unpacked} bytes")
