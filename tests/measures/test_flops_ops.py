"""What single operators cost: closed forms, fvcore's figures, and nothing missed in silence."""

import contextlib

import pytest
import torch
from torch import nn
from torch.ao.quantization.fx import _decomposed  # noqa: F401 - defines operators
from torch.nn import functional as F
from torch.utils.flop_counter import register_flop_formula

from flops_case import Lambda, fvcore_macs, macs
from vis_bench.errors import InputError
from vis_bench.measures.flops.counter import count_macs


def rand(*shape, device="meta"):
    return torch.rand(*shape, device=device)


B, Q, C, H, K = 3, 5, 16, 4, 7
DECOMPOSED = torch.ops.quantized_decomposed

ZERO = {
    "softmax": lambda x: x.softmax(-1),
    "log-softmax": lambda x: x.log_softmax(-1),
    "activations": lambda x: F.relu(F.gelu(x).sigmoid()),
    "residual": lambda x: x + x,
    "max pooling": lambda x: F.max_pool2d(x, 2),
    "dropout": lambda x: F.dropout(x, training=False),
    "sorting": lambda x: x.sort().values.topk(2).values,
    "moving": lambda x: F.pad(torch.cat([x, x]).flip(0).permute(0, 2, 3, 1).contiguous(), (1, 1)),
    "reductions": lambda x: x.mean(1).amax(0).cumsum(0),
    "unfolding": lambda x: F.unfold(x, 3),
    "rounding": lambda x: DECOMPOSED.quantize_per_tensor(x, 0.1, 0, 0, 255, torch.uint8),
}


@pytest.mark.parametrize("case", ZERO)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_what_the_convention_counts_zero(case, device):
    assert macs(ZERO[case], rand(B, C, 8, 8, device=device)) == 0


def test_zero_operators_are_named():
    count = count_macs(Lambda(ZERO["softmax"]), ZERO["softmax"], rand(2, 3))[1]
    assert count.zero_ops == {"aten._softmax"}


class ConvNet(nn.Module):
    """All operators that fvcore knows, in one small network."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3), nn.BatchNorm2d(8), nn.ReLU())
        self.grouped = nn.Conv2d(8, 16, 3, groups=4, bias=False)
        self.norm = nn.GroupNorm(4, 16)
        self.up = nn.ConvTranspose2d(16, 8, 2, 2)
        self.instance = nn.InstanceNorm2d(8, affine=True)
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.linear = nn.Linear(8, 6)
        self.layer_norm = nn.LayerNorm(6)

    def forward(self, frames):
        x = self.instance(self.up(self.norm(self.grouped(self.stem(frames)))))
        x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        x = F.grid_sample(x, torch.zeros(x.shape[0], 9, 7, 2), align_corners=False)
        tokens = self.layer_norm(self.linear(self.pool(x).flatten(2).transpose(1, 2)))
        scores = torch.einsum("nab,ncb->nac", tokens, tokens)
        return torch.bmm(scores, tokens) @ tokens.mT


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (2, 3, 41, 55)])
def test_equals_fvcore_on_what_fvcore_counts(shape):
    module, frames = ConvNet().eval(), torch.rand(shape)
    assert macs(module, frames) == fvcore_macs(module, frames) > 0
    assert macs(module.to("cpu"), frames) == fvcore_macs(module, frames)


@pytest.mark.parametrize(
    "module",
    [nn.BatchNorm2d(8).train(), nn.BatchNorm2d(8, affine=False).eval(), nn.GroupNorm(2, 8)],
    ids=str,
)
def test_normalizations_equal_fvcore(module):
    maps = torch.rand(2, 8, 5, 5)
    assert macs(module, maps) == fvcore_macs(module, maps)


def attention_macs(batch, queries, width):
    return 4 * batch * queries * width**2 + 2 * batch * queries**2 * width


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_multihead_attention_in_eval_mode_is_counted(device, need_weights, masked):
    """On a CPU it takes a fused path, which PyTorch's own counter counts 0."""
    module = nn.MultiheadAttention(C, H, batch_first=True, device=device).eval()
    tokens = rand(B, Q, C, device=device)
    mask = torch.zeros(Q, Q, dtype=torch.bool, device=device) if masked else None
    counted = count_macs(
        module, module, tokens, tokens, tokens, need_weights=need_weights, attn_mask=mask
    )[1]
    assert counted.total == attention_macs(B, Q, C)


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("norm_first", [True, False])
def test_encoder_layer_in_eval_mode_is_counted(device, norm_first):
    layer = nn.TransformerEncoderLayer(
        C, H, 24, batch_first=True, norm_first=norm_first, device=device
    ).eval()
    expected = attention_macs(B, Q, C) + 2 * B * Q * C * 24 + 2 * 5 * B * Q * C
    assert macs(layer, rand(B, Q, C, device=device)) == expected


def test_fused_encoder_layer_is_counted_as_what_it_stands_for():
    layer = nn.TransformerEncoderLayer(C, H, 24, batch_first=True).eval()
    module = Lambda(lambda x: layer(x))
    count = count_macs(module, module, rand(B, Q, C, device="cpu"))[1]
    expected = attention_macs(B, Q, C) + 2 * B * Q * C * 24 + 2 * 5 * B * Q * C
    assert count.by_op() == {"aten._transformer_encoder_layer_fwd": expected}


