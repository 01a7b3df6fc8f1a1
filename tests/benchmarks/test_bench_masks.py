"""Time of the run-length codes of nine masks of 720p, pixel by pixel and from where they change.

Run with --benchmark-only; both give the same codes.
"""

import numpy as np
import pytest
import torch

from vis_bench.inference.encode import encode_by_changes
from vis_bench.masks.rle import encode_masks

P, H, W = 9, 720, 1280


@pytest.fixture(scope="module")
def masks_PHW():
    """Discs of different sizes."""
    rows_H1, columns_W = np.arange(H)[:, None], np.arange(W)
    discs = [
        (rows_H1 - 60 * n - 80) ** 2 + (columns_W - 120 * n - 100) ** 2 < (30 + 12 * n) ** 2
        for n in range(1, P + 1)
    ]
    return torch.from_numpy(np.stack(discs))


def test_pixel_by_pixel(benchmark, masks_PHW):
    assert len(benchmark(lambda: encode_masks(masks_PHW.numpy()))) == P


def test_by_changes(benchmark, masks_PHW):
    found = benchmark(encode_by_changes, masks_PHW)
    assert [rle for _, rle in found] == encode_masks(masks_PHW.numpy())
