"""What `auto` asks of a backend on this device: the right numbers, and how long they take."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from cuda_ops.ms_deform_attn.backend import Backend
from cuda_ops.ms_deform_attn.inputs import AttentionProblem, packed_starts

_REPETITIONS = 3
_RESULTS = ("output", "value gradient", "location gradient", "weight gradient")


def failure(
    backend: Backend, reference: Backend, device: torch.device, dtype: torch.dtype
) -> str | None:
    """Why a backend's numbers cannot be trusted on a device, or None where they can.

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


def seconds(backend: Backend, device: torch.device, dtype: torch.dtype) -> float:
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