@pytest.mark.parametrize("backend", ["MATH", "FLASH_ATTENTION"])
def test_every_attention_kernel_costs_the_same(backend):
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with sdpa_kernel(getattr(SDPBackend, backend)):
        q, k = rand(B, H, Q, C, device="cpu"), rand(B, H, K, C, device="cpu")
        assert macs(F.scaled_dot_product_attention, q, k, k) == 2 * B * H * Q * K * C


def test_operator_without_a_rule_fails_by_name():
    with pytest.raises(InputError, match=r"aten\.linalg_qr has no rule"):
        macs(torch.linalg.qr, rand(4, 8))


@pytest.fixture(scope="module")
def custom_op():
    @torch.library.custom_op("vis_bench_test::scale", mutates_args=())
    def scale(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @scale.register_fake
    def _(x):
        return torch.empty_like(x)

    return scale


def test_custom_operator_needs_a_formula_and_then_counts_half_of_it(custom_op):
    with pytest.raises(InputError, match=r"vis_bench_test\.scale has no rule"):
        macs(custom_op, rand(3, 4))

    @register_flop_formula(torch.ops.vis_bench_test.scale)
    def _(x_shape, *args, out_shape=None, **kwargs):
        return 2 * x_shape[0] * x_shape[1]

    for device in ("meta", "cpu"):
        assert macs(custom_op, rand(3, 4, device=device)) == 12


SELECTIONS = {
    "by mask": lambda x: x[x > 0.5],
    "rows by mask": lambda x: x[x[:, 0] > 0.5].flatten(),
    "nonzero": lambda x: x[(x[:, 0] > 0.5).nonzero()[:, 0]].flatten(),
    "where": lambda x: x[torch.where(x > 0.5)],
    "masked select": lambda x: x.masked_select(x > 0.5),
    "unique": lambda x: x.unique(),
    "consecutive": lambda x: x.unique_consecutive(return_inverse=True)[0],
}


@pytest.mark.parametrize("case", SELECTIONS)
def test_selections_on_shapes_keep_everything_and_say_so(case):
    """The largest result that any values of that shape can give."""
    everything = torch.arange(1.0, 13.0).view(4, 3)
    expected = SELECTIONS[case](everything).shape
    result, count = count_macs(Lambda(None), SELECTIONS[case], rand(4, 3))
    assert result.shape == expected
    assert count.assumed_ops
    assert not count_macs(Lambda(None), SELECTIONS[case], everything)[1].assumed_ops


def test_reading_a_value_of_a_shape_is_refused_in_one_sentence():
    with pytest.raises(InputError, match="reads a tensor's values"):
        macs(lambda x: x if x.any() else -x, rand(3))
    with pytest.raises(InputError, match="without values"):
        macs(lambda x: x.tolist(), rand(3))


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        self.weight = nn.Parameter(torch.rand(2, 2))

    def forward(self, x):
        return self.inner(x) @ self.weight

    def other_entry(self, x):
        return self.inner[0](x)


def test_operators_belong_to_the_module_whose_forward_runs():
    module, x = Nested(), torch.rand(3, 4)
    count = count_macs(module, module, x)[1]
    by_module = {name: sum(ops.values()) for name, ops in count.by_module.items()}
    assert by_module == {"": 3 * 2 * 2, "inner.0": 3 * 4 * 8, "inner.2": 3 * 8 * 2}
    assert count.within("inner") == 3 * 4 * 8 + 3 * 8 * 2
    assert count.within("") == count.total == sum(count.by_op().values())
    other = count_macs(module, module.other_entry, x)[1]
    assert set(other.by_module) == {"inner.0"}


def test_a_name_is_no_prefix_of_a_longer_one():
    module = nn.ModuleDict({"a": nn.Linear(2, 2), "ab": nn.Linear(2, 3)})
    count = count_macs(module, lambda x: (module["a"](x), module["ab"](x)), torch.rand(1, 2))[1]
    assert count.within("a") == 4


def test_counting_leaves_no_hooks_and_survives_a_failure():
    module = Nested()
    with pytest.raises(RuntimeError):
        count_macs(module, module, torch.rand(3, 5))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())
    assert macs(module, torch.rand(3, 4)) == 3 * (4 * 8 + 8 * 2 + 4)


class Catching(nn.Module):
    """Goes on after a part has failed, as code does that falls back to another path."""

    def __init__(self):
        super().__init__()
        self.part = nn.Linear(4, 2)

    def forward(self, x):
        with contextlib.suppress(RuntimeError):
            self.part(x[:, :3])
        return x @ x.T


def test_a_part_that_failed_is_not_charged_with_what_follows():
    module, x = Catching(), torch.rand(3, 4)
    assert count_macs(module, module, x)[1].of("") == 3 * 4 * 3


def test_torchvisions_deformable_convolution_counts_without_torchvision():
    """27 kernel values times 2 output channels at each of 20 locations, and 27 interpolations."""

    @torch.library.custom_op("torchvision::deform_conv2d", mutates_args=())
    def deform_conv2d(image: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return F.conv2d(image, weight, padding=1)

    @deform_conv2d.register_fake
    def _(image, weight):
        return F.conv2d(image, weight, padding=1)

    counted = macs(deform_conv2d, rand(1, 3, 4, 5), rand(2, 3, 3, 3))
    assert counted == 20 * (2 * 27 + 4 * 27)
