"""SeqFormer's layers and mask head against loops over frames and instances."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

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
from methods.layers.dynamic_masks import DynamicMaskHead, MaskBranch, aligned_bilinear
from methods.seqformer.decoder import QueryDecomposeDecoder, QueryDecomposeLayer


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


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
def test_aligned_bilinear_place_by_place(height, width, factor):
    maps = torch.randn(2, 3, height, width, dtype=torch.float64)
    grown = aligned_bilinear(maps, factor)
    assert grown.shape == (2, 3, factor * height, factor * width)
    for row in range(factor * height):
        for column in range(factor * width):
            y = min(max((row - factor // 2) / factor, 0), height - 1)
            x = min(max((column - factor // 2) / factor, 0), width - 1)
            top, left = int(y), int(x)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            upper = torch.lerp(maps[..., top, left], maps[..., top, right], x - left)
            lower = torch.lerp(maps[..., bottom, left], maps[..., bottom, right], x - left)
            wanted = torch.lerp(upper, lower, y - top)
            torch.testing.assert_close(grown[..., row, column], wanted)


def test_dynamic_masks_instance_by_instance():
    """CondInst's formulation: one small network per instance, frame by frame."""
    torch.manual_seed(0)
    instances, frames, channels, height, width = 3, 2, 5, 3, 4
    head = DynamicMaskHead(16, channels).double()
    queries = torch.randn(instances, 16, dtype=torch.float64)
    centers = torch.rand(frames, instances, 2, dtype=torch.float64)
    features = torch.randn(frames, channels, height, width, dtype=torch.float64)
    size = (22, 31)
    masks = head(queries, centers, features, size)
    assert masks.shape == (instances, frames, 2 * height, 2 * width)
    for n in range(instances):
        numbers = head.controller(queries[n]).split([8 * 7, 8 * 8, 8, 8, 8, 1])
        for t in range(frames):
            x, y = centers[t, n, 0] * size[1], centers[t, n, 1] * size[0]
            relative_x = x - (torch.arange(width) * 8 + 4).expand(height, width)
            relative_y = y - (torch.arange(height) * 8 + 4)[:, None].expand(height, width)
            maps = torch.cat([torch.stack([relative_x, relative_y]), features[t]])[None]
            maps = F.relu(F.conv2d(maps, numbers[0].view(8, 7, 1, 1), numbers[3]))
            maps = F.relu(F.conv2d(maps, numbers[1].view(8, 8, 1, 1), numbers[4]))
            maps = F.conv2d(maps, numbers[2].view(1, 8, 1, 1), numbers[5])
            torch.testing.assert_close(masks[n, t], aligned_bilinear(maps, 2)[0, 0])


def test_no_instance_makes_no_mask():
    head = DynamicMaskHead(16, 8)
    masks = head(torch.zeros(0, 16), torch.zeros(2, 0, 2), torch.zeros(2, 8, 3, 4), (24, 32))
    assert masks.shape == (0, 2, 6, 8)


@pytest.mark.parametrize("sizes", [((5, 7), (3, 4), (2, 2)), ((1, 1), (1, 1), (1, 1))])
def test_mask_branch_merges_top_down(sizes):
    branch = MaskBranch(32, 4)
    fine, middle, coarse = (torch.randn(2, 32, *size) for size in sizes)
    maps = F.relu(branch.conv_32(coarse))
    for level, conv in ((middle, branch.conv_16), (fine, branch.conv_8)):
        rows, columns = level.shape[-2:]
        repeated = maps.repeat_interleave(2, 2).repeat_interleave(2, 3)[..., :rows, :columns]
        maps = F.relu(conv(level + repeated))
    wanted = F.relu(branch.output(F.relu(branch.narrow(maps))))
    torch.testing.assert_close(branch(fine, middle, coarse), wanted)
