"""The original CUDA operator of Deformable DETR, called where somebody has built it.

It is measured beside the backends and never shipped: a module is named, and called by the public
interface of fundamentalvision/Deformable-DETR (Zhu et al., 2021), whose extension is called
`MultiScaleDeformableAttention`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cached_property
from types import ModuleType

import torch
from torch import Tensor

from cuda_ops.ms_deform_attn.backend import REFERENCE
from cuda_ops.ms_deform_attn.inputs import AttentionProblem
from cuda_ops.profile.attention_shapes import AttentionShape, one_pass, random_problem

ORIGINAL = "original"
FUNCTIONS = ("ms_deform_attn_forward", "ms_deform_attn_backward")
# Batch entries that one launch takes; the batch must be a multiple of it where it is larger.
IM2COL_STEP = 64
_CHECKED = AttentionShape("checked", ((6, 9), (3, 5)), batch=2, queries=7)


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
        return _Call(self._module, problem, pass_name)

    def failure(self, device: torch.device, dtype: torch.dtype) -> str | None:
        """Why it cannot be measured there, or None: it fails, or does not do what the backends do.

        A few roundings of the largest number are let pass, so that only another operator, or
        another order of arguments, is caught.
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


class _Call:
    """One call; the levels are on the device before it, as the operator wants them."""

    def __init__(self, module: ModuleType, problem: AttentionProblem, pass_name: str) -> None:
        self._function = getattr(module, f"ms_deform_attn_{pass_name}")
        self._problem = problem
        self._is_backward = pass_name == "backward"

    def __call__(self) -> object:
        return self._function(*self._arguments)

    @cached_property
    def _arguments(self) -> tuple[object, ...]:
        problem = self._problem
        value, locations, weights = problem.tensors
        shapes = torch.tensor(problem.shapes_L2, device=value.device)
        starts = torch.tensor(problem.starts_L, device=value.device)
        tensors = [value, shapes, starts, locations, weights]
        return (*tensors, *[problem.grad_BQE] * self._is_backward, IM2COL_STEP)


def _tensors(result: object) -> list[Tensor]:
    found = [result] if isinstance(result, Tensor) else result
    return list(found) if isinstance(found, list | tuple) else []


def _close(found: Tensor, expected: Tensor) -> bool:
    if found.shape != expected.shape:
        return False
    allowed = 64 * torch.finfo(expected.dtype).eps * float(expected.abs().max())
    return float((found.double() - expected.double()).abs().max()) <= allowed
