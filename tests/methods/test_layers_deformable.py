"""Deformable attention and its levels against loops over their definition."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deformable_by_hand import FRAMES, LEVELS, POSITIONS, QUERIES, attention, read_by_hand, tokens
from methods.layers.deformable_attention import DeformableAttention, FeatureLevels, flatten_maps
from methods.layers.deformable_encoder import level_positions


@pytest.mark.parametrize("coordinates", [2, 4], ids=["points", "boxes"])
@torch.no_grad()
def test_reading_follows_equation_3(coordinates):
    layer = attention()
    queries, memory = tokens(FRAMES, QUERIES), tokens(FRAMES, POSITIONS)
    references = torch.rand(FRAMES, QUERIES, coordinates, dtype=torch.float64)
    read = layer.read(queries, references, memory, LEVELS)
    for frame in range(FRAMES):
        wanted = read_by_hand(layer, queries[frame], references[frame], memory[frame])
        torch.testing.assert_close(read[frame], wanted)
    projected = layer.output_proj(read)
    assert torch.equal(layer(queries, references, memory, LEVELS), projected)


@pytest.mark.parametrize("coordinates", [2, 4], ids=["points", "boxes"])
@torch.no_grad()
def test_padding_is_as_if_it_were_not_there(coordinates):
    """Places count in fractions of the frame, and in the padding there is nothing to read."""
    layer, padded = attention(), FeatureLevels(((6, 5), (3, 4)), valid_L2=LEVELS.shapes_L2)
    queries, memory = tokens(FRAMES, QUERIES), tokens(FRAMES, 6 * 5 + 3 * 4)
    references = torch.rand(FRAMES, QUERIES, coordinates, dtype=torch.float64)
    maps = padded.maps(memory)
    cut = [x[..., :h, :w] for x, (h, w) in zip(maps, LEVELS.shapes_L2, strict=True)]
    wanted = layer.read(queries, references, flatten_maps(cut), LEVELS)
    torch.testing.assert_close(layer.read(queries, references, memory, padded), wanted)


@torch.no_grad()
def test_positions_count_the_cells_of_the_frame():
    """As Deformable DETR counts them: the cells without padding along each axis, one by one."""
    padded, embedding = FeatureLevels(((6, 5), (3, 4)), LEVELS.shapes_L2), torch.randn(2, 16)
    like = torch.zeros(())
    found = padded.maps(level_positions(padded, embedding, like)[None])
    for level, (rows, columns) in enumerate(LEVELS.shapes_L2):
        shown = torch.zeros(padded.shapes_L2[level])
        shown[:rows, :columns] = 1
        halves = []
        for axis in (0, 1):
            counts = shown.cumsum(axis)
            last = counts.narrow(axis, shown.shape[axis] - 1, 1)
            scaled = (counts - 0.5) / (last + 1e-6) * (2 * math.pi)
            for pair in range(4):
                angles = scaled / 10000 ** torch.tensor(2 * pair / 8)
                halves += [angles.sin(), angles.cos()]
        wanted = torch.stack(halves) + embedding[level][:, None, None]
        torch.testing.assert_close(found[level][0], wanted)


def test_places_beyond_the_frame_are_fractions_of_it():
    padded, like = FeatureLevels(((6, 5), (3, 4)), LEVELS.shapes_L2), torch.zeros(())
    for level, (rows, columns) in enumerate(LEVELS.shapes_L2):
        place = padded.maps(padded.centers(like)[None])[level][0]
        for y in range(place.shape[1]):
            for x in range(place.shape[2]):
                wanted = torch.tensor([(x + 0.5) / columns, (y + 0.5) / rows])
                torch.testing.assert_close(place[:, y, x], wanted)


def test_fresh_attention_looks_along_rays():
    layer = DeformableAttention(8, 4, 1, 2)
    offsets = layer.sampling_offsets(torch.randn(1, 8)).view(4, 2, 2)
    wanted = torch.tensor(
        [[[1, 0], [2, 0]], [[0, 1], [0, 2]], [[-1, 0], [-2, 0]], [[0, -1], [0, -2]]]
    )
    torch.testing.assert_close(offsets, wanted.float(), atol=1e-6, rtol=0)


@given(st.integers(1, 200), st.integers(1, 200))
def test_levels_of_a_frame_round_up(height, width):
    levels = FeatureLevels.of_frame((height, width), (8, 16, 32, 64))
    sides = [(height, width)]
    for _ in range(6):
        sides.append(tuple((side + 1) // 2 for side in sides[-1]))
    assert levels.shapes_L2 == tuple(sides[3:])


def test_levels_flatten_and_unflatten():
    maps = [torch.randn(2, 3, *shape) for shape in LEVELS.shapes_L2]
    flat = flatten_maps(maps)
    assert torch.equal(flat[1, 7], maps[0][1, :, 1, 2])
    for level, wanted in zip(LEVELS.maps(flat), maps, strict=True):
        assert torch.equal(level, wanted)
    centers = LEVELS.centers(flat)
    torch.testing.assert_close(centers[7], torch.tensor([2.5 / 5, 1.5 / 4]))
    torch.testing.assert_close(centers[-1], torch.tensor([2.5 / 3, 1.5 / 2]))
    assert LEVELS.widths_and_heights(flat).tolist() == [[5.0, 4.0], [3.0, 2.0]]
