"""A cell's method: built, loaded and prepared for inference, or built on shapes alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from vis_bench.errors import InputError, reason
from vis_bench.inference.checkpoint import FOLDER_WEIGHTS, folder_config, load_weights
from vis_bench.method import VISMethod
from vis_bench.records.environment import find_file
from vis_bench.runs.config import Cell

# `methods.build_method`, or another registry's.
BuildMethod = Callable[..., VISMethod]


def find_weights(cell: Cell, override: Path | None) -> Path | None:
    """Find the weights file: --weights, or the config's, relative to here or to the source tree.

    A folder means the `model.safetensors` in it, as Hugging Face's transformers saves models.
    """
    named = override or (Path(cell.weights) if cell.weights else None)
    if named is None:
        return None
    path = find_file(named) or find_file(named / FOLDER_WEIGHTS)
    if path is None:
        problem = "is not a regular file" if named.exists() else "does not exist"
        problem = f"is a folder without {FOLDER_WEIGHTS}" if named.is_dir() else problem
        if cell.trained_by and override is None:
            raise InputError(
                f"weights file {named} {problem}; it is made by the commands at the top of the "
                f"training config {cell.trained_by}"
            )
        raise InputError(
            f"weights file {named} {problem}; --weights takes a .pth or .safetensors, or a folder "
            f"with {FOLDER_WEIGHTS}"
        )
    return path


def build_cell_method(
    build_method: BuildMethod, cell: Cell, num_classes: int, weights: Path | None = None
) -> VISMethod:
    """Build the cell's method; random weights come from the cell's seed alone.

    `kernel_backend` is passed to the methods that have an option of that name. A config.json beside
    the weights decides the options that it states.
    """
    with naming_builder(cell.method, cell.options):
        return _build(build_method, cell, num_classes, weights)


@contextmanager
def naming_builder(name: str, options: Mapping[str, object]) -> Iterator[None]:
    """Turn errors of building a method into an InputError with the method's name."""
    if "num_classes" in options:
        raise InputError(
            f"method {name} has no option 'num_classes'; it is the number of the data set's "
            "categories"
        )
    try:
        yield
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"method {name} refuses its options: {error}") from None
    except (Exception, SystemExit) as error:  # a plug-in's own code may raise anything
        raise InputError(f"method {name} cannot be built, {reason(error)}") from None


@contextmanager
def naming_method(name: str) -> Iterator[None]:
    """Turn errors of a method's own code into an InputError with its name and the place."""
    try:
        yield
    except InputError:
        raise
    except (Exception, SystemExit) as error:  # a plug-in's own code may raise anything
        raise InputError(f"method {name} failed, {reason(error)}") from None


def resolve_kernel_backend(method: VISMethod, device: torch.device) -> str | None:
    """The backend that the method's own kernels run on; None without such kernels."""
    with naming_method(method.registered_name):
        try:
            return method.resolved_kernel_backend(device)
        except ValueError as error:
            raise InputError(f"kernel_backend: {error}") from None


def load_method(
    build_method: BuildMethod, cell: Cell, num_classes: int,
    weights: Path | None, device: torch.device,
) -> VISMethod:  # fmt: skip
    """Build the cell's method, load its weights and prepare it for inference on `device`."""
    method = build_cell_method(build_method, cell, num_classes, weights)
    resolve_kernel_backend(method, device)
    if weights is not None:
        load_weights(method, weights)
    with naming_method(cell.method):
        method.to(device)
        method.prepare_for_inference()
    return method


def method_on_meta(
    build_method: BuildMethod, cell: Cell, num_classes: int, weights: Path | None = None
) -> VISMethod:
    """Build the cell's method on the meta device: shapes without values."""
    try:
        with torch.device("meta"):
            method = _build(build_method, cell, num_classes, weights)
            method.to("meta")
            method.prepare_for_inference()
    except (Exception, SystemExit) as error:  # a plug-in may do anything where there are no values
        build_cell_method(build_method, cell, num_classes, weights)
        raise InputError(
            f"method {cell.method} cannot be built on the meta device, where FLOPs are counted: "
            f"{reason(error)}"
        ) from None
    return method


def _build(
    build_method: BuildMethod, cell: Cell, num_classes: int, weights: Path | None
) -> VISMethod:
    options = dict(cell.options)
    if weights is not None and (config := folder_config(weights)):
        options["weights_config"] = config
    if cell.kernel_backend != "auto":
        options["kernel_backend"] = cell.kernel_backend
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cell.seed)
        return build_method(cell.method, num_classes=num_classes, **options)


@contextmanager
def counting_flops(name: str) -> Iterator[None]:
    """Turn errors of a method's code on the meta device into one sentence."""
    try:
        yield
    except Exception as error:  # a method's own code may raise anything where there are no values
        raise InputError(f"FLOPs of method {name} cannot be counted: {reason(error)}") from None
