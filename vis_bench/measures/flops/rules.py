"""Multiply-adds of each operator, from the shapes it is called with.

The rule is fvcore's (`fvcore.nn.FlopCountAnalysis`), which papers of this field use: one
multiply-add counts one. Where fvcore knows an operator the figures are equal; operators it misses
(attention in one operator, masked attention by `baddbmm`, fused encoder layers) count as the
operators they replace. Operators from elsewhere bring their own rule, see `mac_rule`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload, OpOverloadPacket
from torch.utils.flop_counter import flop_registry

# A rule takes the operator's positional arguments and its output.
MacRule = Callable[[Sequence[Any], Any], int]

aten = torch.ops.aten

# Per element, with a learned scale and without; fvcore's estimate of mean, variance and scaling.
NORM_AFFINE, NORM_PLAIN = 5, 4
# Input values that one output value of an interpolation is made of, by grid_sample's mode.
TAPS_2D = {"bilinear": 4, "nearest": 1, "bicubic": 16}
GRID_SAMPLE_TAPS = {0: TAPS_2D["bilinear"], 1: 0, 2: TAPS_2D["bicubic"]}


def mac_rule(packet: OpOverloadPacket) -> MacRule | None:
    """The operator's rule, or None where it has none.

    An operator that is not listed here is looked up among the formulas registered with
    `torch.utils.flop_counter.register_flop_formula`; those count two per multiply-add.
    """
    if packet in MAC_RULES:
        return MAC_RULES[packet]
    if str(packet) in NAMED_MAC_RULES:
        return NAMED_MAC_RULES[str(packet)]
    if packet not in flop_registry:
        return None
    formula = flop_registry[packet]
    return lambda args, out: _halved(packet, formula(*args, out_val=out))


def _halved(packet: OpOverloadPacket, operations: int) -> int:
    if operations % 2:
        raise ValueError(
            f"the flop formula of {packet} gives {operations}; torch's rule is 2 per multiply-add"
        )
    return operations // 2


def _matrix_product(left: int, right: int) -> MacRule:
    """A product of (..., m, k) and (..., k, n), which stand at these places of the arguments."""

    def rule(args: Sequence[Any], out: Any) -> int:
        return args[left].numel() * args[right].shape[-1]

    return rule


def _matrix_vector(matrix: int) -> MacRule:
    return lambda args, out: args[matrix].numel()


def _outer(args: Sequence[Any], out: Tensor) -> int:
    return out.numel()


def _convolution(transposed_at: int | None) -> MacRule:
    """Batch, times the weights (out, in / groups, ...), times the locations they are applied at.

    Locations are those of the output, or of the input for a transposed convolution.
    """

    def rule(args: Sequence[Any], out: Tensor) -> int:
        image, weight = args[0], args[1]
        transposed = transposed_at is not None and args[transposed_at]
        locations = (image if transposed else out).shape[2:]
        return image.shape[0] * weight.numel() * prod(locations)

    return rule


def _attention(args: Sequence[Any], out: Any) -> int:
    """Scores and weighted sum: queries * keys * (width of a key + width of a value).

    A mask saves nothing: masked scores are computed and dropped.
    """
    _, key, value = args[:3]
    attended = out[0] if isinstance(out, tuple) else out
    return prod(attended.shape[:-1]) * key.shape[-2] * (key.shape[-1] + value.shape[-1])


def _layer_norm(args: Sequence[Any], out: Any) -> int:
    affine = len(args) > 2 and args[2] is not None
    return args[0].numel() * (NORM_AFFINE if affine else NORM_PLAIN)


def _norm(weight_at: int) -> MacRule:
    def rule(args: Sequence[Any], out: Any) -> int:
        affine = len(args) > weight_at and args[weight_at] is not None
        return args[0].numel() * (NORM_AFFINE if affine else NORM_PLAIN)

    return rule


def _frozen_norm(args: Sequence[Any], out: Any) -> int:
    """Batch normalization with stored statistics: a scale, and a second one where it is learned."""
    return args[0].numel() * (1 if args[1] is None else 2)


def _batch_norm(training_at: int) -> MacRule:
    def rule(args: Sequence[Any], out: Any) -> int:
        return _norm(1)(args, out) if args[training_at] else _frozen_norm(args, out)

    return rule


def _per_output(macs: int) -> MacRule:
    return lambda args, out: macs * out.numel()


def _per_input(args: Sequence[Any], out: Any) -> int:
    return args[0].numel()


def _average_pool(args: Sequence[Any], out: Tensor) -> int:
    kernel = args[1] if len(args[1]) > 1 else (args[1][0], args[1][0])
    return out.numel() * prod(kernel)


def _grid_sample(args: Sequence[Any], out: Tensor) -> int:
    """By mode; copying the nearest value costs nothing."""
    return out.numel() * GRID_SAMPLE_TAPS[args[2]]


def _deformable_convolution(args: Sequence[Any], out: Tensor) -> int:
    """The convolution, and the bilinear interpolation of every value that it reads."""
    image, weight = args[0], args[1]
    locations = out.shape[0] * prod(out.shape[-2:])
    values = image.shape[1] * prod(weight.shape[-2:])
    return locations * (weight.numel() + TAPS_2D["bilinear"] * values)


def _fused_self_attention(args: Sequence[Any], out: Any) -> int:
    """`nn.MultiheadAttention`'s fused path: projections, attention, output projection."""
    query, key, value, width = args[:4]
    batch, queries, _ = query.shape
    projections = (2 * query.numel() + key.numel() + value.numel()) * width
    return projections + 2 * batch * queries * key.shape[1] * width


