"""Kernels that the methods share, each with a folder of its own, and their profiler.

A kernel is one operator of PyTorch's dispatcher with several backends: tensors in, tensors out,
with gradients and a FLOP count. To add one, add a folder like `ms_deform_attn`.
"""

from cuda_ops.ms_deform_attn import (
    compiled_with,
    ms_deform_attn,
    ms_deform_attn_macs,
    resolve_backend,
)

__all__ = ["compiled_with", "ms_deform_attn", "ms_deform_attn_macs", "resolve_backend"]
