"""Multiply-adds of each operator, from the shapes it is called with.

The rule is fvcore's (`fvcore.nn.FlopCountAnalysis`), which papers of this field use: one
multiply-add counts one. Where fvcore counts a convolution, a product of matrices, a normalization,
a planar pool or a planar interpolation, the figures are equal. They differ by intent for `einsum`,
of which fvcore halves and rounds a printed estimate, for the nearest and bicubic modes of
`grid_sample` and for volumes. Operators that fvcore misses (attention in one operator, masked
attention by `baddbmm`, fused encoder layers) count as the operators they replace. Operators from
elsewhere bring their own rule, see `mac_rule`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from math import log2, prod
from operator import mul
from typing import Any

import torch
from torch import Tensor
from torch._ops import HigherOrderOperator, OpOverloadPacket
from torch.utils.flop_counter import flop_registry

# A rule takes the operator's positional arguments and its output.
MacRule = Callable[[Sequence[Any], Any], int]
Packet = OpOverloadPacket | HigherOrderOperator

# Per element, with a learned scale and without; fvcore's estimate of mean, variance and scaling.
NORM_AFFINE, NORM_PLAIN = 5, 4
# Input values along one dimension that one value of an interpolation is made of.
LINEAR, CUBIC, LANCZOS = 2, 4, 6


def mac_rule(
    packet: Packet, args: Sequence[Any] = ()
) -> Callable[[Sequence[Any], Mapping[str, Any], Any], int] | None:
    """The operator's rule, of its arguments, keyword arguments and output; None where it has none.

    Products of nested tensors, which have no shape, cannot be taken apart: they have their own.

    An operator that is not listed here is looked up among the formulas registered with
    `torch.utils.flop_counter.register_flop_formula`; those count two per multiply-add.
    """
    rule = MAC_RULES.get(base_name(packet))
    if packet in _OF_NESTED and args[0].is_nested:
        rule = _nested_product
    if rule is not None:
        return lambda args, kwargs, out: rule(args, out)
    if packet not in flop_registry:
        return None
    formula = flop_registry[packet]
    return lambda args, kwargs, out: _halved(packet, formula(*args, **kwargs, out_val=out))


def operator_name(packet: Packet) -> str:
    """The name with its library, "aten.mm"."""
    return str(packet) if isinstance(packet, OpOverloadPacket) else f"higher_order.{packet}"


_FORM = re.compile(
    r"_$|(?<=quantized\.)(linear|conv\w*\dd|batch_norm\dd|add|mul|cat)"
    "(_relu|_leaky_relu|_tanh|_add|_scalar|_dynamic|_fp16)+$"
)


def base_name(packet: Packet) -> str:
    """The same without `_` for in place, and without what follows a quantized layer's name."""
    return _FORM.sub(r"\1", operator_name(packet))


def _halved(packet: Packet, operations: int) -> int:
    if operations % 2:
        raise ValueError(
            f"the flop formula of {packet} gives {operations}; torch's rule is 2 per multiply-add"
        )
    return operations // 2


_OF_NESTED = (torch.ops.aten.linear, torch.ops.aten.matmul)


def _nested_product(args: Sequence[Any], out: Any) -> int:
    """Values of every part, times the width of its result."""
    parts = zip(_shapes(args[0]), _shapes(out), strict=True)
    return sum(prod(own) * result[-1] for own, result in parts)


def _shapes(tensor: Tensor) -> list[torch.Size]:
    """The shape of each part of a nested tensor; one of any other."""
    return [part.shape for part in tensor.unbind()] if tensor.is_nested else [tensor.shape]


def _matrix_product(left: int, right: int) -> MacRule:
    """A product of (..., m, k) and (..., k, n), which stand at these places of the arguments."""

    def rule(args: Sequence[Any], out: Any) -> int:
        return args[left].numel() * args[right].shape[-1]

    return rule


def _per_argument(place: int) -> MacRule:
    return lambda args, out: args[place].numel()


def _vector_products(args: Sequence[Any], out: Any) -> int:
    return prod(torch.broadcast_shapes(args[0].shape, args[1].shape))


def _cudnn_attention(args: Sequence[Any], out: Any) -> int:
    packed = args[4] is not None
    return _tokens_first(0, 4)(args, out) if packed else _attention(args, out)


def _grouped_product(args: Sequence[Any], out: Tensor) -> int:
    """Products of groups, which split the rows, the columns, or the length that is summed."""
    left, right = args[:2]
    groups = len(left) if left.ndim > right.ndim else 1
    return left.numel() * right.shape[-1] // groups


def _per_width(args: Sequence[Any], out: Tensor) -> int:
    """Outputs, times the width of what each compares or sums; factors may be packed."""
    return out.numel() * args[0].shape[-1]


