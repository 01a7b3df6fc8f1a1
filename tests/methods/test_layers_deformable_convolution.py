"""Deformable convolution against its definition, value by value in float64."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from methods.vistr.masks import DeformableConv2d


def by_hand(layer, maps, offsets):
    """The sum over taps and input channels of bilinearly read values, one by one."""
    outputs, _, kernel, _ = layer.weight.shape
    count, _, height, width = maps.shape
    half = kernel // 2
    result = torch.zeros(count, outputs, height, width, dtype=maps.dtype)
    for n in range(count):
        for row in range(height):
            for column in range(width):
                for tap in range(kernel * kernel):
                    down, right = offsets[n, 2 * tap : 2 * tap + 2, row, column].tolist()
                    y = row + tap // kernel - half + down
                    x = column + tap % kernel - half + right
                    weight_OC = layer.weight[:, :, tap // kernel, tap % kernel]
                    result[n, :, row, column] += weight_OC @ read(maps[n], y, x)
    return result


def read(map_CHW, y, x):
    """The value between the four neighbors of a point, which are zero outside of the map."""
    total = torch.zeros(len(map_CHW), dtype=map_CHW.dtype)
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < map_CHW.shape[1] and 0 <= column < map_CHW.shape[2]:
                total += (1 - abs(y - row)) * (1 - abs(x - column)) * map_CHW[:, row, column]
    return total


def inputs(count, height, width, kernel, reach):
    layer = DeformableConv2d(3, 2, kernel).double()
    maps = torch.randn(count, 3, height, width, dtype=torch.float64)
    offsets = reach * torch.randn(count, 2 * kernel * kernel, height, width, dtype=torch.float64)
    return layer, maps, offsets


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 2), st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 3]),
    st.floats(0, 4), st.integers(0, 99),
)  # fmt: skip
def test_equal_to_the_definition(count, height, width, kernel, reach, seed):
    torch.manual_seed(seed)
    layer, maps, offsets = inputs(count, height, width, kernel, reach)
    with torch.no_grad():
        wanted = by_hand(layer, maps, offsets.float().double())
        torch.testing.assert_close(layer(maps, offsets), wanted, rtol=1e-4, atol=1e-4)


def test_without_offsets_it_is_a_convolution():
    layer, maps, offsets = inputs(2, 6, 7, 3, 0.0)
    wanted = F.conv2d(maps, layer.weight, padding=1)
    torch.testing.assert_close(layer(maps, offsets), wanted, rtol=1e-5, atol=1e-5)


def test_gradients_reach_weights_maps_and_offsets():
    layer, maps, offsets = inputs(1, 4, 4, 3, 1.0)
    maps.requires_grad_()
    offsets.requires_grad_()
    layer(maps, offsets).square().sum().backward()
    for tensor in (layer.weight, maps, offsets):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()
        assert tensor.grad.abs().sum() > 0


def test_even_kernels_are_refused():
    with pytest.raises(ValueError, match="kernel is 2; expected an odd number"):
        DeformableConv2d(3, 2, 2)
