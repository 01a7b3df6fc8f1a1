"""Deformable attention, its levels and SeqFormer's layers against loops over their definition."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods.layers.deformable_attention import DeformableAttention
from methods.layers.deformable_encoder import DeformableEncoder, DeformableEncoderLayer
from methods.layers.feature_levels import FeatureLevels, flatten_maps
from methods.layers.level_projection import LevelProjection
from methods.layers.query_decompose_decoder import (
    QueryDecomposeDecoder,
    QueryDecomposeLayer,
    inverse_sigmoid,
)

WIDTH, HEADS, POINTS, QUERIES, FRAMES = 8, 2, 3, 4, 3
LEVELS = FeatureLevels(((4, 5), (2, 3)))
POSITIONS = 26


def attention():
    """Random weights everywhere, also where training starts from zero."""
    torch.manual_seed(0)
    layer = DeformableAttention(WIDTH, HEADS, 2, POINTS).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return layer


def tokens(*shape):
    return torch.randn(*shape, WIDTH, dtype=torch.float64)


def bilinear(level_CHW, x, y):
    """The map at a place in pixels, pixel centres at half-integers, zero outside."""
    _, height, width = level_CHW.shape
    value = torch.zeros_like(level_CHW[:, 0, 0])
    left, top = math.floor(x - 0.5), math.floor(y - 0.5)
    for row in (top, top + 1):
        for column in (left, left + 1):
            share = (1 - abs(x - 0.5 - column)) * (1 - abs(y - 0.5 - row))
            if 0 <= row < height and 0 <= column < width:
                value = value + share * level_CHW[:, row, column]
    return value


def read_by_hand(layer, queries_QC, references_QX, memory_SC):
    """Equation 3 of Deformable DETR for one frame, without its output projection."""
    depth = WIDTH // HEADS
    maps = LEVELS.maps(layer.value_proj(memory_SC)[None])
    offsets = layer.sampling_offsets(queries_QC).view(QUERIES, HEADS, 2, POINTS, 2)
    weights = layer.attention_weights(queries_QC).view(QUERIES, HEADS, 2 * POINTS).softmax(-1)
    out = torch.zeros(QUERIES, WIDTH, dtype=torch.float64)
    for q in range(QUERIES):
        for head in range(HEADS):
            channels = slice(head * depth, (head + 1) * depth)
            for level, (height, width) in enumerate(LEVELS.shapes_L2):
                for point in range(POINTS):
                    dx, dy = offsets[q, head, level, point].tolist()
                    reference = references_QX[q].tolist()
                    x, y = reference[0] * width, reference[1] * height
                    if len(reference) == 2:
                        x, y = x + dx, y + dy
                    else:
                        x += dx / POINTS * reference[2] / 2 * width
                        y += dy / POINTS * reference[3] / 2 * height
                    share = weights[q, head, level * POINTS + point]
                    out[q, channels] += share * bilinear(maps[level][0, channels], x, y)
    return out


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


def test_one_query_serves_all_frames():
    layer = attention()
    queries, memory = tokens(1, QUERIES), tokens(FRAMES, POSITIONS)
    references = torch.rand(1, QUERIES, 2, dtype=torch.float64)
    shared = layer.read(queries, references, memory, LEVELS)
    repeated = layer.read(
        queries.expand(FRAMES, -1, -1), references.expand(FRAMES, -1, -1), memory, LEVELS
    )
    assert shared.shape == (FRAMES, QUERIES, WIDTH)
    torch.testing.assert_close(shared, repeated)


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


def test_level_projection_adds_a_coarser_level():
    projection = LevelProjection((4, 6), 32, 3)
    levels = projection([torch.randn(2, 4, 9, 7), torch.randn(2, 6, 5, 4)])
    assert [tuple(level.shape) for level in levels] == [(2, 32, 9, 7), (2, 32, 5, 4), (2, 32, 3, 2)]
    with pytest.raises(ValueError, match="2 backbone maps make 3 levels"):
        LevelProjection((4, 6), 32, 4)


def test_encoder_works_frame_by_frame():
    encoder = DeformableEncoder([DeformableEncoderLayer(attention(), WIDTH, 16) for _ in range(2)])
    encoder = encoder.double()
    clip, position = tokens(FRAMES, POSITIONS), tokens(POSITIONS)
    together = encoder(clip, position, LEVELS)
    for frame in range(FRAMES):
        alone = encoder(clip[frame : frame + 1], position, LEVELS)
        torch.testing.assert_close(together[frame : frame + 1], alone)


def decoder():
    layers = [QueryDecomposeLayer(attention(), WIDTH, 16) for _ in range(2)]
    module = QueryDecomposeDecoder(layers, WIDTH).double()
    for head in module.box_heads:
        torch.nn.init.normal_(head.layers[-1].weight)
    return module


@torch.no_grad()
def test_decoder_layer_frame_by_frame():
    """Box queries are their frame's own; the instance query sees all, weighted over time."""
    layer = decoder().layers[0]
    instances, boxes, position = tokens(QUERIES), tokens(FRAMES, QUERIES), tokens(QUERIES)
    references = torch.rand(FRAMES, QUERIES, 4, dtype=torch.float64)
    memory = tokens(FRAMES, POSITIONS)
    new_instances, new_boxes = layer(instances, boxes, position, references, memory, LEVELS)
    updates, scores = [], []
    for t in range(FRAMES):
        box = layer.talk_among_boxes(boxes[t], position)
        read = read_by_hand(layer.cross_attention, box + position, references[t], memory[t])
        box = layer.box_cross_attention_norm(box + layer.cross_attention.output_proj_box(read))
        box = layer.box_feed_forward(box)
        torch.testing.assert_close(new_boxes[t], box)
        updates.append(layer.cross_attention.output_proj(read))
        scores.append(layer.time_weights(box).exp())
    gathered = sum(u * s for u, s in zip(updates, scores, strict=True)) / sum(scores)
    instance = layer.talk_among_instances(instances, position)
    instance = layer.instance_cross_attention_norm(instance + gathered)
    torch.testing.assert_close(new_instances, layer.instance_feed_forward(instance))


@torch.no_grad()
def test_decoder_refines_the_boxes_layer_by_layer():
    module = decoder()
    outputs = module(
        tokens(QUERIES), position := tokens(QUERIES), tokens(FRAMES, POSITIONS), LEVELS
    )
    first, second = outputs
    start = module.initial_references(position).sigmoid()
    torch.testing.assert_close(first.references_TQX[0], start)
    deltas = module.box_heads[0](first.box_queries_TQC)
    deltas[..., :2] += torch.logit(start)
    torch.testing.assert_close(first.boxes_TQ4, deltas.sigmoid())
    torch.testing.assert_close(second.references_TQX, first.boxes_TQ4, rtol=0, atol=2e-5)
    assert second.boxes_TQ4.shape == (FRAMES, QUERIES, 4)


def test_references_pass_no_gradient_to_earlier_box_heads():
    module = decoder()
    outputs = module(tokens(QUERIES), tokens(QUERIES), tokens(FRAMES, POSITIONS), LEVELS)
    outputs[1].boxes_TQ4.sum().backward()
    assert module.box_heads[0].layers[-1].bias.grad is None
    assert module.box_heads[1].layers[-1].bias.grad.abs().sum() > 0


@given(st.floats(1e-4, 1 - 1e-4))
def test_inverse_sigmoid(value):
    tensor = torch.tensor(value, dtype=torch.float64)
    assert inverse_sigmoid(tensor).sigmoid().item() == pytest.approx(value)
    assert inverse_sigmoid(torch.tensor([0.0, 1.0])).isfinite().all()
