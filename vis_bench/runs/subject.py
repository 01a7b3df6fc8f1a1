"""The subject of a measurement: a method built, loaded and made ready to infer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from vis_bench.errors import InputError
from vis_bench.inference.checkpoint import load_weights
from vis_bench.inference.method import VISMethod
from vis_bench.inference.preprocess import input_size
from vis_bench.records.environment import SOURCE_ROOT
from vis_bench.runs.config import Cell

BuildMethod = Callable[..., VISMethod]

# Frames of a random clip where the config's clip is a whole video.
WHOLE_CLIP_FRAMES = 5


def find_weights(cell: Cell, override: Path | None) -> Path | None:
    """The weights file: --weights, or the config's, relative to here or to the source tree.

    Raises:
        InputError: for a file that does not exist.
    """
    named = override or (Path(cell.weights) if cell.weights else None)
    if named is None:
        return None
    for path in (named, SOURCE_ROOT / named):
        if path.is_file():
            return path
    raise InputError(f"weights file {named} does not exist; --weights takes a .pth or .safetensors")


def build_subject(build_method: BuildMethod, cell: Cell, num_classes: int) -> VISMethod:
    """Builds the cell's method; random weights come from the cell's seed alone.

    `kernel_backend` reaches the methods that have an option of that name.

    Raises:
        InputError: for a method, option or option's value that is not allowed.
    """
    options = dict(cell.options)
    if cell.kernel_backend != "auto":
        options["kernel_backend"] = cell.kernel_backend
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cell.seed)
        try:
            return build_method(cell.method, num_classes=num_classes, **options)
        except InputError:
            raise
        except (TypeError, ValueError) as error:
            raise InputError(f"method {cell.method} refuses its options: {error}") from None


def kernel_backend(method: VISMethod, device: torch.device) -> str | None:
    """The backend that the method's own kernels run on; None without such kernels.

    Raises:
        InputError: for a backend that does not run on the device, with the reason.
    """
    try:
        return method.kernel_backend(device)
    except ValueError as error:
        raise InputError(f"kernel_backend: {error}") from None


def load_subject(
    build_method: BuildMethod, cell: Cell, num_classes: int,
    weights: Path | None, device: torch.device,
) -> VISMethod:  # fmt: skip
    """Builds the cell's method, loads its weights and prepares it for inference on `device`."""
    method = build_subject(build_method, cell, num_classes)
    kernel_backend(method, device)
    if weights is not None:
        load_weights(method, weights)
    method.to(device)
    method.prepare_for_inference()
    return method


def random_clip(method: VISMethod, cell: Cell, device: torch.device) -> torch.Tensor:
    """Random 16:9 frames (T, 3, H, W) at the cell's resolution; 5 where a clip is a whole video."""
    length = WHOLE_CLIP_FRAMES if cell.clip_length == "whole" else cell.clip_length
    size_HW = input_size(720, 1280, cell.resolution, method.input_format)
    generator = torch.Generator().manual_seed(cell.seed)
    return torch.randn(length, 3, *size_HW, generator=generator).to(device)
