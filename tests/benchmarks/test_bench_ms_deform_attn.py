"""Multi-scale deformable attention at SeqFormer's sizes; the cases of `profile-kernels`.

`pytest tests/benchmarks/test_bench_ms_deform_attn.py --benchmark-only --benchmark-compare` shows
a regression.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import product

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from cuda_ops.ms_deform_attn import backend_names, why_unavailable
from cuda_ops.ms_deform_attn.inputs import AttentionProblem
from cuda_ops.profile import PASSES, default_dtypes
from cuda_ops.profile.attention_shapes import (
    attention_shapes,
    needed_bytes,
    one_pass,
    random_problem,
)
from vis_bench.system_memory import available_memory

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
# Plain PyTorch on a CPU takes seconds for one call from here on.
LONGEST_REFERENCE_MACS = 5e9


@lru_cache(maxsize=1)
def problem(shape: str, dtype: torch.dtype) -> AttentionProblem:
    return random_problem(attention_shapes()[shape], DEVICE, dtype)


def finished(call: Callable[[], object]) -> Callable[[], None]:
    """The call, and on a GPU the wait until it is done."""

    def run() -> None:
        call()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize(DEVICE)

    return run


# Shapes vary slowest, so that one shape's tensors are in memory at a time.
CASES = list(product(attention_shapes(), default_dtypes(DEVICE), PASSES, backend_names()))


@pytest.mark.parametrize(("shape_name", "dtype_name", "pass_name", "backend"), CASES)
def test_bench_ms_deform_attn(
    benchmark: BenchmarkFixture, shape_name: str, dtype_name: str, pass_name: str, backend: str
) -> None:
    dtype, shape = getattr(torch, dtype_name), attention_shapes()[shape_name]
    if reason := why_unavailable(backend, DEVICE, dtype):
        pytest.skip(f"{backend} is not available: {reason}")
    free = torch.cuda.mem_get_info()[0] if DEVICE.type == "cuda" else available_memory()
    if needed_bytes(backend, shape, pass_name, dtype) > free:
        pytest.skip("the tensors do not fit into memory")
    too_long = backend == "reference" and shape.macs(pass_name) > LONGEST_REFERENCE_MACS
    if DEVICE.type == "cpu" and too_long:
        pytest.skip("plain PyTorch takes too long")
    benchmark.group = f"{shape_name} {pass_name} {dtype_name}"
    call = finished(one_pass(problem(shape_name, dtype), backend, pass_name))
    benchmark.pedantic(call, rounds=3, warmup_rounds=1)