def _bilinear_form(args: Sequence[Any], out: Tensor) -> int:
    """The first input by the weights (O, I, J), and each result by the second input."""
    outputs, _, second = args[2].shape
    return out.numel() // outputs * (args[2].numel() + outputs * second)


def _recurrent(args: Sequence[Any], out: Any) -> int:
    """Every matrix of weights is applied to every token."""
    lists = [arg for arg in args[:4] if isinstance(arg, list | tuple)]
    weights = lists[-1] if lists else args[1:3]  # of one layer
    tokens = args[0].numel() // args[0].shape[-1]
    return tokens * sum(weight.numel() for weight in weights if weight.ndim == 2)


def _fourier(args: Sequence[Any], out: Tensor) -> int:
    """The usual estimate of 5 N log2 N operations for N complex values; real ones take half."""
    real = [own for own in (args[0], out) if not own.is_complex()]
    values = (real or [out])[0]
    size = prod(values.shape[dim] for dim in args[1])
    return round(5 * values.numel() * log2(size) / (4 if real else 2))


def _elimination(args: Sequence[Any], out: Any) -> int:
    """MACs of an (m, n) matrix: each step divides a column and updates the rest."""
    *batch, m, n = args[0].shape
    return prod(batch) * sum((m - k) * (n - k + 1) for k in range(1, min(m, n) + 1))


def _substitution(args: Sequence[Any], out: Any) -> int:
    """MACs of solving with both triangles of an (n, n) matrix."""
    solved = out[0] if isinstance(out, tuple) else out
    return solved.numel() * args[0].shape[-1]


def _convolution(is_transposed: Callable[[Sequence[Any]], bool]) -> MacRule:
    """Batch, times the weights (out, in / groups, ...), times the locations they are applied at.

    Locations are those of the output, or of the input for a transposed convolution.
    """

    def rule(args: Sequence[Any], out: Tensor) -> int:
        image, weight = args[0], args[1]
        locations = (image if is_transposed(args) else out).shape[2:]
        return image.shape[0] * weight.numel() * prod(locations)

    return rule


def _attention(args: Sequence[Any], out: Any) -> int:
    """Scores and weighted sum: queries * keys * (width of a key + width of a value).

    Tokens come before the width, (B, M, S, C). A mask saves nothing: masked scores are computed and
    dropped.
    """
    attended = out[0] if isinstance(out, tuple) else out
    return sum(
        prod(of_queries[:-1]) * of_keys[-2] * (of_keys[-1] + of_values[-1])
        for of_queries, of_keys, of_values in zip(
            *map(_shapes, (attended, args[1], args[2])), strict=True
        )
    )


def _tokens_first(query_at: int, starts_at: int | None) -> MacRule:
    """The same for tokens before heads, (B, S, M, C), or packed: (S, M, C) of all sequences.

    At `starts_at` are the first token of each sequence among queries and among keys, and then the
    longest lengths, which count where there are no values.
    """

    def rule(args: Sequence[Any], out: Any) -> int:
        query, key, value = args[query_at : query_at + 3]
        starts, keys, most, *more = args[starts_at : starts_at + 4] if starts_at else (None,) * 3
        if starts is None:
            pairs = prod(query.shape[:-2]) * key.shape[-3]
        else:
            of_keys = _lengths(starts if keys is None else keys, (more or [most])[0])
            pairs = sum(map(mul, _lengths(starts, most), of_keys))
        return pairs * query.shape[-2] * (key.shape[-1] + value.shape[-1])

    return rule


def _lengths(starts: Tensor, most: Any) -> list[int]:
    return [int(most)] * (len(starts) - 1) if starts.is_meta else starts.diff().tolist()


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


def _average_pool(spatial: int) -> MacRule:
    def rule(args: Sequence[Any], out: Tensor) -> int:
        kernel = args[1]
        return out.numel() * (prod(kernel) if len(kernel) > 1 else kernel[0] ** spatial)

    return rule


def _antialiased(taps: int) -> MacRule:
    """The filter is as much wider as the side shrinks."""

    def rule(args: Sequence[Any], out: Tensor) -> int:
        sides = zip(args[0].shape[2:], out.shape[2:], strict=True)
        return prod(out.shape[:2]) * prod(taps * max(old, new) for old, new in sides)

    return rule


def _grid_sample(args: Sequence[Any], out: Tensor) -> int:
    """MACs by mode and dimensions; copying the nearest value costs nothing."""
    taps = {0: LINEAR, 1: 0, 2: CUBIC}[args[2]]
    return out.numel() * taps ** (out.ndim - 2)


def _embedding_bag(args: Sequence[Any], out: Any) -> int:
    """A sum or mean costs nothing; its weights do."""
    weighted = len(args) > 6 and args[6] is not None
    return args[1].numel() * args[0].shape[-1] if weighted else 0


