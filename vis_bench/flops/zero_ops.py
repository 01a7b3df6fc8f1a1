"""The operators that may count 0: all that do no multiply-adds worth the name.

Whatever is not listed here and has no rule makes a count fail, so that nothing is missed in
silence. A name stands for its in-place form (with `_` behind it) as well.
"""

from __future__ import annotations

import torch
from torch._ops import OpOverload

_MOVE_NAMES = """
    _reshape_alias _to_copy _unsafe_index _unsafe_index_put _unsafe_view alias_copy arange
    as_strided cat clone constant_pad_nd contiguous copy detach empty empty_like empty_permuted
    empty_strided eye fill flip full full_like gather im2col index index_copy index_fill index_put
    index_select item lift lift_fresh lift_fresh_copy linspace masked_fill masked_scatter
    masked_select meshgrid new_empty new_empty_strided new_full new_ones new_zeros nonzero ones
    ones_like pixel_shuffle pixel_unshuffle rand randint randn reflection_pad2d repeat
    repeat_interleave replication_pad2d resize roll rot90 scalar_tensor scatter select_scatter set
    slice_scatter split_with_sizes_copy squeeze stack t take transpose tril triu unsqueeze where
    zero zeros zeros_like
"""
_ZERO_NAMES = """
    _log_softmax _prelu_kernel _safe_softmax _softmax _unique _unique2 argsort bernoulli bincount
    bucketize col2im cummax cummin cumprod cumsum equal floor_divide glu index_add isin
    max_pool2d_with_indices median native_dropout norm normal one_hot random rrelu_with_noise
    scatter_add scatter_reduce searchsorted sort topk uniform unique_consecutive unique_dim
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
