"""Kernels against the machine's limits: backends x shapes x passes x dtypes.

Every row is one backend, shape, pass and dtype. The bytes and operations that count are those that
the task itself needs (see `attention_shapes`), whatever a backend does, so the shares of the
measured copy bandwidth and matrix rate are the backend's distance from the machine's limits.

The original CUDA operator of Deformable DETR is measured beside the backends where somebody has
built it, and never shipped: a module is named, and called by the public interface of
fundamentalvision/Deformable-DETR (Zhu et al., 2021), whose extension is called
`MultiScaleDeformableAttention`.
"""

from __future__ import annotations

import importlib
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from cuda_ops.ms_deform_attn import backend_names, why_unavailable
from cuda_ops.ms_deform_attn.backends import REFERENCE
from cuda_ops.ms_deform_attn.inputs import AttentionProblem
from cuda_ops.profile.attention_shapes import (
    PASSES,
    AttentionShape,
    attention_shapes,
    needed_bytes,
    one_pass,
    random_problem,
)
from cuda_ops.profile.machine import MachineLimits, measure_limits, stopwatch

ORIGINAL = "original"
FUNCTIONS = ("ms_deform_attn_forward", "ms_deform_attn_backward")
# Batch entries that one launch takes; the batch must be a multiple of it where it is larger.
IM2COL_STEP = 64
_CHECKED = AttentionShape("checked", ((6, 9), (3, 5)), batch=2, queries=7)

_DTYPES = {str(x).removeprefix("torch."): x for x in (torch.float32, torch.float16, torch.bfloat16)}
Progress = Callable[[int, int, str], None]


class OriginalOp:
    """The operator of a module that can be imported.

    Raises:
        ValueError: there is no such module, or it lacks one of `FUNCTIONS`.
    """

    def __init__(self, module: str) -> None:
        try:
            self._module: ModuleType = importlib.import_module(module)
        except ImportError as error:
            raise ValueError(f"original op {module!r} cannot be imported: {error}") from error
        if missing := [name for name in FUNCTIONS if not hasattr(self._module, name)]:
            raise ValueError(
                f"original op {module!r} lacks {' and '.join(missing)}; expected a module with "
                f"{' and '.join(FUNCTIONS)}"
            )

    def one_pass(self, problem: AttentionProblem, pass_name: str) -> Callable[[], object]:
        """The `forward` or `backward` pass as a function without arguments."""
        value, locations, weights = problem.tensors
        shapes = torch.tensor(problem.shapes_L2, device=value.device)
        starts = torch.tensor(problem.starts_L, device=value.device)
        arguments = [value, shapes, starts, locations, weights]
        if pass_name == "backward":
            arguments.append(problem.grad_BQE)
        function = getattr(self._module, f"ms_deform_attn_{pass_name}")
        return partial(function, *arguments, IM2COL_STEP)

    def failure(self, device: torch.device, dtype: torch.dtype) -> str | None:
        """Reason why it cannot be measured there, or None.

        It must agree with the reference within a few roundings of the largest number, so that
        another operator, or another order of arguments, is caught.
        """
        problem = random_problem(_CHECKED, device, dtype)
        try:
            found = [_tensors(self.one_pass(problem, name)()) for name in ("forward", "backward")]
        except Exception as error:  # whatever an extension may raise
            return f"it fails: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        for name, tensors in zip(("forward", "backward"), found, strict=True):
            expected = _tensors(one_pass(problem, REFERENCE, name)())
            if len(expected) != len(tensors) or not all(map(_close, tensors, expected)):
                return f"its {name} pass does not agree with the reference"
        return None


def _tensors(result: object) -> list[Tensor]:
    found = [result] if isinstance(result, Tensor) else result
    return list(found) if isinstance(found, list | tuple) else []


def _close(found: Tensor, expected: Tensor) -> bool:
    if found.shape != expected.shape:
        return False
    allowed = 64 * torch.finfo(expected.dtype).eps * float(expected.abs().max())
    return float((found.double() - expected.double()).abs().max()) <= allowed


@dataclass(frozen=True)
class Budget:
    """The time of a row: `seconds` for its repetitions, and `longest_call` for one of them.

    At least one call is timed, after one that is not.
    """

    repetitions: int = 20
    seconds: float = 1.5
    longest_call: float = 6.0


def default_dtypes(device: torch.device) -> tuple[str, ...]:
    """The dtypes that are profiled unless others are asked for."""
    return ("float32", "bfloat16", "float16") if device.type == "cuda" else ("float32",)


