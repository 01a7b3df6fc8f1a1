"""Pixels that masks share, against boolean arithmetic."""

import numpy as np
import pytest

from vis_bench.masks.intersection import shared_pixels
from vis_bench.masks.rle import encode_masks


@pytest.mark.parametrize("size_HW", [(1, 1), (3, 70), (480, 853)])
def test_shared_pixels_are_those_of_both(size_HW):
    random = np.random.default_rng(size_HW[0])
    some, others = (random.random((n, *size_HW)) < 0.5 for n in (4, 3))
    some[:, 0, 0] = others[:, 0, 0] = True
    expected = (some[:, None] & others).sum((2, 3))
    shared = shared_pixels(encode_masks(some), some.sum((1, 2)), encode_masks(others))
    assert np.array_equal(shared, expected)


def test_masks_of_different_size_share_nothing():
    some, others = np.ones((1, 4, 6), bool), np.ones((1, 6, 4), bool)
    assert shared_pixels(encode_masks(some), np.array([24]), encode_masks(others)) == 0
