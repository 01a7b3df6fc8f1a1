"""Operators beside closed forms, by hand, and layers of torchvision's models beside fvcore."""

from functools import partial

import pytest
import torch
from torch import nn
from torch._higher_order_ops.scan import scan
from torch.ao import quantization
from torch.nn import functional as F
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.nn.utils import parametrizations, rnn

from flops_case import Lambda, fvcore_macs, macs
from paths import ROOT
from vis_bench.errors import InputError
from vis_bench.inference.clips import clip_windows
from vis_bench.measures.flops.rules import FORMULAS, MAC_RULES, operator_table
from vis_bench.measures.flops.video import ShapeCounter
from vis_bench.method import ClipPrediction, FrameFeatures, VISMethod

aten, VOLUME, ATTENDED = torch.ops.aten, (1, 3, 4, 4, 4), 2 * 4 * 5 * 7 * (16 + 16)
LSTM, CONV = 8 * 28 * (5 + 7), 64 * 27


def ints(*values, dtype=torch.int32):
    return torch.tensor(values, dtype=dtype)


def conv():
    return nn.Conv2d(3, 1, 3, padding=1, bias=False).eval()


def marked(x):
    with torch.profiler.record_function("product"):
        return x @ torch.ones(4, 5, device=x.device)


def resized(*size, **options):
    return lambda x: F.interpolate(x, size, **options)


def sampled(mode):
    return lambda x, grid: F.grid_sample(x, grid, mode, align_corners=False)


def branch(sign):
    """A product of 36 where the sum is above 0, of 60 else."""
    then, other = lambda x: (x @ x.mT).sum(), lambda x: (x @ x.new_ones(4, 5)).sum()
    return lambda x: torch.cond(sign * x.sum() > 0, then, other, (x,))


def grouped(a, b, *ends):
    return torch._grouped_mm(a.bfloat16(), b.bfloat16(), *ends)


def causal_blocks(q):
    keep = create_block_mask(lambda b, h, i, j: i >= j, None, None, 128, 128, device=q.device)
    return flex_attention(q, q, q, score_mod=lambda s, *_: s * 2, block_mask=keep)


def packed_lstm(x, lstm=nn.LSTM(5, 7)):  # noqa: B008
    return lstm.to(x.device)(rnn.pack_padded_sequence(x, torch.tensor([4, 2])))


def nested(x, **options):
    return torch.nested.nested_tensor([x[0, :3], x[1]], **options)


def jagged_heads(x):
    return nested(x, layout=torch.jagged).unflatten(-1, (2, 8)).transpose(1, 2)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 4, 24, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 1)

    def forward(self, tokens, padding):
        return self.layers(tokens, src_key_padding_mask=padding)


def encoder_macs(*lengths):
    """Projections, attention, feed-forward layers and two normalizations of a layer."""
    tokens, pairs = sum(lengths), sum(length**2 for length in lengths)
    return 4 * tokens * 16**2 + 2 * pairs * 16 + 2 * tokens * 16 * 24 + 2 * 5 * tokens * 16


PADDING = torch.arange(5) >= torch.tensor([[3], [5], [5]])

