"""What `auto` asks of a backend on this device: the right numbers, and how long they take."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from cuda_ops.ms_deform_attn.backends import Backend

_REPETITIONS = 3


@dataclass(frozen=True)
class _Case:
    """Inputs and an output's gradient, random but the same every time."""

    sides_2L: tuple[int, ...]
    starts_L: tuple[int, ...]
    grad_BQE: Tensor
    value_BSMD: Tensor
    locations_BQMLP2: Tensor
    weights_BQMLP: Tensor

    def forward(self, backend: Backend) -> Tensor:
        levels = self.sides_2L, self.starts_L
        return backend.forward(self.value_BSMD, *levels, self.locations_BQMLP2, self.weights_BQMLP)

    def results(self, backend: Backend) -> tuple[Tensor, ...]:
        """The output and the three gradients, in float64 on the CPU."""
        grads = backend.backward(
            *(self.grad_BQE, self.value_BSMD, self.sides_2L, self.starts_L),
            *(self.locations_BQMLP2, self.weights_BQMLP),
        )
        return tuple(x.double().cpu() for x in (self.forward(backend), *grads))

    def to(self, device: torch.device, value: torch.dtype, coordinate: torch.dtype) -> _Case:
        return _Case(
            *(self.sides_2L, self.starts_L),
            *(x.to(device, value) for x in (self.grad_BQE, self.value_BSMD)),
            *(x.to(device, coordinate) for x in (self.locations_BQMLP2, self.weights_BQMLP)),
        )


def failure(
    backend: Backend, reference: Backend, device: torch.device, dtype: torch.dtype
) -> str | None:
    """Why a backend's numbers cannot be trusted on a device, or None where they can.

    Its errors against float64 may be at most twice the reference's own in that dtype, but for a
    few roundings.
    """
    coordinates = (dtype, torch.float32) if dtype.itemsize == 2 else (dtype,)
    for coordinate in coordinates:
        case = _case((5, 7, 3, 4), queries=6, heads=2, channels=24).to(device, dtype, coordinate)
        exact = case.to(torch.device("cpu"), torch.float64, torch.float64).results(reference)
        try:
            found, own = case.results(backend), case.results(reference)
        except Exception as error:  # whatever a driver or compiler may raise
            return f"its self-test failed: {error}"
        for name, *results in zip(_RESULTS, exact, found, own, strict=True):
            if reason := _disagreement(name, *results, eps=torch.finfo(dtype).eps):
                return reason
    return None


def seconds(backend: Backend, device: torch.device, dtype: torch.dtype) -> float:
    """The shortest of a few forward passes, large enough for a GPU's launches not to matter."""
    queries = 40_000 if device.type == "cuda" else 1280
    case = _case((32, 32, 16, 16), queries=queries, heads=8, channels=32).to(device, dtype, dtype)
    case.forward(backend)
    return min(_timed(backend, case) for _ in range(_REPETITIONS))


_RESULTS = ("output", "value gradient", "location gradient", "weight gradient")


def _disagreement(
    name: str, exact: Tensor, found: Tensor, own: Tensor, *, eps: float
) -> str | None:
    error = float((found - exact).abs().max())
    allowed = 2 * float((own - exact).abs().max()) + 4 * eps * float(exact.abs().max())
    if error <= allowed:
        return None
    return f"its self-test failed: the {name} is off by {error:.2g}, {allowed:.2g} is allowed"


def _case(sides_2L: Sequence[int], *, queries: int, heads: int, channels: int) -> _Case:
    random = torch.Generator().manual_seed(0)
    sizes = [h * w for h, w in zip(sides_2L[0::2], sides_2L[1::2], strict=True)]
    starts = tuple(sum(sizes[:level]) for level in range(len(sizes)))
    shape = (2, queries, heads, len(sizes), 4)
    return _Case(
        tuple(sides_2L),
        starts,
        torch.randn(2, queries, heads * channels, generator=random),
        torch.randn(2, sum(sizes), heads, channels, generator=random),
        # A tenth lies outside on each side.
        torch.rand(*shape, 2, generator=random) * 1.25 - 0.125,
        torch.rand(shape, generator=random),
    )


def _timed(backend: Backend, case: _Case) -> float:
    _wait_for(case.value_BSMD.device)
    start = time.perf_counter()
    case.forward(backend)
    _wait_for(case.value_BSMD.device)
    return time.perf_counter() - start


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
