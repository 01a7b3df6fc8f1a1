"""Backends of multi-scale deformable attention: names, self-test, and the choice of one.

A backend is a module of this package with the functions of `Backend`; it is imported when it is
first asked for. `auto` takes the fastest backend that passes a numeric self-test on the device.
"""

from __future__ import annotations

import importlib
import threading
import time
import warnings
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple, Protocol, cast

import torch
from torch import Tensor

from cuda_ops.build import BuildError
from cuda_ops.ms_deform_attn.inputs import AttentionInputs, AttentionProblem, packed_starts

AUTO = "auto"
REFERENCE = "reference"

_REPETITIONS = 3
_RESULTS = ("output", "value gradient", "location gradient", "weight gradient")
_LOCK = threading.RLock()


class Backend(Protocol):
    """The functions of a backend's module."""

    def unsupported(self, device: torch.device, dtype: torch.dtype) -> str | None:
        """Reason why the backend takes no values of that dtype on that device; None if it does."""
        ...

    def load(self, device: torch.device) -> None:
        """Make the backend ready, or raise BuildError."""
        ...

    def compiled_with(self, device: torch.device) -> str | None:
        """Compiler and flags of the loaded library; None for a backend without one."""
        ...

    def forward(self, inputs: AttentionInputs) -> Tensor:
        """The output (B, Q, M * D)."""
        ...

    def backward(self, grad_BQE: Tensor, inputs: AttentionInputs) -> tuple[Tensor, Tensor, Tensor]:
        """The gradients of value, locations and weights."""
        ...


class _BackendModule(NamedTuple):
    """A backend's module, and the kinds of device on which `auto` tries it."""

    module: str
    devices: tuple[str, ...]


_BACKENDS = {
    REFERENCE: _BackendModule("reference", ()),  # the fallback of `auto`, everywhere
    "cpu": _BackendModule("cpu", ("cpu",)),
    "cuda": _BackendModule("cuda", ("cuda",)),
    "triton": _BackendModule("triton_kernel", ("cuda",)),
}


def backend_names() -> tuple[str, ...]:
    """The names of all backends, whether or not they run on this machine."""
    return tuple(_BACKENDS)


def check_backend(name: str) -> None:
    """Raise a ValueError unless the name is `auto` or one of `backend_names()`."""
    expected = (AUTO, *_BACKENDS)
    if name not in expected:
        raise ValueError(f"backend must be one of {', '.join(expected)}, got {name!r}")


@cache
def backend_module(name: str) -> Backend:
    """The module of a backend; an ImportError where a package that it needs is missing."""
    return cast(Backend, importlib.import_module(f"{__package__}.{_BACKENDS[name].module}"))


def self_test_failure(
    backend: Backend, reference: Backend, device: torch.device, dtype: torch.dtype
) -> str | None:
    """Reason why a backend's numbers are wrong on a device, or None.

    Compared with float64 its errors may be at most twice those of the reference in that dtype,
    plus a few roundings.
    """
    coordinates = (dtype, torch.float32) if dtype.itemsize == 2 else (dtype,)
    for coordinate in coordinates:
        drawn = _problem(((5, 7), (3, 4)), queries=6, heads=2, channels=24)
        problem = drawn.to(device, dtype, coordinate)
        exact = _results(reference, problem.to("cpu", torch.float64, torch.float64))
        try:
            found, own = _results(backend, problem), _results(reference, problem)
        except Exception as error:  # whatever a driver or compiler may raise
            return f"its self-test failed: {error}"
        for name, *results in zip(_RESULTS, exact, found, own, strict=True):
            if reason := _disagreement(name, *results, eps=torch.finfo(dtype).eps):
                return reason
    return None


def self_test_seconds(backend: Backend, device: torch.device, dtype: torch.dtype) -> float:
    """The shortest of a few forward passes, so large that launching them does not matter."""
    queries = 40_000 if device.type == "cuda" else 1280
    drawn = _problem(((32, 32), (16, 16)), queries=queries, heads=8, channels=32)
    problem = drawn.to(device, dtype, dtype)
    backend.forward(problem)
    return min(_timed(backend, problem) for _ in range(_REPETITIONS))


def _results(backend: Backend, problem: AttentionProblem) -> tuple[Tensor, ...]:
    """The output and the three gradients, in float64 on the CPU."""
    grads = backend.backward(problem.grad_BQE, problem)
    return tuple(x.double().cpu() for x in (backend.forward(problem), *grads))