def _packed(rule: MacRule) -> MacRule:
    """Of weights that are packed for quantized values."""
    return lambda args, out: rule((args[0], args[1].weight()), out)


def _deformable_convolution(args: Sequence[Any], out: Tensor) -> int:
    """The convolution, and the bilinear interpolation of every value that it reads."""
    image, weight = args[0], args[1]
    locations = out.shape[0] * prod(out.shape[-2:])
    values = image.shape[1] * prod(weight.shape[-2:])
    return locations * (weight.numel() + LINEAR**2 * values)


def _fused_self_attention(args: Sequence[Any], out: Any) -> int:
    """`nn.MultiheadAttention`'s fused path: projections, attention, output projection."""
    query, key, value, width = args[:4]
    pairs = sum(
        prod(of_queries[:-1]) * of_keys[-2]
        for of_queries, of_keys in zip(_shapes(query), _shapes(key), strict=True)
    )
    return (2 * query.numel() + key.numel() + value.numel() + 2 * pairs) * width


def _fused_encoder_layer(args: Sequence[Any], out: Any) -> int:
    """`nn.TransformerEncoderLayer`'s fused path; both norms have learned scales."""
    tokens, width, hidden_weight = args[0], args[1], args[14]
    attention = _fused_self_attention((tokens, tokens, tokens, width), None)
    feed_forward = 2 * (tokens.numel() // width) * hidden_weight.numel()
    return attention + feed_forward + 2 * NORM_AFFINE * tokens.numel()


_SAME = "the same"
_NORM, _FROZEN = "5 per value, without a learned scale 4", "2 per value, without a learned scale 1"
_SEQUENCES = "the same, over the pairs of each sequence"

# Operators that count alike, their closed form, which docs/cost.md lists, and their rule. Names are
# PyTorch's (`aten`) unless they name another library; one stands for all with this `base_name`.
FORMULAS: tuple[tuple[str, str, MacRule], ...] = (
    ("mm bmm quantized.matmul", "m k n of (m, k) by (k, n)", _matrix_product(0, 1)),
    ("addmm _addmm_activation baddbmm addbmm", "m k n", _matrix_product(1, 2)),
    ("_int_mm _scaled_mm _scaled_mm_v2 _weight_int8pack_mm _weight_int4pack_mm "
     "_weight_int4pack_mm_for_cpu _dyn_quant_matmul_4bit _mixed_dtypes_linear quantized.linear",
     "m k n", _per_width),
    ("_grouped_mm _scaled_grouped_mm _scaled_grouped_mm_v2", "m k n, summed over groups",
     _grouped_product),
    ("mv dot vdot", "m k", _per_argument(0)),
    ("addmv", "m k", _per_argument(1)),
    ("linalg_vecdot", "pairs of values", _vector_products),
    ("outer ger kron addr", "m n, also in `einsum` and `matmul`", _per_output(1)),
    ("bilinear", "B O (I J + J)", _bilinear_form),
    ("_fft_c2c", "5/2 N log2 N for N complex values", _fourier),
    ("_fft_r2c _fft_c2r", "5/4 N log2 N for N real values", _fourier),
    ("_linalg_det _linalg_slogdet linalg_lu linalg_lu_factor_ex", "(n^3 - n) / 3", _elimination),
    ("linalg_cholesky_ex", "(n^3 - n) / 6", lambda args, out: _elimination(args, out) // 2),
    ("linalg_inv_ex", "n^3", lambda args, out: args[0].numel() * args[0].shape[-1]),
    ("linalg_lu_solve", "n^2 k", _substitution),
    ("cholesky_solve", "n^2 k", lambda args, out: out.numel() * args[1].shape[-1]),
    ("linalg_solve_triangular", "n (n + 1) k / 2",
     lambda args, out: out.numel() * (args[0].shape[-1] + 1) // 2),
    ("_linalg_solve_ex", "(n^3 - n) / 3 + n^2 k",
     lambda args, out: _elimination(args, out) + _substitution(args, out)),
    ("_cdist_forward _euclidean_dist _pdist_forward", "pairs times width", _per_width),
    ("cudnn_convolution cudnn_convolution_relu cudnn_convolution_add_relu miopen_convolution "
     "mkldnn_convolution _conv_depthwise2d conv_depthwise3d _slow_conv2d_forward "
     "slow_conv3d_forward slow_conv_dilated2d slow_conv_dilated3d _nnpack_spatial_convolution",
     "B times weights, at each output", _convolution(lambda args: False)),
    ("convolution _convolution convolution_overrideable", "the same; transposed at each input",
     _convolution(lambda args: args[6])),
    ("cudnn_convolution_transpose slow_conv_transpose2d slow_conv_transpose3d",
     "B times weights, at each input", _convolution(lambda args: True)),
    ("quantized.conv1d quantized.conv2d quantized.conv3d", "B times weights, at each output",
     _packed(_convolution(lambda args: False))),
    ("quantized.conv_transpose1d quantized.conv_transpose2d quantized.conv_transpose3d",
     "B times weights, at each input", _packed(_convolution(lambda args: True))),
    ("conv_tbc", "B times weights, at each output",
     lambda args, out: prod(out.shape[:2]) * args[1].numel()),
    ("torchvision.deform_conv2d", "the convolution, and 4 per value read", _deformable_convolution),
    ("scaled_dot_product_attention _scaled_dot_product_attention_math "
     "_scaled_dot_product_attention_math_for_mps _scaled_dot_product_flash_attention "
     "_scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_efficient_attention "
     "_scaled_dot_product_cudnn_attention _scaled_dot_product_fused_attention_overrideable "
     "_triton_scaled_dot_attention higher_order.flex_attention",
     "heads times queries times keys, times widths of key and value; masks save nothing",
     _attention),
    ("_flash_attention_forward torch_attn._varlen_attn flash_attn._flash_attn_varlen_forward",
     _SEQUENCES, _tokens_first(0, 3)),
    ("_efficient_attention_forward xformers.efficient_attention_forward_cutlass", _SEQUENCES,
     _tokens_first(0, 4)),
    ("_flash_attention_forward_no_dropout_inplace", _SEQUENCES, _tokens_first(1, 4)),
    ("flash_attn._flash_attn_forward", _SAME, _tokens_first(0, None)),
    ("_cudnn_attention_forward", _SEQUENCES, _cudnn_attention),
    ("_native_multi_head_attention _triton_multi_head_attention", "projections and attention",
     _fused_self_attention),
    ("_transformer_encoder_layer_fwd", "attention, feed-forward layers and two normalizations",
     _fused_encoder_layer),
    ("lstm gru rnn_tanh rnn_relu _cudnn_rnn miopen_rnn mkldnn_rnn_layer", "tokens times weights",
     _recurrent),
    ("layer_norm native_layer_norm group_norm rms_norm _fused_rms_norm quantized.layer_norm "
     "quantized.group_norm", _NORM, _norm(2)),
    ("instance_norm native_group_norm _batch_norm_with_update quantized.instance_norm", _NORM,
     _norm(1)),
    ("batch_norm native_batch_norm cudnn_batch_norm miopen_batch_norm _native_batch_norm_legit",
     f"{_FROZEN}; while training as above", _batch_norm(5)),
    ("_native_batch_norm_legit_no_training _batch_norm_no_update quantized_batch_norm "
     "quantized.batch_norm2d quantized.batch_norm3d", _FROZEN, _frozen_norm),
    ("upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d "
     "_upsample_nearest_exact2d _upsample_nearest_exact3d", "outputs", _per_output(1)),
    ("upsample_linear1d", "2 outputs", _per_output(LINEAR)),
    ("upsample_bilinear2d cudnn_grid_sampler", "4 outputs", _per_output(LINEAR**2)),
    ("upsample_trilinear3d", "8 outputs", _per_output(LINEAR**3)),
    ("upsample_bicubic2d", "16 outputs", _per_output(CUBIC**2)),
    ("_upsample_bilinear2d_aa", "4 B C max(H, H') max(W, W')", _antialiased(LINEAR)),
    ("_upsample_bicubic2d_aa", "16 B C max(H, H') max(W, W')", _antialiased(CUBIC)),
    ("_upsample_lanczos2d_aa", "36 B C max(H, H') max(W, W')", _antialiased(LANCZOS)),
    ("grid_sampler grid_sampler_2d grid_sampler_3d _grid_sampler_2d_cpu_fallback",
     "4 outputs, in volumes 8; bicubic 16; nearest 0", _grid_sample),
    ("affine_grid_generator cudnn_affine_grid_generator", "3 outputs, in volumes 4",
     lambda args, out: out.numel() * args[0].shape[-1]),
    ("avg_pool2d", "outputs times kernel", _average_pool(2)),
    ("avg_pool3d", "outputs times kernel", _average_pool(3)),
    ("adaptive_avg_pool2d _adaptive_avg_pool2d adaptive_avg_pool3d _adaptive_avg_pool3d", "inputs",
     _per_argument(0)),
    ("_embedding_bag _embedding_bag_forward_only", "of weighted bags values times width",
     _embedding_bag),
)  # fmt: skip

MAC_RULES = {
    name if "." in name else f"aten.{name}": rule
    for names, _, rule in FORMULAS
    for name in names.split()
}


def operator_table() -> str:
    """`FORMULAS` in Markdown."""
    rows = [
        f"| {' '.join(f'`{n}`' for n in names.split())} | {text} |" for names, text, _ in FORMULAS
    ]
    return "\n".join(["| Operators | Multiply-adds |", "|:--|:--|", *rows, ""])
