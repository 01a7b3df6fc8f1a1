"""IFC's transformer layers against PyTorch's own."""

import torch
from torch import nn

from methods.layers.transformer import TransformerDecoderLayer, TransformerEncoderLayer

WIDTH, HEADS = 16, 4


def tokens(*shape):
    return torch.randn(*shape, WIDTH, dtype=torch.float64)


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
