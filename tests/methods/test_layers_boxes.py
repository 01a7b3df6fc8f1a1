"""RoIAlign and non-maximum suppression against loops in float64, and their multiply-adds."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from methods.layers.boxes import apply_deltas, pairwise_iou, suppress_boxes
from methods.layers.roi_align import Pyramid
from vis_bench.measures.flops.counter import count_macs

STRIDES = (4, 8, 16, 32)
# Two levels' borders, a box without area, one that is all of the frame, slivers, and one outside.
BOXES = [
    (10.0, 12, 121.9, 124), (10, 12, 122.1, 124), (30, 30, 30, 40), (0, 0, 240, 130),
    (0, 20, 240, 22.5), (100, 0, 101, 130), (239, 129, 240, 130), (-60, -60, 300, 200),
]  # fmt: skip


def pyramid(height=136, width=248, channels=3, seed=0):
    random = torch.Generator().manual_seed(seed)
    return [
        torch.randn(
            2, channels, -(-height // s), -(-width // s), generator=random, dtype=torch.float64
        )
        for s in STRIDES
    ]


def bilinear(map_CHW, y, x):
    height, width = map_CHW.shape[1:]
    if not (-1 <= y <= height and -1 <= x <= width):
        return np.zeros(len(map_CHW))
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    down, right = min(top + 1, height - 1), min(left + 1, width - 1)
    v, u = y - top, x - left
    return (1 - v) * ((1 - u) * map_CHW[:, top, left] + u * map_CHW[:, top, right]) + v * (
        (1 - u) * map_CHW[:, down, left] + u * map_CHW[:, down, right]
    )


def aligned(maps, box, frame, cells):
    """One box by loops over its samples, in float64."""
    x0, y0, x1, y1 = box
    size = math.sqrt((x1 - x0) * (y1 - y0))
    level = min(max(math.floor(math.log2(size / 56 + 1e-6)), 0), 3)
    map_CHW, stride = maps[level][frame].numpy(), STRIDES[level]
    x0, y0, x1, y1 = (value / stride - 0.5 for value in box)
    rows, columns = math.ceil((y1 - y0) / cells), math.ceil((x1 - x0) / cells)
    out = np.zeros((len(map_CHW), cells, cells))
    for i in range(cells):
        for j in range(cells):
            samples = [
                bilinear(
                    map_CHW,
                    y0 + (y1 - y0) / cells * (i + (a + 0.5) / rows),
                    x0 + (x1 - x0) / cells * (j + (b + 0.5) / columns),
                )
                for a in range(rows)
                for b in range(columns)
            ]
            out[:, i, j] = np.mean(samples, 0) if samples else 0
    return out


@pytest.mark.parametrize("cells", [7, 14])
def test_roi_align_against_loops(cells):
    maps = pyramid()
    frames = [n % 2 for n in range(len(BOXES))]
    found = Pyramid([m.float() for m in maps], STRIDES).roi_align(
        torch.tensor(BOXES), torch.tensor(frames), cells
    )
    assert found.shape == (len(BOXES), 3, cells, cells)
    for features, box, frame in zip(found, BOXES, frames, strict=True):
        wanted = aligned(maps, box, frame, cells)
        np.testing.assert_allclose(features, wanted, atol=2e-5, err_msg=str(box))


@given(st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_roi_align_of_any_box(seed):
    random = np.random.default_rng(seed)
    corners = np.sort(random.uniform(-20, 260, (2, 2)), 0) * random.choice([1, 0.1])
    box = corners.flatten().tolist()
    maps = pyramid(seed=seed, channels=1)
    found = Pyramid([m.float() for m in maps], STRIDES).roi_align(
        torch.tensor([box]), torch.tensor([1]), 3
    )
    np.testing.assert_allclose(found[0], aligned(maps, box, 1, 3), atol=2e-4)


def test_no_boxes_have_no_features():
    maps = [m.float() for m in pyramid()]
    none = torch.zeros(0, dtype=torch.int64)
    assert Pyramid(maps, STRIDES).roi_align(torch.zeros(0, 4), none, 7).shape == (0, 3, 7, 7)


def greedy(boxes, kept, threshold):
    """Suppression box after box, the best first, in float64."""
    stays = []
    for n, box in enumerate(boxes):
        if not kept[n]:
            continue
        for m in stays:
            x0, y0 = np.maximum(box[:2], boxes[m][:2])
            x1, y1 = np.minimum(box[2:], boxes[m][2:])
            common = max(x1 - x0, 0) * max(y1 - y0, 0)
            areas = sum((b[2] - b[0]) * (b[3] - b[1]) for b in (box, boxes[m]))
            if areas - common > 0 and common / (areas - common) > threshold:
                break
        else:
            stays.append(n)
    return stays


@given(st.integers(0, 10**6), st.integers(1, 40), st.floats(0.1, 0.9))
@settings(max_examples=60, deadline=None)
def test_suppression_against_the_greedy_loop(seed, number, threshold):
    random = np.random.default_rng(seed)
    corners = np.sort(random.integers(0, 9, (2, number, 2, 2)), 2).reshape(2, number, 4)
    corners = corners + random.uniform(0, 1e-2, corners.shape)  # no overlap lies on the threshold
    kept = random.random((2, number)) < 0.8
    found = suppress_boxes(torch.tensor(corners).float(), torch.tensor(kept), threshold)
    for group in range(2):
        wanted = greedy(corners[group], kept[group], threshold)
        assert found[group].nonzero()[:, 0].tolist() == wanted


def test_a_chain_of_boxes_takes_a_round_for_each():
    # Each overlaps its neighbors alone: every other one stays.
    boxes = torch.tensor([[n * 4.0, 0, n * 4.0 + 10, 10] for n in range(31)])
    stays = suppress_boxes(boxes[None], torch.ones(1, 31, dtype=torch.bool), 0.4)[0]
    assert stays.tolist() == [n % 2 == 0 for n in range(31)]


def test_overlap_of_pairs():
    one, other = torch.tensor([[0.0, 0, 2, 2], [5, 5, 5, 9]]), torch.tensor([[1.0, 0, 3, 2]])
    assert pairwise_iou(one, other)[:, 0].tolist() == pytest.approx([2 / 6, 0])


def test_deltas_written_down():
    box = torch.tensor([[10.0, 20, 30, 60]])
    deltas = torch.tensor([[0.5, -0.25, math.log(2), 0]])
    # The center (20, 40) goes to (30, 30); the width doubles to 40.
    assert apply_deltas(box, deltas, (100, 100))[0].tolist() == pytest.approx([10, 10, 50, 50])
    assert apply_deltas(box, deltas, (45, 38))[0].tolist() == pytest.approx([10, 10, 38, 45])
    large = apply_deltas(box, torch.tensor([[0, 0, 99.0, torch.nan]]), (1000, 9000))
    assert large[0].tolist() == pytest.approx([0, 20, 20 + 625, 60], abs=1e-3)


class Pooling(nn.Module):
    def forward(self, maps, boxes, frames):
        return Pyramid(maps, STRIDES).roi_align(boxes, frames, 7)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_multiply_adds_of_roi_align(device):
    """Four for a bilinear sample, 4x4 samples in each of 7x7 cells; suppression counts nothing."""
    maps = [m.float().to(device) for m in pyramid()]
    boxes, frames = torch.tensor(BOXES, device=device), torch.zeros(8, dtype=int, device=device)
    result, macs = count_macs(Pooling(), Pooling(), maps, boxes, frames)
    assert result.shape == (8, 3, 7, 7)
    assert macs.total == 4 * 16 * 8 * 49 * 3
    stays, macs = count_macs(Pooling(), suppress_boxes, boxes[None], boxes[None, :, 0] >= 0, 0.5)
    assert stays.shape == (1, 8)
    assert macs.total == 0
