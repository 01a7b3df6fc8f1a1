"""Deformable attention in loops over its definition, at sizes that loops can bear."""

import math

import torch

from methods.layers.deformable_attention import DeformableAttention, FeatureLevels

WIDTH, HEADS, POINTS, QUERIES, FRAMES = 8, 2, 3, 4, 3
LEVELS = FeatureLevels(((4, 5), (2, 3)))
POSITIONS = 26


def attention():
    """Random weights everywhere, also where training starts from zero."""
    torch.manual_seed(0)
    layer = DeformableAttention(WIDTH, HEADS, 2, POINTS, box_projection=True).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return layer


def tokens(*shape):
    return torch.randn(*shape, WIDTH, dtype=torch.float64)


def bilinear(level_CHW, x, y):
    """The map at a place in pixels, pixel centers at half-integers, zero outside."""
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