# What runs, the shapes of its arguments, and the multiply-adds by hand.
BY_HAND = {
    "mm": (torch.mm, [(5, 16), (16, 7)], 560),
    "matmul of batches": (torch.matmul, [(3, 4, 5, 16), (3, 4, 16, 7)], 12 * 560),
    "matrix and vector": (torch.mv, [(5, 16), (16,)], 80),
    "dot": (torch.dot, [(16,), (16,)], 16),
    "baddbmm": (torch.baddbmm, [(3, 5, 7), (3, 5, 16), (3, 16, 7)], 3 * 560),
    "depthwise": (nn.Conv2d(16, 16, 5, padding=2, groups=16), [(3, 16, 8, 8)], 48 * 64 * 25),
    "dynamic convolution, one group per instance": (
        lambda x, w: F.conv2d(x, w, groups=5), [(3, 50, 6, 6), (40, 10, 1, 1)], 3 * 36 * 400,
    ),
    "attention": (
        F.scaled_dot_product_attention, [(3, 4, 5, 16), (3, 4, 7, 16), (3, 4, 7, 2)], 12 * 35 * 18,
    ),
    "attention under a mask": (
        lambda q, k, m: F.scaled_dot_product_attention(q, k, k, attn_mask=m > 0.5),
        [(3, 4, 5, 16), (3, 4, 7, 16), (5, 7)], 12 * 35 * 32,
    ),
    "bicubic": (resized(9, 13, mode="bicubic"), [(3, 16, 4, 4)], 16 * 48 * 117),
    "layer norm without scale": (nn.LayerNorm(16, elementwise_affine=False), [(3, 5, 16)], 960),
    "group norm without scale": (nn.GroupNorm(4, 16, affine=False), [(3, 16, 6, 6)], 4 * 48 * 36),
    "average pool": (nn.AvgPool2d(2), [(3, 16, 6, 6)], 48 * 36),
    "outer": (torch.outer, [(4,), (5,)], 20),
    "outer of one value": (torch.outer, [(1,), (5,)], 5),
    "ger": (torch.ger, [(4,), (5,)], 20),
    "outer by einsum": (lambda a, b: torch.einsum("i,j->ij", a, b), [(1,), (5,)], 5),
    "outer of batches": (lambda a, b: torch.einsum("bi,bj->bij", a, b), [(2, 3), (2, 4)], 24),
    "outer by matmul": (lambda a, b: a[:, None] @ b[None], [(4,), (5,)], 20),
    "addr": (torch.addr, [(4, 5), (4,), (5,)], 20),
    "kron": (torch.kron, [(2, 3), (4, 5)], 120),
    "pointwise": (lambda a, b: a[:, None] * b[None], [(4,), (5,)], 0),
    "einsum": (lambda a, b: torch.einsum("bij,bjk->bik", a, b), [(2, 3, 4), (2, 4, 5)], 120),
    "vecdot": (torch.linalg.vecdot, [(4, 5), (4, 5)], 20),
    "in place": (lambda a, m, b: a.addmv_(m, b), [(4,), (4, 5), (5,)], 20),
    "bilinear form": (nn.Bilinear(3, 4, 5), [(2, 3), (2, 4)], 2 * 5 * (12 + 4)),
    "the same by einsum": (
        lambda a, w, b: torch.einsum("bi,oij,bj->bo", a, w, b),
        [(2, 3), (5, 3, 4), (2, 4)],
        2 * 5 * (12 + 4),
    ),
    "distances": (torch.cdist, [(2, 3, 4), (2, 5, 4)], 120),
    "many distances": (torch.cdist, [(30, 4), (70, 4)], 8400),
    "distances of pairs": (F.pdist, [(6, 4)], 60),
    "integers": (
        torch._int_mm,
        [torch.ones(32, 16, dtype=torch.int8), torch.ones(16, 32, dtype=torch.int8)],
        16384,
    ),
    "groups of rows": (grouped, [(16, 16), (2, 16, 32), ints(8, 16)], 8192),
    "groups of columns": (grouped, [(2, 16, 16), (16, 32), ints(16, 32)], 8192),
    "groups of the sum": (grouped, [(16, 32), (32, 16), ints(16, 32)], 8192),
    "groups as batch": (grouped, [(2, 16, 16), (2, 16, 32)], 16384),
    "conv_tbc": (lambda *x: torch.conv_tbc(*x, 1), [(6, 2, 3), (3, 3, 4), (4,)], 6 * 2 * 36),
    "Conv3d": (nn.Conv3d(4, 4, 3, padding=1, groups=4), [(1, 4, 5, 5, 5)], 125 * 108),
    "transposed": (nn.ConvTranspose3d(2, 3, 2, 2), [(1, 2, 3, 3, 3)], 27 * 48),
    "affine grid": (lambda x: F.affine_grid(x, (2, 3, 4, 5)), [(2, 2, 3)], 2 * 20 * 2 * 3),
    "affine grid of volumes": (lambda x: F.affine_grid(x, (2, 1, 2, 4, 5)), [(2, 3, 4)], 960),
    "pool of volumes": (nn.AvgPool3d((1, 2, 2)), [VOLUME], 192),
    "pool without a batch": (nn.AvgPool3d(2), [VOLUME[1:]], 192),
    "adaptive pool of volumes": (nn.AdaptiveAvgPool3d((1, 2, None)), [VOLUME], 192),
    "mean of volumes": (nn.AdaptiveAvgPool3d(1), [VOLUME], 192),
    "area": (resized(2, 2, 2, mode="area"), [VOLUME], 192),
    "response norm": (nn.LocalResponseNorm(3), [(1, 4, 5, 5)], 300),
    "power pool": (nn.LPPool2d(2, 2), [(1, 3, 8, 8)], 192),
    "trilinear": (resized(2, 5, 5, mode="trilinear"), [VOLUME], 8 * 150),
    "nearest in volumes": (resized(2, 5, 5), [VOLUME], 150),
    "samples of volumes": (sampled("bilinear"), [VOLUME, (1, 2, 5, 5, 3)], 8 * 150),
    "nearest samples": (sampled("nearest"), [VOLUME, (1, 2, 5, 5, 3)], 0),
    "bicubic samples": (sampled("bicubic"), [(1, 3, 4, 4), (1, 5, 5, 2)], 16 * 75),
    "antialiased up": (resized(9, 9, mode="bilinear", antialias=True), [(1, 3, 4, 4)], 4 * 243),
    "antialiased down": (resized(4, 4, mode="bilinear", antialias=True), [(1, 3, 8, 8)], 4 * 192),
    "antialiased both": (resized(4, 9, mode="bicubic", antialias=True), [(1, 3, 8, 8)], 16 * 216),
    "bag": (lambda w, i: F.embedding_bag(i.long(), w), [(7, 4), torch.ones(2, 3)], 0),
    "weighted bag": (
        lambda w, i, p: F.embedding_bag(i.long(), w, mode="sum", per_sample_weights=p),
        [(7, 4), torch.ones(2, 3), (2, 3)],
        24,
    ),
    "weight norm": (parametrizations.weight_norm(nn.Linear(4, 5)), [(2, 4)], 40),
    "polar": (torch.polar, [(4,), (4,)], 0),
    "cross": (torch.linalg.cross, [(4, 3), (4, 3)], 0),
    "histogram": (torch.histc, [(9,)], 0),
    "fractional pool": (nn.FractionalMaxPool3d(2, output_size=3), [(1, 2, 8, 8, 8)], 0),
    "loss": (F.mse_loss, [(3, 4), (3, 4)], 0),
    "LSTM": (nn.LSTM(5, 7), [(4, 2, 5)], LSTM),
    "LSTM, both ways": (
        nn.LSTM(5, 7, 2, bidirectional=True), [(4, 2, 5)], 2 * LSTM + 2 * 8 * 28 * 21,
    ),
    "LSTM, projected": (nn.LSTM(5, 7, bias=False, proj_size=3), [(4, 2, 5)], 8 * (28 * 8 + 21)),
    "LSTM, packed": (packed_lstm, [(4, 2, 5)], LSTM * 6 // 8),
    "GRU": (nn.GRU(5, 7, batch_first=True), [(2, 4, 5)], LSTM * 3 // 4),
    "RNN": (nn.RNN(5, 7, nonlinearity="relu", bias=False), [(4, 5)], LSTM // 8),
    "scripted": (torch.jit.script(nn.Sequential(conv(), nn.ReLU())), [(1, 3, 8, 8)], CONV),
    "scripted part": (nn.Sequential(torch.jit.script(conv()), nn.ReLU()), [(1, 3, 8, 8)], CONV),
    "traced": (torch.jit.trace(conv(), torch.rand(1, 3, 8, 8)), [(1, 3, 8, 8)], CONV),
    "frozen": (torch.jit.freeze(torch.jit.script(conv())), [(1, 3, 8, 8)], CONV),
    "mark of a profiler": (marked, [(2, 4)], 40),
    "copies": (nn.DataParallel(nn.Linear(4, 5)), [(2, 4)], 40),
    "flex": (flex_attention, [(2, 4, 5, 16), (2, 4, 7, 16), (2, 4, 7, 8)], ATTENDED * 24 // 32),
    "flex of blocks": (causal_blocks, [(1, 2, 128, 16)], 2 * 128 * 128 * 32),
    "flex, compiled": (lambda q: torch.compile(flex_attention)(q, q, q), [(1, 2, 8, 16)], 4096),
    "flex, few heads": (
        lambda q, k: flex_attention(q, k, k, enable_gqa=True),
        [(2, 4, 5, 16), (2, 2, 7, 16)],
        ATTENDED,
    ),
    "attention, few heads": (
        lambda q, k: F.scaled_dot_product_attention(q, k, k, enable_gqa=True),
        [(2, 4, 5, 16), (2, 2, 7, 16)],
        ATTENDED,
    ),
    "padding of none": (Encoder(), [(3, 5, 16), PADDING & False], encoder_macs(5, 5, 5)),
    "scan": (lambda x: scan(lambda h, y: (h @ y, h.clone()), x[0], x)[1], [(3, 4, 4)], 3 * 64),
    "FFT": (lambda x: torch.fft.fft(torch.complex(x, x)).real, [(3, 16)], 2.5 * 48 * 4),
    "FFT of planes": (lambda x: torch.fft.rfft2(x).real, [(3, 4, 8)], 1.25 * 96 * 5),
    "inverse FFT": (lambda x: torch.fft.irfft2(torch.complex(x, x)), [(3, 4, 5)], 1.25 * 96 * 5),
    "determinant": (torch.linalg.det, [(2, 5, 5)], 2 * (16 + 4 + 9 + 3 + 4 + 2 + 1 + 1)),
    "elimination": (lambda x: torch.linalg.lu_factor(x)[0], [(5, 3)], 8 + 4 + 3 + 3 + 2),
    "inverse": (torch.linalg.inv, [(2, 5, 5)], 2 * 125),
    "solution": (torch.linalg.solve, [(2, 5, 5), (2, 5, 3)], 2 * (40 + 75)),
    "solution of a vector": (torch.linalg.solve, [(5, 5), (5,)], 40 + 25),
    "triangle": (partial(torch.linalg.solve_triangular, upper=True), [(5, 5), (5, 3)], 15 * 3),
    "solution by Cholesky": (torch.cholesky_solve, [(2, 5, 3), (2, 5, 5)], 2 * 75),
    "Cholesky": (lambda x: torch.linalg.cholesky_ex(x)[0], [(2, 5, 5)], 2 * 20),
    "map": (lambda x: torch._higher_order_ops.map(lambda y: y @ y, x), [(2, 3, 3)], 54),
}  # fmt: skip
# Values decide what runs; or PyTorch has no kernel for shapes alone.
ON_VALUES = {
    "padding": (Encoder(), [(3, 5, 16), PADDING], encoder_macs(3, 5, 5)),
    "then": (branch(1), [(3, 4)], 36),
    "else": (branch(-1), [(3, 4)], 60),
    "nested": (lambda x, w: F.linear(nested(x), w), [(2, 5, 8), (4, 8)], 8 * 8 * 4),
    "jagged": (lambda x, w: F.linear(nested(x, layout=torch.jagged), w), [(2, 5, 8), (4, 8)], 256),
    "jagged attention": (
        lambda x: F.scaled_dot_product_attention(*[jagged_heads(x)] * 3), [(2, 5, 16)], 34 * 32,
    ),
}  # fmt: skip
# Attention of GPUs, (B, M, S, C) or (B, S, M, C); packed, each sequence as long as the longest.
HEADS_FIRST, TOKENS_FIRST = [(2, 4, 5, 16), (2, 4, 7, 16)], [(2, 5, 4, 16), (2, 7, 4, 16)]
STARTS = [ints(0, 2, 5), ints(0, 3, 7)]
ON_SHAPES = {
    "padding": (Encoder(), [(3, 5, 16), PADDING], encoder_macs(5, 5, 5)),
    "dearer branch": (branch(1), [(3, 4)], 60),
    "flash": (
        lambda q, k: aten._scaled_dot_product_flash_attention(q, k, k),
        HEADS_FIRST,
        ATTENDED,
    ),
    "efficient": (
        lambda q, k: aten._scaled_dot_product_efficient_attention(q, k, k, None, False),
        HEADS_FIRST,
        ATTENDED,
    ),
    "flash of tokens": (
        lambda q, k: aten._flash_attention_forward(q, k, k, None, None, 5, 7, 0.0, True, False),
        TOKENS_FIRST,
        ATTENDED,
    ),
    "efficient of tokens": (
        lambda q, k: aten._efficient_attention_forward(q, k, k, *[None] * 5, 0.0, 0),
        TOKENS_FIRST,
        ATTENDED,
    ),
    "packed": (
        lambda q, k, a, b: aten._efficient_attention_forward(q, k, k, None, a, b, 3, 4, 0.0, 0),
        [(1, 5, 4, 16), (1, 7, 4, 16), *STARTS],
        2 * 3 * 4 * 4 * 32,
    ),
}
CASES = [
    *(pytest.param(device, *case, id=f"{name}-{device}") for device in ("cpu", "meta")
      for name, case in BY_HAND.items()),
    *(pytest.param("cpu", *case, id=f"{name}-cpu") for name, case in ON_VALUES.items()),
    *(pytest.param("meta", *case, id=f"{name}-meta") for name, case in ON_SHAPES.items()),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("device", "function", "shapes", "expected"), CASES)
def test_operators_cost_what_they_cost_by_hand(device, function, shapes, expected):
    tensors = [
        own.to(device) if isinstance(own, torch.Tensor) else torch.rand(own, device=device)
        for own in shapes
    ]
    module = function.to(device).eval() if isinstance(function, nn.Module) else Lambda(function)
    assert macs(module, *tensors) == expected


@pytest.mark.parametrize(
    ("name", "layouts", "expected"),
    [
        ("_flash_attention_forward", [(5, 4, 16), (7, 4, 16)], (2 * 3 + 3 * 4) * 4 * 32),
        ("_cudnn_attention_forward", [(5, 4, 16), (7, 4, 16)], (2 * 3 + 3 * 4) * 4 * 32),
        ("flash_attn._flash_attn_varlen_forward", [(5, 4, 16), (7, 4, 16)], 18 * 4 * 32),
        ("flash_attn._flash_attn_forward", TOKENS_FIRST, ATTENDED),
    ],
)
def test_packed_attention_counts_the_pairs_of_each_sequence(name, layouts, expected):
    """By the rule alone, as only a GPU runs the operator."""
    query, key = (torch.rand(own) for own in layouts)
    bias = [None] * (name == "_cudnn_attention_forward")
    rule = MAC_RULES[name if "." in name else f"aten.{name}"]
    assert rule([query, key, key, *bias, *STARTS, 3, 4], (query,)) == expected


def test_a_name_stands_in_one_row_and_the_page_has_all():
    names = [name for row in FORMULAS for name in row[0].split()]
    assert len(names) == len({*names}) == len(MAC_RULES)
    assert operator_table() in (ROOT / "docs" / "cost.md").read_text()


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_part_that_hides_its_operators_is_refused(device):
    part = torch.jit.optimize_for_inference(torch.jit.script(nn.Sequential(conv(), nn.ReLU())))
    with pytest.raises(InputError, match="optimize_for_inference"):
        macs(part, torch.rand(1, 3, 8, 8, device=device))


def test_modules_in_two_devices_copies_are_those_of_one():
    module = nn.DataParallel(nn.Linear(4, 5))
    module.device_ids = [0, 1]
    assert macs(module, torch.rand(2, 4)) == 40
    assert module.device_ids == [0, 1]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("stage", ["float", "trained", "converted", "dynamic"])
def test_quantized_layers_count_as_those_that_they_replace(stage):
    first, last = quantization.QuantStub(), quantization.DeQuantStub()
    pooled = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4), nn.ReLU()
    module = nn.Sequential(first, nn.Conv2d(3, 4, 3), *pooled, last)
    x = torch.rand(2, 3, 8, 8)
    module.qconfig = quantization.get_default_qat_qconfig(torch.backends.quantized.engine)
    if stage in ("trained", "converted"):
        module = quantization.prepare_qat(module)
        module(x)
    if stage == "converted":
        module = quantization.convert(module.eval())
    if stage == "dynamic":
        module = quantization.quantize_dynamic(module, {nn.Linear})
    assert macs(module, x) == 2 * (36 * 108 + 144 + 16)


class Uncounted(VISMethod):
    """Two calls of one unknown operator per encoding and one of another per clip."""

    def encode_frames(self, frames_T3HW):
        maps = torch.linalg.matrix_exp(torch.linalg.matrix_exp(frames_T3HW)).mean(1)
        return FrameFeatures({"maps": maps}, tuple(frames_T3HW.shape[-2:]))

    def predict_clip(self, features):
        masks = torch.linalg.qr(features.maps["maps"]).R
        return ClipPrediction(masks.new_zeros(1, 2), masks[None])


def test_one_error_has_all_unknown_operators_and_how_often():
    with pytest.raises(InputError) as error:
        ShapeCounter(Uncounted()).count_video((8, 8), clip_windows(12, 4, 4))
    assert "linalg_matrix_exp has no rule (6 calls)" in str(error.value)
    assert "linalg_qr has no rule (3 calls)" in str(error.value)
    assert "register_flop_formula" in str(error.value)


def normed(*sizes, **options):
    return nn.Sequential(nn.Conv2d(*sizes, bias=False, **options), nn.BatchNorm2d(sizes[1]))


def windows(x_BCHW, norm=nn.LayerNorm(8).requires_grad_(False)):  # noqa: B008
    """Attention in shifted windows of 4 x 4."""
    x = torch.roll(norm(x_BCHW.permute(0, 2, 3, 1)), (-2, -2), (1, 2))
    x = x.reshape(-1, 2, 4, 2, 4, 8).transpose(2, 3).reshape(-1, 16, 8)
    return (x @ x.mT).softmax(-1) @ x


IMAGE, FILM = (2, 8, 8, 8), (1, 8, 4, 8, 8)
LAYERS = {
    "AlexNet, VGG": (
        [nn.Conv2d(8, 9, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(), nn.Linear(81, 5)], IMAGE,
    ),
    "ResNet, ResNeXt": ([normed(8, 4, 1), normed(4, 4, 3, groups=2), normed(4, 16, 1)], IMAGE),
    "Inception": ([normed(8, 4, (1, 7)), nn.ReLU(), normed(4, 4, (7, 1))], IMAGE),
    "MobileNet": ([normed(8, 8, 3, groups=8), nn.Hardswish(), normed(8, 4, 1)], IMAGE),
    "EfficientNet": ([nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 2, 1), nn.SiLU()], IMAGE),
    "ShuffleNet": ([normed(8, 8, 1), nn.ChannelShuffle(2)], IMAGE),
    "ConvNeXt": ([nn.Flatten(2), nn.LayerNorm(64), nn.Linear(64, 32), nn.GELU()], IMAGE),
    "Swin": ([Lambda(windows)], IMAGE),
    "DeepLab": ([nn.Conv2d(8, 4, 3, dilation=2), nn.UpsamplingBilinear2d((9, 9))], IMAGE),
    "R3D": ([nn.Conv3d(8, 4, 3), nn.BatchNorm3d(4), nn.ReLU()], FILM),
    "R(2+1)D": ([nn.Conv3d(8, 4, (1, 3, 3)), nn.Conv3d(4, 4, (3, 1, 1))], FILM),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_layers_of_torchvision_equal_fvcore(name):
    layers, shape = LAYERS[name]
    module, frames = nn.Sequential(*layers).eval(), torch.rand(shape)
    assert macs(module, frames) == fvcore_macs(module, frames) > 0
