"""Operators that cost nothing: they move values, or the convention counts them 0."""

from __future__ import annotations

import torch
from torch._ops import OpOverload

from vis_bench.measures.flops.rules import base_name

# A name of PyTorch's (`aten`, unless it names another library) stands for its in-place form, too.
# An operator that is neither listed nor has a rule makes a count fail, so that nothing is missed.
_MOVE_NAMES = """
    _assert_async _assert_scalar _assert_tensor_metadata _chunk_cat _efficientzerotensor
    _empty_affine_quantized _empty_per_channel_affine_quantized _functional_assert_async
    _index_put_impl _lazy_clone _make_per_channel_quantized_tensor _make_per_tensor_quantized_tensor
    _new_zeros_with_same_feature_meta _pack_padded_sequence _pin_memory _reshape_alias _reshape_copy
    _stack _to_copy _unsafe_index _unsafe_index_put _unsafe_view alias_copy arange as_strided
    as_strided_scatter bartlett_window blackman_window block_diag cat channel_shuffle clone complex
    constant_pad_nd contiguous copy detach diag_embed diagonal_scatter embedding empty empty_like
    empty_permuted empty_strided eye fill flip from_file full full_like gather hamming_window
    hann_window im2col index index_copy index_fill index_put index_select item kaiser_window lift
    lift_fresh lift_fresh_copy linspace logspace masked_fill masked_scatter masked_select meshgrid
    new_empty new_empty_strided new_full new_ones new_zeros nonzero nonzero_static ones ones_like
    pixel_shuffle pixel_unshuffle put rand rand_like randint randint_like randn randn_like randperm
    range record_stream reflection_pad1d reflection_pad2d reflection_pad3d repeat repeat_interleave
    replication_pad1d replication_pad2d replication_pad3d resize resize_as roll rot90 scalar_tensor
    scatter select_scatter set slice_scatter split_with_sizes_copy squeeze stack t take
    to_padded_tensor transpose tril tril_indices triu triu_indices unsafe_split
    unsafe_split_with_sizes unsqueeze where zero zeros zeros_like
"""
_ZERO_NAMES = """
    _aminmax _choose_qparams_per_tensor _cummax_helper _cummin_helper
    _fake_quantize_learnable_per_channel_affine _fake_quantize_learnable_per_tensor_affine
    _fake_quantize_per_tensor_affine_cachemask_tensor_qparams _fused_dropout
    _fused_moving_avg_obs_fq_helper _histogramdd_bin_edges _histogramdd_from_bin_cts
    _histogramdd_from_bin_tensors _log_softmax _logcumsumexp _masked_scale _masked_softmax
    _prelu_kernel _safe_softmax _sample_dirichlet _softmax _standard_gamma _thnn_fused_gru_cell
    _thnn_fused_lstm_cell _transform_bias_rescale_qkv _unique _unique2 _weight_norm_interface abs
    adaptive_max_pool2d adaptive_max_pool3d argsort bernoulli bincount binomial bucketize cauchy
    choose_qparams_optimized col2im copysign cummax cummin cumprod cumsum dequantize dist
    embedding_renorm eq equal exponential fake_quantize_per_channel_affine_cachemask
    fake_quantize_per_tensor_affine_cachemask floor_divide fractional_max_pool2d
    fractional_max_pool3d ge gelu geometric glu gt hardswish heaviside histc histogram index_add
    index_reduce isin kthvalue le log_normal log_sigmoid_forward logcumsumexp lt
    max_pool2d_with_indices max_pool3d_with_indices max_unpool2d max_unpool3d median mish mode
    multinomial nanmedian native_dropout ne norm normal normal_functional one_hot poisson
    quantize_per_channel quantize_per_tensor quantize_per_tensor_dynamic quantized.add quantized.cat
    quantized.celu quantized.clamp quantized.dropout quantized.elu quantized.embedding_4bit
    quantized.embedding_byte quantized.hardswish quantized.max_pool1d quantized.max_pool2d
    quantized.mul quantized.prelu quantized.relu6 quantized.sigmoid quantized.softmax
    quantized.threshold quantized_max_pool1d quantized_max_pool2d quantized_max_pool3d random
    rrelu_with_noise scatter_add scatter_reduce searchsorted segment_reduce sort threshold topk
    trace uniform unique_consecutive unique_dim unique_dim_consecutive
"""

# Operators that only place, copy or create values: no arithmetic at all.
MOVES = frozenset(_MOVE_NAMES.split())
# Arithmetic that the convention counts 0, beside all that PyTorch tags as pointwise or reduction.
ZERO_BY_CONVENTION = frozenset(_ZERO_NAMES.split())
# Marks of a profiler, and TorchScript's own bookkeeping.
_MARKS = ("prim", "profiler")


def moves_values(op: OpOverload) -> bool:
    """True for an operator that only views, places, copies or creates values, or reads a property
    of tensors, and for a profiler's mark.
    """
    if op.namespace != "aten":
        return op.namespace in _MARKS
    name = _base_name(op)
    views = op.is_view or torch.Tag.view_copy in op.tags
    return views or name in MOVES or name.startswith("_nested_") or _reads_property(op)


def _reads_property(op: OpOverload) -> bool:
    """True for an operator that returns no tensor and writes none."""
    schema = op._schema
    written = any(own.alias_info and own.alias_info.is_write for own in schema.arguments)
    return not written and not any("Tensor" in str(own.type) for own in schema.returns)


def counts_zero(op: OpOverload) -> bool:
    """True for an operator that computes something and counts 0 by the convention."""
    tagged = torch.Tag.pointwise in op.tags or torch.Tag.reduction in op.tags
    name = _base_name(op)
    listed = name in ZERO_BY_CONVENTION or name.startswith(("_foreach_", "quantized_decomposed."))
    return listed or (tagged and op.namespace == "aten")


def _base_name(op: OpOverload) -> str:
    return base_name(op._overloadpacket).removeprefix("aten.")
