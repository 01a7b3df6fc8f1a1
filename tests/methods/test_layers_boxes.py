"""Boxes against loops over their definitions."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods.layers.boxes import box_iou, corners, inverse_sigmoid, refined_boxes, suppress


def greedy(overlaps):
    kept = []
    for n, row in enumerate(overlaps):
        kept.append(not any(row[j] and kept[j] for j in range(n)))
    return kept


@given(st.integers(0, 40), st.floats(0, 1), st.integers(0, 2**31))
def test_suppression_is_greedy(count, share, seed):
    generator = torch.Generator().manual_seed(seed)
    overlaps = torch.rand(count, count, generator=generator) < share
    assert suppress(overlaps).tolist() == greedy(overlaps.tolist())


def test_suppression_of_a_chain_keeps_every_second():
    """The slowest case: each overlaps the one before it alone."""
    chain = torch.eye(99, dtype=torch.bool).roll(-1, 1)
    assert suppress(chain).tolist() == [n % 2 == 0 for n in range(99)]


def test_overlaps_of_boxes():
    boxes = torch.rand(7, 4, dtype=torch.float64) / 2 + 0.25
    found = box_iou(corners(boxes))
    for i, (x, y, w, h) in enumerate(boxes.tolist()):
        for j, (u, v, a, b) in enumerate(boxes.tolist()):
            wide = min(x + w / 2, u + a / 2) - max(x - w / 2, u - a / 2)
            high = min(y + h / 2, v + b / 2) - max(y - h / 2, v - b / 2)
            common = max(wide, 0) * max(high, 0)
            assert found[i, j].item() == pytest.approx(common / (w * h + a * b - common))


def test_refining_points_and_boxes():
    start, deltas = torch.rand(2, 3, 4, dtype=torch.float64), torch.randn(2, 3, 4).double()
    boxes = refined_boxes(inverse_sigmoid(start), deltas)
    odds = start / (1 - start) * deltas.exp()
    torch.testing.assert_close(boxes, odds / (1 + odds))
    points = refined_boxes(inverse_sigmoid(start[..., :2]), deltas)
    torch.testing.assert_close(points[..., :2], boxes[..., :2])
    torch.testing.assert_close(points[..., 2:], deltas[..., 2:].sigmoid())
    ends = inverse_sigmoid(torch.tensor([0.0, 1.0]))
    assert ends.isfinite().all()
