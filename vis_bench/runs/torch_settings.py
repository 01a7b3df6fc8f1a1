"""Settings of PyTorch that a method's own code may change: what reads each, and what sets it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import torch
from torch.backends import mha, opt_einsum

Setting = tuple[Callable[[], Any], Callable[[Any], Any]]

# Flags with `_get_NAME` and `_set_NAME` in `torch._C`, behind `torch.backends` and others.
FLAGS = (
    "blas_preferred_backend", "cpu_allow_fp16_reduced_precision_reduction",
    "cublas_allow_bf16_reduced_precision_reduction", "cublas_allow_fp16_accumulation",
    "cublas_allow_fp16_reduced_precision_reduction", "cudnn_benchmark", "cudnn_depthwise_kernel",
    "cudnn_deterministic", "cudnn_enabled", "deterministic_fill_uninitialized_memory",
    "linalg_preferred_backend", "math_sdp_allow_fp16_bf16_reduction", "miopen_immediate",
    "mkldnn_deterministic", "mkldnn_enabled", "nnpack_enabled", "qengine",
    "rocm_fa_preferred_backend", "sdp_priority_order", "sm_carveout_experimental",
)  # fmt: skip
# Others in `torch._C`, by what sets them.
GETTERS = {
    **{f"_set_{name}": f"_get_{name}" for name in FLAGS},
    "_cuda_set_cudnn_benchmark_limit": "_cuda_get_cudnn_benchmark_limit",
    "_set_check_sparse_tensor_invariants": "_check_sparse_tensor_invariants",
    "_set_sdp_use_cudnn": "_get_cudnn_sdp_enabled",
    "_set_sdp_use_flash": "_get_flash_sdp_enabled",
    "_set_sdp_use_math": "_get_math_sdp_enabled",
    "_set_sdp_use_mem_efficient": "_get_mem_efficient_sdp_enabled",
    "_set_sdp_use_overrideable": "_get_overrideable_sdp_enabled",
    "set_anomaly_enabled": "is_anomaly_enabled",
    "set_autocast_cache_enabled": "is_autocast_cache_enabled",
    "set_num_threads": "get_num_threads",
}
# Backends and operators whose float32 products have a precision of their own.
PRECISIONS = [
    ("generic", "all"),
    *((backend, op) for backend in ("cuda", "mkldnn") for op in ("all", "conv", "rnn", "matmul")),
]
# The same in PyTorch's old API.
OLD_PRECISIONS = {
    "_set_cublas_allow_tf32": "_get_cublas_allow_tf32",
    "_set_cudnn_allow_tf32": "_get_cudnn_allow_tf32",
    "_set_float32_matmul_precision": "_get_float32_matmul_precision",
}
# Devices whose autocast the bench uses.
AUTOCAST = ("cpu", "cuda")
_SUBNORMAL = 1e-310


def _pair(setter: str, getter: str) -> Setting:
    put = getattr(torch._C, setter)
    return getattr(torch._C, getter), lambda value: put(*value if type(value) is tuple else [value])


def _precisions() -> tuple[dict, dict]:
    """Those of both APIs; the old one refuses to be read where only the new one was used."""
    old = {}
    for setter, getter in OLD_PRECISIONS.items():
        with suppress(RuntimeError):
            old[setter] = getattr(torch._C, getter)()
    return {place: torch._C._get_fp32_precision_getter(*place) for place in PRECISIONS}, old


def _put_precisions(precisions: tuple[dict, dict]) -> None:
    """Each API refuses what the other one has changed, so that the new one is first and last."""
    new, old = precisions
    for last in (False, True):
        for place, precision in new.items():
            torch._C._set_fp32_precision_setter(*place, precision)  # type: ignore[call-arg]
        for setter, precision in () if last else old.items():
            getattr(torch._C, setter)(precision)


def _put_device(device: torch.device) -> None:
    torch.set_default_device(None)
    if torch.get_default_device() != device:
        torch.set_default_device(device)


def _determinism() -> tuple[bool, bool]:
    enabled = torch.are_deterministic_algorithms_enabled()
    return enabled, torch.is_deterministic_algorithms_warn_only_enabled()


def _put_determinism(value: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(value[0], warn_only=value[1])


def _gpu() -> int:
    return torch.cuda.current_device() if torch.cuda.is_initialized() else 0


TORCH_SETTINGS: list[Setting] = [
    (torch.get_default_device, _put_device),
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (_precisions, _put_precisions),
    (_determinism, _put_determinism),
    *(
        (partial(torch.is_autocast_enabled, kind), partial(torch.set_autocast_enabled, kind))
        for kind in AUTOCAST
    ),
    *(
        (partial(torch.get_autocast_dtype, kind), partial(torch.set_autocast_dtype, kind))
        for kind in AUTOCAST
    ),
    (lambda: _SUBNORMAL * 1.0 == 0.0, torch.set_flush_denormal),
    (_gpu, torch.cuda.set_device),
    (mha.get_fastpath_enabled, mha.set_fastpath_enabled),
    (lambda: opt_einsum.enabled, lambda value: setattr(opt_einsum, "enabled", value)),
    (lambda: opt_einsum.strategy, lambda value: setattr(opt_einsum, "strategy", value)),
    *(
        _pair(setter, getter)
        for setter, getter in GETTERS.items()
        if hasattr(torch._C, setter) and hasattr(torch._C, getter)
    ),
]
