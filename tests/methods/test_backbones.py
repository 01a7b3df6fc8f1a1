"""ResNet and Swin against published sizes, dense formulations and closed forms."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from methods.layers.resnet import RESNETS, Bottleneck, ConvNorm, FrozenBatchNorm2d, ResNet
from methods.layers.swin import SwinBlock, SwinTransformer, shifted_window_mask
from vis_bench.errors import InputError

SMALL_SWIN = {"width": 8, "blocks": (2, 2, 2, 2), "heads": (1, 2, 2, 4), "window": 4}


def randomize(module):
    for child in module.modules():
        if isinstance(child, FrozenBatchNorm2d):
            child.weight.uniform_(0.5, 1.5)
            child.bias.normal_(0, 0.1)
            child.running_mean.normal_(0, 0.1)
            child.running_var.uniform_(0.5, 1.5)
    return module


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 3))
@pytest.mark.parametrize(
    "backbone", [ResNet(**RESNETS["mini"]), SwinTransformer(**SMALL_SWIN)], ids=["resnet", "swin"]
)
def test_any_size_rounds_up_at_every_stride(backbone, height, width, frames):
    maps = backbone(torch.randn(frames, 3, height, width))
    for level, channels, stride in zip(maps, backbone.channels, (8, 16, 32), strict=True):
        assert level.shape == (frames, channels, -(-height // stride), -(-width // stride))


def test_folding_keeps_the_outputs():
    backbone = randomize(ResNet(**RESNETS["mini"])).double()
    frames = torch.randn(2, 3, 45, 71, dtype=torch.float64)
    before = backbone(frames)
    backbone.prepare_for_inference()
    assert not any(isinstance(m, FrozenBatchNorm2d) for m in backbone.modules())
    for wanted, level in zip(before, backbone(frames), strict=True):
        torch.testing.assert_close(level, wanted, rtol=1e-9, atol=1e-9)


def test_frozen_batch_norm_is_batch_norm_in_evaluation():
    frozen = randomize(FrozenBatchNorm2d(6)).double()
    reference = nn.BatchNorm2d(6).double().eval()
    counted = frozen.state_dict() | {"num_batches_tracked": torch.tensor(3)}
    reference.load_state_dict(counted)
    assert frozen.load_state_dict(counted).unexpected_keys == []
    maps = torch.randn(2, 6, 5, 4, dtype=torch.float64)
    torch.testing.assert_close(frozen(maps), reference(maps))


def test_grouped_bottleneck_is_a_dense_one_with_blocks():
    groups, width = 4, 8
    grouped = randomize(Bottleneck(6, width, 12, 2, groups)).double()
    dense = Bottleneck(6, width, 12, 2, 1).double()
    dense.load_state_dict(
        {k: v for k, v in grouped.state_dict().items() if k != "conv2.conv.weight"}, strict=False
    )
    size = width // groups
    with torch.no_grad():
        dense.conv2.conv.weight.zero_()
        for g in range(groups):
            rows = slice(g * size, (g + 1) * size)
            dense.conv2.conv.weight[rows, rows] = grouped.conv2.conv.weight[rows]
    maps = torch.randn(2, 6, 9, 7, dtype=torch.float64)
    torch.testing.assert_close(grouped(maps), dense(maps))


def test_folded_convolution_can_be_folded_again():
    layer = randomize(ConvNorm(3, 4, 3))
    maps = torch.randn(1, 3, 5, 5)
    layer.fold()
    once = layer(maps)
    layer.fold()
    assert torch.equal(layer(maps), once)


def window_attention_by_hand(block, tokens_HWC):
    """Token by token: who is in the same window of the shifted grid, and in the same region."""
    height, width, channels = tokens_HWC.shape
    window, shift, heads = block.window, block.shift, block.attn.heads
    rows, columns = height + -height % window, width + -width % window
    grid = torch.zeros(rows, columns, channels, dtype=tokens_HWC.dtype)
    grid[:height, :width] = block.norm1(tokens_HWC)
    qkv = block.attn.qkv(grid).reshape(rows, columns, 3, heads, channels // heads)
    table = block.attn.relative_position_bias_table
    places = [(y, x) for y in range(rows) for x in range(columns)]

    def home(y, x):
        """Window of the shifted grid, and whether the shift wrapped the place around."""
        shifted_y, shifted_x = (y - shift) % rows, (x - shift) % columns
        return shifted_y // window, shifted_x // window, y < shift, x < shift

    out = tokens_HWC.clone()
    for y, x in places:
        if y >= height or x >= width:
            continue
        near = [place for place in places if home(*place) == home(y, x)]
        keys = torch.stack([qkv[v, u, 1] for v, u in near])
        values = torch.stack([qkv[v, u, 2] for v, u in near])
        logits = (keys * qkv[y, x, 0]).sum(-1) * (channels // heads) ** -0.5
        for i, (v, u) in enumerate(near):
            down = (y - shift) % rows % window - (v - shift) % rows % window + window - 1
            right = (x - shift) % columns % window - (u - shift) % columns % window + window - 1
            logits[i] = logits[i] + table[down * (2 * window - 1) + right]
        mixed = (logits.softmax(0)[..., None] * values).sum(0).flatten()
        out[y, x] = out[y, x] + block.attn.proj(mixed)
    hidden = nn.functional.gelu(block.linear1(block.norm2(out)))
    return out + block.linear2(hidden)


@pytest.mark.parametrize("size", [(8, 8), (6, 9), (3, 5)])
@pytest.mark.parametrize("shift", [0, 2])
@torch.no_grad()
def test_swin_block_token_by_token(size, shift):
    torch.manual_seed(0)
    block = SwinBlock(8, heads=2, window=4, shift=shift).double()
    nn.init.normal_(block.attn.relative_position_bias_table)
    tokens = torch.randn(2, *size, 8, dtype=torch.float64)
    mask = shifted_window_mask(*size, 4, 2, tokens)
    wanted = torch.stack([window_attention_by_hand(block, frame) for frame in tokens])
    torch.testing.assert_close(block(tokens, mask), wanted, rtol=1e-9, atol=1e-9)


def test_swin_refuses_a_table_of_another_window():
    backbone = SwinTransformer(**SMALL_SWIN)
    state = backbone.state_dict()
    key = "layers.0.blocks.0.attn.relative_position_index"
    index = torch.zeros(16, 16, dtype=torch.long)
    with pytest.raises(InputError, match="not that of 4x4 windows"):
        backbone.load_state_dict(state | {key: index})