def profile(
    shapes: Sequence[str] | None = None,
    backends: Sequence[str] | None = None,
    passes: Sequence[str] = PASSES,
    dtypes: Sequence[str] | None = None,
    *,
    device: torch.device | str | None = None,
    budget: Budget = Budget(),
    original: str | None = None,
    progress: Progress | None = None,
    free_on_cpu: Callable[[], int] | None = None,
) -> list[dict[str, Any]]:
    """Measure every combination; backends take turns, so that noise affects all of them alike.

    Args:
        shapes: names of `attention_shapes()`; all unless given.
        backends: names of `backend_names()`; all unless given.
        passes: `forward`, `backward` or both.
        dtypes: of value, locations and weights; `default_dtypes` unless given.
        device: a CUDA device where there is one, unless given.
        budget: a row's time; the row's `note` says where it cut repetitions short.
        original: a module with the original CUDA operator, measured beside the backends under the
            name `original` (see `OriginalOp`).
        progress: is called with the number of rows done, of all rows, and what comes next.
        free_on_cpu: returns the bytes that calls on a CPU may use; any number unless given.

    Returns:
        Rows with `backend, shape, pass, dtype, device, skipped`; `skipped` is the reason where
        nothing was measured, else None. Measured rows also hold `ms_p50, ms_p10, ms_p90,
        repetitions, note`; `bytes_min, gb_per_s, copy_gb_per_s,
        copy_share, gathered_gb_per_s`; `gflop, gflop_per_s, matrix_share`
        (a multiply-add is two operations here); `floor_ms`, the shortest time that the machine's
        limits allow, and `bound`, the limit that sets it: the bottleneck, `bandwidth` or
        `arithmetic`; and `speedup_over_reference`, None where the reference was not measured.

    Raises:
        ValueError: for a name that does not exist; the message lists those that do.
    """
    chosen_device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    known = attention_shapes()
    op = None if original is None else OriginalOp(original)
    all_backends = backend_names() if op is None else (*backend_names(), ORIGINAL)
    names = {
        "shape": _known("shape", shapes, tuple(known)),
        "backend": _known("backend", backends, all_backends),
        "pass": _known("pass", passes, PASSES),
        "dtype": _known("dtype", dtypes or default_dtypes(chosen_device), tuple(_DTYPES)),
    }
    limits = measure_limits(chosen_device, [_DTYPES[name] for name in names["dtype"]])
    sweep = _SweepState(chosen_device, names["backend"], budget, limits, op, free_on_cpu)
    groups = list(product(names["dtype"], names["pass"], names["shape"]))
    rows: list[dict[str, Any]] = []
    for number, (dtype, pass_name, shape) in enumerate(groups):
        if progress:
            width = len(names["backend"])
            progress(number * width, len(groups) * width, f"{shape} {pass_name} {dtype}")
        rows += sweep.rows(known[shape], pass_name, dtype)
    if progress:
        progress(len(rows), len(rows), "done")
    return rows


def _known(kind: str, names: Sequence[str] | None, allowed: tuple[str, ...]) -> tuple[str, ...]:
    for name in names or ():
        if name not in allowed:
            raise ValueError(f"{kind} must be one of {', '.join(allowed)}, got {name!r}")
    return tuple(names or allowed)


