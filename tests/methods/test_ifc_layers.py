"""IFC's encoders: who sees whom, and the shared first part; its spatial decoder."""

import pytest
import torch
from torch.nn import functional as F

from methods.ifc.encoder import (
    DecomposedCommunication,
    FullCommunication,
    InterFrameCommunication,
    NoCommunication,
)
from methods.ifc.model import SpatialDecoder
from methods.layers.transformer import TransformerEncoderLayer

WIDTH, HEADS, FRAMES, PLACES, MEMORY = 8, 2, 3, 4, 2


def layers(count):
    return [TransformerEncoderLayer(WIDTH, HEADS, 16) for _ in range(count)]


def communication(unified=False, depth=3, memory_tokens=MEMORY):
    return InterFrameCommunication(
        layers(depth), layers(depth), memory_tokens=memory_tokens, channels=WIDTH, unified=unified
    )


ENCODERS = {
    "none": lambda: NoCommunication(layers(3)),
    "full": lambda: FullCommunication(layers(3)),
    "decomposed": lambda: DecomposedCommunication(layers(3), layers(2)),
    "ifc": communication,
    "ifc-unified": lambda: communication(unified=True),
}


def build(name):
    torch.manual_seed(0)
    return ENCODERS[name]().double()


def tokens(*shape):
    return torch.randn(*shape, WIDTH, dtype=torch.float64)


def changed_places(encoder, clip, position, frame, place):
    """Which frame tokens (T, S) of the output notice a change of one input token."""
    moved = clip.clone()
    moved[frame, place] += 1
    before, after = encoder(clip, position).tokens_TSC, encoder(moved, position).tokens_TSC
    return (before - after).abs().amax(-1) > 1e-12


@pytest.mark.parametrize("name", ENCODERS)
@torch.no_grad()
def test_first_part_can_be_shared_by_clips(name):
    encoder = build(name)
    video, position = tokens(5, PLACES), tokens(PLACES)
    shared = encoder.encode_frames(video, position, None)
    for start, stop in ((0, 3), (2, 5), (4, 5)):
        wanted = encoder(video[start:stop], position)
        actual = encoder.encode_clip(shared[start:stop], position, None)
        for one, other in zip(actual, wanted, strict=True):
            torch.testing.assert_close(one, other)


@torch.no_grad()
def test_without_communication_a_frame_is_alone():
    changed = changed_places(build("none"), tokens(FRAMES, PLACES), tokens(PLACES), 1, 2)
    assert changed.tolist() == [[False] * PLACES, [True] * PLACES, [False] * PLACES]


@pytest.mark.parametrize("name", ["full", "decomposed", "ifc", "ifc-unified"])
@torch.no_grad()
def test_with_communication_every_token_notices(name):
    assert changed_places(build(name), tokens(FRAMES, PLACES), tokens(PLACES), 1, 2).all()


@torch.no_grad()
def test_decomposed_layers_over_time_stay_at_their_place():
    encoder = DecomposedCommunication(layers(2), layers(1)).double()
    spatial = encoder.frame_layers[1]
    clip, position = tokens(FRAMES, PLACES), tokens(PLACES)
    wanted = encoder.encode_frames(clip, position, None)
    over_time = torch.stack([encoder.time_layers[0](wanted[:, p]) for p in range(PLACES)], 1)
    wanted = torch.stack([spatial(frame, position) for frame in over_time])
    torch.testing.assert_close(encoder(clip, position).tokens_TSC, wanted)


@torch.no_grad()
def test_full_repeats_the_position_in_every_frame():
    encoder = FullCommunication(layers(1)).double()
    clip, position = tokens(FRAMES, PLACES), tokens(PLACES)
    flat = encoder.clip_layers[0](clip.reshape(-1, WIDTH), torch.cat([position] * FRAMES))
    torch.testing.assert_close(encoder(clip, position).tokens_TSC.reshape(-1, WIDTH), flat)


@pytest.mark.parametrize("unified", [False, True])
@torch.no_grad()
def test_memory_tokens_talk_over_time(unified):
    encoder = communication(unified, depth=1).double()
    clip, position = tokens(FRAMES, PLACES), tokens(PLACES)
    everywhere = torch.cat([position, encoder.memory_position_MC])
    receive, gather = encoder.encode_receive_layers[0], encoder.gather_communicate_layers[0]
    received = torch.stack(
        [receive(torch.cat([frame, encoder.memory_tokens_MC]), everywhere) for frame in clip]
    )
    memory = received[:, PLACES:]
    if unified:
        wanted = gather(memory.reshape(-1, WIDTH)).view(FRAMES, MEMORY, WIDTH)
    else:
        wanted = torch.stack([gather(memory[:, m]) for m in range(MEMORY)], 1)
    encoded = encoder(clip, position)
    torch.testing.assert_close(encoded.tokens_TSC, received[:, :PLACES])
    torch.testing.assert_close(encoded.memory_TMC, wanted)
    assert torch.equal(encoded.memory_position_MC, encoder.memory_position_MC)


@pytest.mark.parametrize("sizes", [((5, 7), (3, 4), (2, 2)), ((1, 1), (1, 1), (1, 1))])
def test_spatial_decoder_merges_top_down(sizes):
    decoder = SpatialDecoder(32, 3, 5)
    fine, middle, coarse = (torch.randn(2, 32, *size) for size in sizes)
    maps = decoder.norm_32(decoder.conv_32(coarse))
    steps = ((middle, decoder.conv_16, decoder.norm_16), (fine, decoder.conv_8, decoder.norm_8))
    for level, conv, norm in steps:
        rows, columns = level.shape[-2:]
        repeated = maps.repeat_interleave(2, 2).repeat_interleave(2, 3)[..., :rows, :columns]
        maps = norm(conv(level + repeated))
    wanted = F.relu(decoder.pointwise(F.relu(decoder.depthwise(F.relu(maps)))))
    torch.testing.assert_close(decoder(coarse, middle, fine), wanted)
