"""Kernels that the methods share: each is one dispatcher operator with several backends."""

from cuda_ops.ms_deform_attn import ms_deform_attn, ms_deform_attn_macs, resolve_backend

__all__ = ["ms_deform_attn", "ms_deform_attn_macs", "resolve_backend"]