@dataclass
class _SweepState:
    """State of all groups of rows; `seconds_per_mac` predicts the time of calls."""

    device: torch.device
    backends: tuple[str, ...]
    budget: Budget
    limits: MachineLimits
    original: OriginalOp | None = None
    free_on_cpu: Callable[[], int] | None = None
    seconds_per_mac: dict[tuple[str, str, str], float] = field(default_factory=dict)
    original_failures: dict[str, str | None] = field(default_factory=dict)

    def rows(self, shape: AttentionShape, pass_name: str, dtype: str) -> list[dict[str, Any]]:
        """One row for each backend."""
        skipped = {name: self._why_skipped(name, shape, pass_name, dtype) for name in self.backends}
        times = self._times(skipped, shape, pass_name, dtype)
        for name, seconds in times.items():
            per_mac = statistics.median(seconds) / shape.macs(pass_name)
            self.seconds_per_mac[name, pass_name, dtype] = per_mac
        return [
            self._head(name, shape, pass_name, dtype, skipped[name])
            | (self._figures(name, times, shape, pass_name, dtype) if name in times else {})
            for name in self.backends
        ]

    def _why_skipped(
        self, backend: str, shape: AttentionShape, pass_name: str, dtype: str
    ) -> str | None:
        if reason := self._why_unavailable(backend, dtype):
            return f"not available: {reason}"
        needed = needed_bytes(backend, shape, pass_name, _DTYPES[dtype])
        free = self._free_bytes()
        if free is not None and needed > free:
            return f"needs about {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free"
        expected = self.seconds_per_mac.get((backend, pass_name, dtype), 0) * shape.macs(pass_name)
        if expected > self.budget.longest_call:
            return (
                f"a call would take about {expected:.0f} s, "
                f"more than the {self.budget.longest_call:g} s it may take"
            )
        return None

    def _free_bytes(self) -> int | None:
        if self.device.type == "cuda":
            return torch.cuda.mem_get_info(self.device)[0]
        return None if self.free_on_cpu is None else self.free_on_cpu()

    def _times(
        self, skipped: dict[str, str | None], shape: AttentionShape, pass_name: str, dtype: str
    ) -> dict[str, list[float]]:
        """Seconds of each call of the backends not skipped; skips those that run out of memory."""
        if all(skipped.values()):
            return {}
        problem = random_problem(shape, self.device, _DTYPES[dtype])
        time_call = stopwatch(self.device)
        calls = {
            name: self._pass(problem, name, pass_name)
            for name, reason in skipped.items()
            if not reason
        }
        times: dict[str, list[float]] = {}
        for name, call in calls.items():
            try:
                time_call(call)  # loads and warms up
            except (MemoryError, torch.OutOfMemoryError):
                skipped[name] = "ran out of memory"
            else:
                times[name] = []
        for name in self._turns(times):
            times[name].append(time_call(calls[name]))
        return times

    def _why_unavailable(self, backend: str, dtype: str) -> str | None:
        if self.original is None or backend != ORIGINAL:
            return why_unavailable(backend, self.device, _DTYPES[dtype])
        if dtype not in self.original_failures:
            self.original_failures[dtype] = self.original.failure(self.device, _DTYPES[dtype])
        return self.original_failures[dtype]

    def _pass(
        self, problem: AttentionProblem, backend: str, pass_name: str
    ) -> Callable[[], object]:
        if self.original is not None and backend == ORIGINAL:
            return self.original.one_pass(problem, pass_name)
        return one_pass(problem, backend, pass_name)

    def _turns(self, times: dict[str, list[float]]) -> Iterator[str]:
        """Backends in turn, each until its repetitions or its time are used up."""
        waiting = list(times)
        while waiting:
            yield from waiting
            waiting = [name for name in waiting if self._wants_more(times[name])]

    def _wants_more(self, seconds: list[float]) -> bool:
        return len(seconds) < self.budget.repetitions and sum(seconds) < self.budget.seconds

    def _head(
        self, backend: str, shape: AttentionShape, pass_name: str, dtype: str, skipped: str | None
    ) -> dict[str, Any]:
        return {
            "backend": backend,
            "shape": shape.name,
            "pass": pass_name,
            "dtype": dtype,
            "device": str(self.device),
            "skipped": skipped,
        }

    def _figures(
        self,
        backend: str,
        times: dict[str, list[float]],
        shape: AttentionShape,
        pass_name: str,
        dtype: str,
    ) -> dict[str, Any]:
        seconds = sorted(times[backend])
        median = statistics.median(seconds)
        wanted = self.budget.repetitions
        cut = f"{len(seconds)} of {wanted} repetitions" if len(seconds) < wanted else ""
        reference = times.get(REFERENCE)
        return {
            "ms_p50": 1000 * median,
            "ms_p10": 1000 * seconds[len(seconds) // 10],
            "ms_p90": 1000 * seconds[-1 - len(seconds) // 10],
            "repetitions": len(seconds),
            "note": cut,
            **self._against_limits(median, shape, pass_name, _DTYPES[dtype]),
            "speedup_over_reference": statistics.median(reference) / median if reference else None,
        }

    def _against_limits(
        self, seconds: float, shape: AttentionShape, pass_name: str, dtype: torch.dtype
    ) -> dict[str, Any]:
        moved, flop = shape.bytes_min(pass_name, dtype), 2 * shape.macs(pass_name)
        copy_rate = self.limits.copy_bytes_per_s
        matrix_rate = self.limits.matrix_flop_per_s[dtype]
        floors = {"bandwidth": moved / copy_rate, "arithmetic": flop / matrix_rate}
        bound = max(floors, key=floors.__getitem__)
        return {
            "bytes_min": moved,
            "gb_per_s": moved / seconds / 1e9,
            "copy_gb_per_s": copy_rate / 1e9,
            "copy_share": moved / seconds / copy_rate,
            "gathered_gb_per_s": shape.bytes_gathered(dtype) / seconds / 1e9,
            "gflop": flop / 1e9,
            "gflop_per_s": flop / seconds / 1e9,
            "matrix_share": flop / seconds / matrix_rate,
            "floor_ms": 1000 * floors[bound],
            "bound": bound,
        }
