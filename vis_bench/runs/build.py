"""The method of a cell: built, with its weights, on its device or on the meta device.

Errors of a method's own code become sentences with its name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import torch

from vis_bench.digests import reading
from vis_bench.errors import InputError, reason
from vis_bench.evaluation_mode import put_in_evaluation
from vis_bench.hosted_method import HostedMethod
from vis_bench.inference.checkpoint import WeightsFile, load_weights
from vis_bench.inference.compiled import forget_compiled
from vis_bench.method import VISMethod
from vis_bench.runs.config import Cell
from vis_bench.runs.process_state import kept_process_state

# `methods.build_method`, or another registry's.
BuildMethod = Callable[..., VISMethod]


def build_cell_method(
    build_method: BuildMethod, cell: Cell, num_classes: int, weights: WeightsFile | None = None
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
        with kept_process_state():
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
    build_method: BuildMethod,
    cell: Cell,
    num_classes: int,
    weights: WeightsFile | None,
    device: torch.device,
) -> VISMethod:
    """Build the cell's method, load its weights and prepare it for inference on `device`.

    What earlier methods compiled is dropped: their graphs count towards PyTorch's limit.
    """
    if "torch._dynamo" in sys.modules:
        forget_compiled()
    method = build_cell_method(build_method, cell, num_classes, weights)
    resolve_kernel_backend(method, device)
    if weights is not None:
        rebuild = partial(rebuilt, build_method, cell, num_classes)
        load_weights(method, weights, num_classes, rebuild)
    with naming_method(method.registered_name):
        method.to(device)
        if not isinstance(method, HostedMethod):
            method.prepare_for_inference()
            put_in_evaluation(method)
            return method
        # Weights that it took may be loaded only here.
        with nullcontext() if weights is None else reading(weights.path, weights.sha256):
            method.prepare_for_inference()
        put_in_evaluation(method)
        method.check_resolution(cell.resolution)
    return method


def rebuilt(
    build_method: BuildMethod, cell: Cell, num_classes: int, options: Mapping[str, object]
) -> VISMethod:
    """Build the cell's method with some options changed, on the meta device."""
    changed = cell.model_copy(update={"options": {**cell.options, **options}})
    with torch.device("meta"):
        return _build(build_method, changed, num_classes, None)


def method_on_meta(
    build_method: BuildMethod, cell: Cell, num_classes: int, weights: WeightsFile | None = None
) -> VISMethod:
    """Build the cell's method on the meta device: shapes without values.

    A `HostedMethod`, which needs values, is loaded on the CPU.
    """
    try:
        with torch.device("meta"):
            method = _build(build_method, cell, num_classes, weights)
            if not isinstance(method, HostedMethod):
                method.to("meta")
                method.prepare_for_inference()
                put_in_evaluation(method)
    except (Exception, SystemExit) as error:  # a plug-in may do anything where there are no values
        build_cell_method(build_method, cell, num_classes, weights)
        raise InputError(
            f"method {cell.method} cannot be built on the meta device, where FLOPs are counted: "
            f"{reason(error)}"
        ) from None
    if isinstance(method, HostedMethod):
        return load_method(build_method, cell, num_classes, weights, torch.device("cpu"))
    return method


def _build(
    build_method: BuildMethod, cell: Cell, num_classes: int, weights: WeightsFile | None
) -> VISMethod:
    options = dict(cell.options)
    reads_config: AbstractContextManager[None] = nullcontext()
    if weights is not None and weights.config is not None:
        options["weights_config"] = weights.config
        reads_config = reading(weights.config, weights.config_sha256)
    if cell.kernel_backend != "auto":
        options["kernel_backend"] = cell.kernel_backend
    with kept_process_state(), torch.random.fork_rng(devices=[]), reads_config:
        torch.manual_seed(cell.seed)
        return build_method(cell.method, num_classes=num_classes, **options)