def _disagreement(
    name: str, exact: Tensor, found: Tensor, own: Tensor, *, eps: float
) -> str | None:
    error = float((found - exact).abs().max())
    allowed = 2 * float((own - exact).abs().max()) + 4 * eps * float(exact.abs().max())
    if error <= allowed:
        return None
    return f"its self-test failed: the {name} is off by {error:.2g}, expected {allowed:.2g} at most"


def _problem(
    shapes_L2: Sequence[tuple[int, int]], *, queries: int, heads: int, channels: int
) -> AttentionProblem:
    """Random numbers, the same every time."""
    random = torch.Generator().manual_seed(0)
    positions = sum(height * width for height, width in shapes_L2)
    shape = (2, queries, heads, len(shapes_L2), 4)
    return AttentionProblem(
        sides_2L=[side for row in shapes_L2 for side in row],
        starts_L=packed_starts(shapes_L2),
        grad_BQE=torch.randn(2, queries, heads * channels, generator=random),
        value_BSMD=torch.randn(2, positions, heads, channels, generator=random),
        # A tenth lies outside on each side.
        locations_BQMLP2=torch.rand(*shape, 2, generator=random) * 1.25 - 0.125,
        weights_BQMLP=torch.rand(shape, generator=random),
    )


def _timed(backend: Backend, problem: AttentionProblem) -> float:
    _wait_for(problem.value_BSMD.device)
    start = time.perf_counter()
    backend.forward(problem)
    _wait_for(problem.value_BSMD.device)
    return time.perf_counter() - start


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def why_unavailable(name: str, device: torch.device | str, dtype: torch.dtype) -> str | None:
    """Reason why a backend does not run on a device with values of a dtype, or None.

    Asking for the first time builds the backend where it needs building.
    """
    device = _full_device(device)
    try:
        backend = backend_module(name)
        reason = backend.unsupported(device, dtype)
        if reason is None:
            backend.load(device)
    except (BuildError, ImportError) as error:
        return str(error)
    return reason


def resolve_backend(
    device: torch.device | str, dtype: torch.dtype = torch.float32, backend: str = AUTO
) -> str:
    """The name of the backend that handles values of a dtype on a device.

    `auto` is the fastest one that passes the self-test; found once, which may build and time the
    candidates. A candidate that fails is reported in one warning.

    Raises:
        ValueError: for a name that does not exist or does not run there.
    """
    check_backend(backend)
    device = _full_device(device)
    if backend == AUTO:
        with _LOCK:
            return _fastest(device, dtype)
    if reason := _why_unavailable_once(backend, device, dtype):
        raise ValueError(f"backend {backend!r} is not available for {dtype} on {device}: {reason}")
    return backend


def select(backend: str, device: torch.device, dtype: torch.dtype) -> Backend:
    """The module of the backend that `resolve_backend` names."""
    return backend_module(resolve_backend(device, dtype, backend))


def compiled_with(
    device: torch.device | str, dtype: torch.dtype = torch.float32, backend: str = AUTO
) -> str | None:
    """Compiler and flags of the backend that `resolve_backend` names; None without a library."""
    device = _full_device(device)
    return select(backend, device, dtype).compiled_with(device)


def _full_device(device: torch.device | str) -> torch.device:
    device = torch.device(device)
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device


@cache
def _why_unavailable_once(name: str, device: torch.device, dtype: torch.dtype) -> str | None:
    return why_unavailable(name, device, dtype)


@cache
def _fastest(device: torch.device, dtype: torch.dtype) -> str:
    reference = backend_module(REFERENCE)
    seconds: dict[str, float] = {}
    failures: list[str] = []
    for name, entry in _BACKENDS.items():
        if device.type not in entry.devices or not _supports(name, device, dtype):
            continue
        reason = why_unavailable(name, device, dtype)
        reason = reason or self_test_failure(backend_module(name), reference, device, dtype)
        if reason is None:
            seconds[name] = self_test_seconds(backend_module(name), device, dtype)
        else:
            failures.append(f"{name} ({reason})")
    if seconds:
        seconds[REFERENCE] = self_test_seconds(reference, device, dtype)
    chosen = min(seconds, key=seconds.__getitem__, default=REFERENCE)
    if failures:
        _warn_once(
            f"multi-scale deformable attention on {device} runs on backend {chosen!r}, without "
            + " and ".join(failures)
        )
    return chosen


def _supports(name: str, device: torch.device, dtype: torch.dtype) -> bool:
    """True for a candidate meant for such values, and for one that cannot be imported."""
    try:
        return backend_module(name).unsupported(device, dtype) is None
    except ImportError:
        return True


@cache
def _warn_once(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=2)
