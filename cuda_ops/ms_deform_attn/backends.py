"""The backends of multi-scale deformable attention, and the choice among them.

A backend is a module with the functions of `Backend`. It is imported when it is first asked for.
"""

from __future__ import annotations

import importlib
import threading
import warnings
from collections.abc import Sequence
from functools import cache
from typing import Protocol, cast

import torch
from torch import Tensor

from cuda_ops.build import BuildError
from cuda_ops.ms_deform_attn import selftest
from cuda_ops.ms_deform_attn.contract import check_backend

_MODULES = {"reference": "reference", "cpu": "cpu", "cuda": "cuda", "triton": "triton_kernel"}
_CANDIDATES = {"cpu": ("cpu",), "cuda": ("cuda", "triton")}
_LOCK = threading.RLock()


class Backend(Protocol):
    """What each backend's module offers; inputs have passed `contract.check_inputs`."""

    def unsupported(self, device: torch.device, dtype: torch.dtype) -> str | None:
        """Why values of that dtype on that device are not its business, or None."""
        ...

    def load(self, device: torch.device) -> None:
        """Makes it ready; raises BuildError where that fails."""
        ...

    def forward(
        self,
        value_BSMD: Tensor,
        sides_2L: Sequence[int],
        starts_L: Sequence[int],
        locations_BQMLP2: Tensor,
        weights_BQMLP: Tensor,
    ) -> Tensor:
        """The output (B, Q, M * D)."""
        ...

    def backward(
        self,
        grad_BQE: Tensor,
        value_BSMD: Tensor,
        sides_2L: Sequence[int],
        starts_L: Sequence[int],
        locations_BQMLP2: Tensor,
        weights_BQMLP: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The gradients of value, locations and weights."""
        ...


def backend_names() -> tuple[str, ...]:
    """The backends there are, on this machine or another."""
    return tuple(_MODULES)


def why_unavailable(name: str, device: torch.device | str, dtype: torch.dtype) -> str | None:
    """Why a backend does not run on a device with values of a dtype, or None where it does.

    The first question builds the backend where it needs building.
    """
    device = _full_device(device)
    try:
        backend = _module(name)
        reason = backend.unsupported(device, dtype)
        if reason is None:
            backend.load(device)
    except (BuildError, ImportError) as error:
        return str(error)
    return reason


def resolve_backend(
    device: torch.device | str, dtype: torch.dtype = torch.float32, backend: str = "auto"
) -> str:
    """The name of the backend that serves values of a dtype on a device.

    For `auto` the fastest one that passes a numeric self-test there; found once, which may build
    and time the candidates. A candidate that fails is reported in one warning.

    Raises:
        ValueError: for a name that does not exist or does not run there.
    """
    check_backend(backend)
    device = _full_device(device)
    if backend == "auto":
        with _LOCK:
            return _fastest(device, dtype)
    if reason := _why_unavailable_once(backend, device, dtype):
        raise ValueError(f"backend {backend!r} is not available for {dtype} on {device}: {reason}")
    return backend


def select(backend: str, device: torch.device, dtype: torch.dtype) -> Backend:
    """The module of the backend that `resolve_backend` names."""
    return _module(resolve_backend(device, dtype, backend))


def _full_device(device: torch.device | str) -> torch.device:
    device = torch.device(device)
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device


@cache
def _module(name: str) -> Backend:
    return cast(Backend, importlib.import_module(f"{__package__}.{_MODULES[name]}"))


@cache
def _why_unavailable_once(name: str, device: torch.device, dtype: torch.dtype) -> str | None:
    return why_unavailable(name, device, dtype)


@cache
def _fastest(device: torch.device, dtype: torch.dtype) -> str:
    seconds: dict[str, float] = {}
    failures: list[str] = []
    for name in _CANDIDATES.get(device.type, ()):
        if _supports(name, device, dtype):
            reason = why_unavailable(name, device, dtype)
            reason = reason or selftest.failure(_module(name), _module("reference"), device, dtype)
            if reason is None:
                seconds[name] = selftest.seconds(_module(name), device, dtype)
            else:
                failures.append(f"{name} ({reason})")
    if seconds:
        seconds["reference"] = selftest.seconds(_module("reference"), device, dtype)
    chosen = min(seconds, key=seconds.__getitem__, default="reference")
    if failures:
        _warn_once(
            f"multi-scale deformable attention on {device} runs on backend {chosen!r}, without "
            + " and ".join(failures)
        )
    return chosen


def _supports(name: str, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether a candidate is meant for the task at all; one that cannot be imported is."""
    try:
        return _module(name).unsupported(device, dtype) is None
    except ImportError:
        return True


@cache
def _warn_once(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=2)
