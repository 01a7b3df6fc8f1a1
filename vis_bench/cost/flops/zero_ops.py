"""The operators that may count 0: all that do no multiply-adds worth the name.

Whatever is not listed here and has no rule makes a count fail, so that nothing is missed in
silence. A name stands for its in-place form (with `_` behind it) as well.
"""

from __future__ import annotations

import torch
from torch._ops import OpOverload

_MOVE_NAMES = """
    _assert_async _assert_scalar _assert_tensor_metadata _chunk_cat _pin_memory _reshape_alias
    _to_copy _unsafe_index _unsafe_index_put _unsafe_view alias_copy arange as_strided
    as_strided_scatter block_diag cat channel_shuffle clone complex constant_pad_nd contiguous copy
    detach diag_embed diagonal_scatter embedding empty empty_like empty_permuted empty_strided eye
    fill flip full full_like gather im2col index index_copy index_fill index_put index_select item
    lift lift_fresh lift_fresh_copy linspace logspace masked_fill masked_scatter masked_select
    meshgrid new_empty new_empty_strided new_full new_ones new_zeros nonzero ones ones_like
    pixel_shuffle pixel_unshuffle rand rand_like randint randint_like randn randn_like randperm
    reflection_pad1d reflection_pad2d reflection_pad3d repeat repeat_interleave replication_pad1d
    replication_pad2d replication_pad3d resize resize_as roll rot90 scalar_tensor scatter
    select_scatter set slice_scatter split_with_sizes_copy squeeze stack t take transpose tril
    tril_indices triu triu_indices unsafe_split unsafe_split_with_sizes unsqueeze where zero zeros
    zeros_like
"""
_ZERO_NAMES = """
    _log_softmax _prelu_kernel _safe_softmax _softmax _unique _unique2 abs adaptive_max_pool2d
    adaptive_max_pool3d argsort bernoulli bincount bucketize col2im copysign cummax cummin cumprod
    cumsum dist eq equal exponential floor_divide ge gelu glu gt hardswish heaviside index_add isin
    kthvalue le log_sigmoid_forward logcumsumexp lt max_pool2d_with_indices max_pool3d_with_indices
    max_unpool2d median mish mode multinomial nanmedian native_dropout ne norm normal one_hot random
    rrelu_with_noise scatter_add scatter_reduce searchsorted sort threshold topk trace uniform
    unique_consecutive unique_dim
"""

# Operators that only place, copy or create values: no arithmetic at all.
MOVES = frozenset(_MOVE_NAMES.split())
# Arithmetic that the convention counts 0, beside all that PyTorch tags as pointwise or reduction.
ZERO_BY_CONVENTION = frozenset(_ZERO_NAMES.split())


def moves_values(op: OpOverload) -> bool:
    """Whether the operator only views, places, copies or creates values."""
    own = op.namespace == "aten" and (op.is_view or _name(op) in MOVES)
    return own or op.namespace == "prim"


def counts_zero(op: OpOverload) -> bool:
    """Whether the operator computes something that the convention counts 0."""
    if op.namespace != "aten":
        return False
    tagged = torch.Tag.pointwise in op.tags or torch.Tag.reduction in op.tags
    return tagged or _name(op) in ZERO_BY_CONVENTION


def _name(op: OpOverload) -> str:
    return op._overloadpacket.__name__.removesuffix("_")
