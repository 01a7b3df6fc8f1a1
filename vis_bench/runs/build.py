"""The method of a cell: built, with its weights, on its device or on the meta device.

A method's own code runs in a guard: `guarded` here, where it is built, checked and loaded, and
`GuardedMethod.calling` wherever a loaded method is called.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch

from vis_bench.digests import reading
from vis_bench.errors import InputError, reason
from vis_bench.evaluation_mode import put_in_evaluation
from vis_bench.hosted_method import HostedMethod
from vis_bench.inference.checkpoint import WeightsFile, load_weights
from vis_bench.inference.compiled import compiled, forget_compiled
from vis_bench.method import MethodSource, VISMethod
from vis_bench.runs.config import Cell
from vis_bench.runs.process_state import kept_process_state
from vis_bench.runs.sources import config_categories
from vis_bench.runs.weights import find_weights

# `methods.build_method`, or another registry's.
BuildMethod = Callable[..., VISMethod]


@dataclass(frozen=True)
class GuardedMethod:
    """A loaded method, which only `calling` gives out."""

    _method: VISMethod

    @contextmanager
    def calling(self) -> Iterator[VISMethod]:
        """Put the method in evaluation mode and give it to code that calls it, `guarded`."""
        with guarded(self._method.registered_name):
            put_in_evaluation(self._method)
            yield self._method


@contextmanager
def guarded(name: str) -> Iterator[None]:
    """Put settings back that a method's code changes, and name the method in its errors.

    Raises:
        InputError: for any error, with its place in the code; and where another thread measures.
    """
    try:
        with kept_process_state():
            yield
    except InputError:
        raise
    except (Exception, SystemExit) as error:  # a plug-in's own code may raise anything
        raise InputError(f"method {name} failed, {reason(error)}") from None


class CheckedMethod(NamedTuple):
    """Attributes of a method that was built to be checked."""

    registered_name: str
    method_source: MethodSource | None
    whole_video: bool
    max_clip_length: int | None
    paper_protocol: Mapping[str, object] | None
    place_options: Collection[str]
    digested: Mapping[str, object]


@dataclass(frozen=True)
class Recipe:
    """All that a cell's method is built from.

    Attributes:
        categories: names of the K classes, in the order of the method's columns.
        weights: a config.json beside them decides the options that it states.
    """

    build_method: BuildMethod
    cell: Cell
    categories: Sequence[str]
    weights: WeightsFile | None = None

    @classmethod
    def without_data(cls, build_method: BuildMethod, cell: Cell) -> Recipe:
        """The recipe of a cell whose data set, and weights, need not be on this machine."""
        weights = None
        with suppress(InputError):
            weights = find_weights(cell, None)
        return cls(build_method, cell, [*config_categories(cell.dataset).values()], weights)

    def build(self) -> VISMethod:
        """Build the method; random weights come from the cell's seed alone.

        `kernel_backend` is passed to the methods that have an option of that name.
        """
        with naming_builder(self.cell.method, self.cell.options):
            return self._build()

    def check(
        self, device: torch.device, remarks_of: Callable[[VISMethod], Sequence[str]]
    ) -> tuple[CheckedMethod, Sequence[str]]:
        """Build the method, with its weights, and keep its attributes alone.

        It is built on the meta device, or on the CPU if its code needs values.

        Args:
            remarks_of: is asked when the weights are loaded.

        Returns:
            The attributes, and the remarks.
        """
        try:
            with torch.device("meta"):
                method = self.build()
        except Exception:  # a plug-in's own code may raise anything where there are no values
            method = self.build()
        with guarded(method.registered_name):
            self._load_weights(method, device)
            remarks = remarks_of(method)
            method.take_categories(self.categories)
            values = (getattr(method, name) for name in CheckedMethod._fields)
            return CheckedMethod(*values), remarks

    def load(self, device: torch.device) -> GuardedMethod:
        """Build the method, load its weights and prepare it for inference on `device`.

        What earlier methods compiled is dropped: their graphs count towards PyTorch's limit. If the
        cell is compiled, the method is at its first calls.
        """
        if "torch._dynamo" in sys.modules:
            forget_compiled()
        method = self.build()
        with guarded(method.registered_name):
            self._load_weights(method, device)
            method.to(device)
            # Weights that a hosted method took may be loaded only here.
            file = self.weights if isinstance(method, HostedMethod) else None
            with nullcontext() if file is None else reading(file.path, file.sha256):
                method.prepare_for_inference()
            put_in_evaluation(method)
            if isinstance(method, HostedMethod):
                method.check_resolution(self.cell.resolution)
            method.take_categories(self.categories)
            return GuardedMethod(compiled(method, self.cell.compile))

    def on_meta(self) -> GuardedMethod:
        """Build the method on the meta device: shapes without values, and nothing compiled.

        A `HostedMethod`, which needs values, is loaded on the CPU.
        """
        try:
            with torch.device("meta"):
                method = self._build()
                if not isinstance(method, HostedMethod):
                    with kept_process_state():
                        method.to("meta")
                        method.prepare_for_inference()
                        put_in_evaluation(method)
                    return GuardedMethod(method)
        except (Exception, SystemExit) as error:  # anything, where there are no values
            self.build()
            raise InputError(
                f"method {self.cell.method} cannot be built on the meta device, where FLOPs are "
                f"counted: {reason(error)}"
            ) from None
        as_written = self.cell.model_copy(update={"compile": "none"})
        return replace(self, cell=as_written).load(torch.device("cpu"))

    def _build(self) -> VISMethod:
        cell, weights = self.cell, self.weights
        options = dict(cell.options)
        reads_config: AbstractContextManager[None] = nullcontext()
        if weights is not None and weights.config is not None:
            options["weights_config"] = weights.config
            reads_config = reading(weights.config, weights.config_sha256)
        if cell.kernel_backend != "auto":
            options["kernel_backend"] = cell.kernel_backend
        with kept_process_state(), torch.random.fork_rng(devices=[]), reads_config:
            torch.manual_seed(cell.seed)
            return self.build_method(cell.method, num_classes=len(self.categories), **options)

    def _load_weights(self, method: VISMethod, device: torch.device) -> None:
        """Load the weights, if any, into a method whose kernels run on the device."""
        resolve_kernel_backend(method, device)
        if self.weights is not None:
            load_weights(method, self.weights, len(self.categories), self._rebuilt)

    def _rebuilt(self, options: Mapping[str, object]) -> VISMethod:
        """The method with some options changed, on the meta device."""
        changed = self.cell.model_copy(update={"options": {**self.cell.options, **options}})
        with torch.device("meta"):
            return replace(self, cell=changed, weights=None)._build()


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


def resolve_kernel_backend(method: VISMethod, device: torch.device) -> str | None:
    """The backend that the method's own kernels run on; None without such kernels."""
    try:
        return method.resolved_kernel_backend(device)
    except ValueError as error:
        raise InputError(f"kernel_backend: {error}") from None
