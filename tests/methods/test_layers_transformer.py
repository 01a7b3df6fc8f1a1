"""Attention and transformer layers against PyTorch's own; the position encoding in numbers."""

import math

import pytest
import torch
from torch import nn

from methods.layers.maps import sine_position_encoding
from methods.layers.transformer import (
    FeedForward,
    MultiHeadAttention,
    TransformerDecoderLayer,
    TransformerEncoderLayer,
)

WIDTH, HEADS = 16, 4


def pair():
    own = MultiHeadAttention(WIDTH, HEADS).double()
    nn.init.normal_(own.in_proj_bias)
    reference = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True).double()
    reference.load_state_dict(own.state_dict())
    return own, reference


def tokens(*shape):
    return torch.randn(*shape, WIDTH, dtype=torch.float64)


@pytest.mark.parametrize("same", [True, False])
def test_attention_is_pytorchs(same):
    own, reference = pair()
    queries = tokens(3, 5)
    keys, values = (queries, tokens(3, 5)) if same else (tokens(3, 7), tokens(3, 7))
    wanted = reference(queries, keys, values, need_weights=False)[0]
    torch.testing.assert_close(own(queries, keys, values), wanted)


def test_attention_refuses_a_width_that_heads_do_not_divide():
    with pytest.raises(ValueError, match="width 10 is not a multiple of the 4 heads"):
        MultiHeadAttention(10, 4)


@pytest.mark.parametrize("shape", [(), (3,), (2, 1025), (0,)])
def test_feed_forward_at_any_number_of_tokens(shape):
    """A CPU takes the tokens in pieces."""
    layer = FeedForward(WIDTH, 32).double()
    features = tokens(*shape)
    hidden = layer.linear1(features).clamp(min=0)
    torch.testing.assert_close(layer(features), layer.norm(features + layer.linear2(hidden)))


@pytest.mark.parametrize("offset", [0.0, -0.5])
@pytest.mark.parametrize("size", [(1, 1), (3, 5)])
def test_sine_position_in_numbers(size, offset):
    height, width = size
    channels = 8
    encoded = sine_position_encoding(size, channels, offset=offset, like=torch.zeros(1))
    for row in range(height):
        for column in range(width):
            wanted = []
            for place, length in ((row, height), (column, width)):
                angle = (place + 1 + offset) / (length + 1e-6) * 2 * math.pi
                for pair_index in range(channels // 4):
                    slow = angle / 10000 ** (2 * pair_index / (channels // 2))
                    wanted += [math.sin(slow), math.cos(slow)]
            actual = encoded[row, column]
            torch.testing.assert_close(actual, torch.tensor(wanted), rtol=1e-5, atol=1e-6)


def test_encoder_layer_loads_detrs_names_and_is_pytorchs_layer():
    reference = nn.TransformerEncoderLayer(WIDTH, HEADS, 32, dropout=0.0, batch_first=True).double()
    own = TransformerEncoderLayer(WIDTH, HEADS, 32).double()
    own.load_state_dict(reference.state_dict())
    clip = tokens(2, 5)
    torch.testing.assert_close(own(clip), reference.train()(clip))


def test_encoder_layer_adds_the_position_to_queries_and_keys_only():
    own = TransformerEncoderLayer(WIDTH, HEADS, 32).double()
    clip, position = tokens(2, 5), tokens(5)
    placed = clip + position
    attended = own.self_attention(placed, placed, clip)
    wanted = own.feed_forward(own.self_attention_norm(clip + attended))
    assert torch.equal(own(clip, position), wanted)
    assert not torch.allclose(own(clip, position), own(clip))


def test_decoder_layer_loads_detrs_names_and_is_pytorchs_layer():
    reference = nn.TransformerDecoderLayer(WIDTH, HEADS, 32, dropout=0.0, batch_first=True)
    reference = reference.double()
    own = TransformerDecoderLayer(WIDTH, HEADS, 32).double()
    own.load_state_dict(reference.state_dict())
    content, memory = tokens(1, 5), tokens(1, 9)
    nowhere = torch.zeros_like(content)
    torch.testing.assert_close(
        own(content, nowhere, memory, memory), reference.train()(content, memory)
    )
