"""Which backend of multi-scale deformable attention runs on a device."""

from __future__ import annotations

import threading
import warnings
from functools import cache

import torch

from cuda_ops.build import BuildError
from cuda_ops.ms_deform_attn import self_test
from cuda_ops.ms_deform_attn.backend import (
    AUTO,
    REFERENCE,
    Backend,
    backend_module,
    candidates,
    check_backend,
)

_LOCK = threading.RLock()


def why_unavailable(name: str, device: torch.device | str, dtype: torch.dtype) -> str | None:
    """Why a backend does not run on a device with values of a dtype, or None where it does.

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

    For `auto` the fastest one that passes a numeric self-test there; found once, which may build
    and time the candidates. A candidate that fails is reported in one warning.

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
    for name in candidates(device.type):
        if not _supports(name, device, dtype):
            continue
        reason = why_unavailable(name, device, dtype)
        reason = reason or self_test.failure(backend_module(name), reference, device, dtype)
        if reason is None:
            seconds[name] = self_test.seconds(backend_module(name), device, dtype)
        else:
            failures.append(f"{name} ({reason})")
    if seconds:
        seconds[REFERENCE] = self_test.seconds(reference, device, dtype)
    chosen = min(seconds, key=seconds.__getitem__, default=REFERENCE)
    if failures:
        _warn_once(
            f"multi-scale deformable attention on {device} runs on backend {chosen!r}, without "
            + " and ".join(failures)
        )
    return chosen


def _supports(name: str, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether a candidate is meant for such values; one that cannot be imported counts as meant."""
    try:
        return backend_module(name).unsupported(device, dtype) is None
    except ImportError:
        return True


@cache
def _warn_once(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=2)