def _fused_encoder_layer(args: Sequence[Any], out: Any) -> int:
    """`nn.TransformerEncoderLayer`'s fused path; both norms have learned scales."""
    tokens, width, hidden_weight = args[0], args[1], args[14]
    attention = _fused_self_attention((tokens, tokens, tokens, width), None)
    feed_forward = 2 * prod(tokens.shape[:-1]) * hidden_weight.numel()
    return attention + feed_forward + 2 * NORM_AFFINE * tokens.numel()


MAC_RULES: dict[OpOverloadPacket, MacRule] = {
    aten.mm: _matrix_product(0, 1),
    aten.bmm: _matrix_product(0, 1),
    aten.addmm: _matrix_product(1, 2),
    aten.addmm_: _matrix_product(1, 2),
    aten._addmm_activation: _matrix_product(1, 2),
    aten.baddbmm: _matrix_product(1, 2),
    aten.baddbmm_: _matrix_product(1, 2),
    aten.addbmm: _matrix_product(1, 2),
    aten.mv: _matrix_vector(0),
    aten.addmv: _matrix_vector(1),
    aten.dot: _matrix_vector(0),
    aten.vdot: _matrix_vector(0),
    aten.addr: _outer,
    aten.convolution: _convolution(6),
    aten._convolution: _convolution(6),
    aten.convolution_overrideable: _convolution(6),
    aten.cudnn_convolution: _convolution(None),
    aten.mkldnn_convolution: _convolution(None),
    aten.scaled_dot_product_attention: _attention,
    aten._scaled_dot_product_attention_math: _attention,
    aten._scaled_dot_product_flash_attention: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_efficient_attention: _attention,
    aten._scaled_dot_product_cudnn_attention: _attention,
    aten._scaled_dot_product_fused_attention_overrideable: _attention,
    aten._native_multi_head_attention: _fused_self_attention,
    aten._transformer_encoder_layer_fwd: _fused_encoder_layer,
    aten.layer_norm: _layer_norm,
    aten.native_layer_norm: _layer_norm,
    aten.group_norm: _norm(2),
    aten.native_group_norm: _norm(1),
    aten.instance_norm: _norm(1),
    aten.batch_norm: _batch_norm(5),
    aten.native_batch_norm: _batch_norm(5),
    aten._native_batch_norm_legit_no_training: _frozen_norm,
    aten.cudnn_batch_norm: _batch_norm(5),
    aten.rms_norm: _norm(2),
    aten.upsample_nearest1d: _per_output(1),
    aten.upsample_nearest2d: _per_output(TAPS_2D["nearest"]),
    aten.upsample_nearest3d: _per_output(1),
    aten._upsample_nearest_exact1d: _per_output(1),
    aten._upsample_nearest_exact2d: _per_output(TAPS_2D["nearest"]),
    aten._upsample_nearest_exact3d: _per_output(1),
    aten.upsample_linear1d: _per_output(2),
    aten.upsample_bilinear2d: _per_output(TAPS_2D["bilinear"]),
    aten.upsample_bicubic2d: _per_output(TAPS_2D["bicubic"]),
    aten.upsample_trilinear3d: _per_output(8),
    aten.grid_sampler: _grid_sample,
    aten.grid_sampler_2d: _grid_sample,
    aten.cudnn_grid_sampler: _per_output(TAPS_2D["bilinear"]),
    aten.adaptive_avg_pool2d: _per_input,
    aten._adaptive_avg_pool2d: _per_input,
    aten.avg_pool2d: _average_pool,
}

# Operators of libraries that need not be installed, by name.
NAMED_MAC_RULES: dict[str, MacRule] = {"torchvision.deform_conv2d": _deformable_convolution}


# Operators that count 0; a name stands for its in-place form (with `_` behind it) as well. An
# operator that is neither listed nor has a rule makes a count fail, so that nothing is missed.
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
    """True for an operator that only views, places, copies or creates values."""
    own = op.namespace == "aten" and (op.is_view or _base_name(op) in MOVES)
    return own or op.namespace == "prim"


def counts_zero(op: OpOverload) -> bool:
    """True for an operator that computes something and counts 0 by the convention."""
    if op.namespace != "aten":
        return False
    tagged = torch.Tag.pointwise in op.tags or torch.Tag.reduction in op.tags
    return tagged or _base_name(op) in ZERO_BY_CONVENTION


def _base_name(op: OpOverload) -> str:
    return op._overloadpacket.__name__.removesuffix("_")
