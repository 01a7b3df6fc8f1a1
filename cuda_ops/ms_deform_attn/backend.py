"""The backends of multi-scale deformable attention: which there are, and what each offers.

This is the one place that lists their names. A backend is a module of this package with the
functions of `Backend`; it is imported when it is first asked for.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import NamedTuple, Protocol, cast

import torch
from torch import Tensor

from cuda_ops.ms_deform_attn.inputs import AttentionInputs

AUTO = "auto"
REFERENCE = "reference"


class Backend(Protocol):
    """What each backend's module offers."""

    def unsupported(self, device: torch.device, dtype: torch.dtype) -> str | None:
        """Why the backend does not take values of that dtype on that device; None if it does."""
        ...

    def load(self, device: torch.device) -> None:
        """Makes the backend ready; raises BuildError where that fails."""
        ...

    def forward(self, inputs: AttentionInputs) -> Tensor:
        """The output (B, Q, M * D)."""
        ...

    def backward(self, grad_BQE: Tensor, inputs: AttentionInputs) -> tuple[Tensor, Tensor, Tensor]:
        """The gradients of value, locations and weights."""
        ...


class _Entry(NamedTuple):
    """A backend's module, and the kinds of device on which `auto` tries it."""

    module: str
    devices: tuple[str, ...]


_BACKENDS = {
    REFERENCE: _Entry("reference", ()),  # what `auto` falls back to, everywhere
    "cpu": _Entry("cpu", ("cpu",)),
    "cuda": _Entry("cuda", ("cuda",)),
    "triton": _Entry("triton_kernel", ("cuda",)),
}


def backend_names() -> tuple[str, ...]:
    """The names of all backends, whether or not they run on this machine."""
    return tuple(_BACKENDS)


def candidates(device_type: str) -> tuple[str, ...]:
    """The backends among which `auto` chooses on a kind of device, beside the reference."""
    return tuple(name for name, entry in _BACKENDS.items() if device_type in entry.devices)


def check_backend(name: str) -> None:
    """Checks the name of a backend.

    Raises:
        ValueError: it is neither `auto` nor one of `backend_names()`.
    """
    expected = (AUTO, *_BACKENDS)
    if name not in expected:
        raise ValueError(f"backend must be one of {', '.join(expected)}, got {name!r}")


@cache
def backend_module(name: str) -> Backend:
    """The module of a backend.

    Raises:
        ImportError: a package that the backend needs is not installed.
    """
    return cast(Backend, importlib.import_module(f"{__package__}.{_BACKENDS[name].module}"))
