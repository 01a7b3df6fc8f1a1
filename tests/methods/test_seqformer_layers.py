"""SeqFormer's projection, encoder and decoder, layer by layer and frame by frame."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deformable_by_hand import (
    FRAMES,
    LEVELS,
    POSITIONS,
    QUERIES,
    WIDTH,
    attention,
    read_by_hand,
    tokens,
)
from methods.seqformer.decoder import (
    QueryDecomposeDecoder,
    QueryDecomposeLayer,
    inverse_sigmoid,
)
from methods.seqformer.encoder import DeformableEncoder, DeformableEncoderLayer
from methods.seqformer.model import LevelProjection


def test_level_projection_adds_a_coarser_level():
    projection = LevelProjection((4, 6), 32)
    levels = projection([torch.randn(2, 4, 9, 7), torch.randn(2, 6, 5, 4)])
    assert [tuple(level.shape) for level in levels] == [(2, 32, 9, 7), (2, 32, 5, 4), (2, 32, 3, 2)]


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
    placed = instances + position
    attended = layer.instance_self_attention(placed, placed, instances)
    instance = layer.instance_self_attention_norm(instances + attended)
    instance = layer.instance_cross_attention_norm(instance + gathered)
    torch.testing.assert_close(new_instances, layer.instance_feed_forward(instance))


@torch.no_grad()
def test_decoder_refines_the_boxes_layer_by_layer():
    module = decoder()
    inputs = (tokens(QUERIES), position := tokens(QUERIES), tokens(FRAMES, POSITIONS), LEVELS)
    first, second = module(*inputs, last_boxes=True)
    start = module.initial_references(position).sigmoid()
    torch.testing.assert_close(first.references_TQX[0], start)
    deltas = module.box_heads[0](first.box_queries_TQC)
    deltas[..., :2] += torch.logit(start)
    torch.testing.assert_close(first.boxes_TQ4, deltas.sigmoid())
    torch.testing.assert_close(second.references_TQX, first.boxes_TQ4, rtol=0, atol=2e-5)
    assert second.boxes_TQ4.shape == (FRAMES, QUERIES, 4)
    unasked_first, unasked = module(*inputs)
    assert unasked.boxes_TQ4 is None
    assert torch.equal(unasked_first.boxes_TQ4, first.boxes_TQ4)
    assert torch.equal(unasked.instances_QC, second.instances_QC)
    assert torch.equal(unasked.references_TQX, second.references_TQX)


def test_references_pass_no_gradient_to_earlier_box_heads():
    module = decoder()
    inputs = (tokens(QUERIES), tokens(QUERIES), tokens(FRAMES, POSITIONS), LEVELS)
    outputs = module(*inputs, last_boxes=True)
    outputs[1].boxes_TQ4.sum().backward()
    assert module.box_heads[0].layers[-1].bias.grad is None
    assert module.box_heads[1].layers[-1].bias.grad.abs().sum() > 0


@given(st.floats(1e-4, 1 - 1e-4))
def test_inverse_sigmoid(value):
    tensor = torch.tensor(value, dtype=torch.float64)
    assert inverse_sigmoid(tensor).sigmoid().item() == pytest.approx(value)
    assert inverse_sigmoid(torch.tensor([0.0, 1.0])).isfinite().all()
