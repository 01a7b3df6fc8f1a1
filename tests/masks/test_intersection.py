"""Pixels that masks share, against boolean arithmetic."""

import numpy as np
import pytest

from vis_bench.masks.intersection import most_shared_pixels, shared_pixels
from vis_bench.masks.rle import encode_masks
from vis_bench.masks.run_lengths import measure


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


def test_masks_share_no_more_than_their_areas_and_spans_allow():
    random = np.random.default_rng(1)
    rows, columns = np.mgrid[:9, :8]

    def boxes(number):
        top, left, height, width = random.integers(0, 7, (4, number, 1, 1))
        inside_rows = (rows >= top) & (rows < top + height)
        return inside_rows & (columns >= left) & (columns < left + width)

    some, others = boxes(30), boxes(40)
    measured = [
        measure([mask["counts"] for mask in encode_masks(masks)], np.full(len(masks), 72))
        for masks in (some, others)
    ]
    parts = [(m.areas_N[:, None], m.spans_N2[:, None]) for m in measured]
    most = most_shared_pixels(*parts[0], *parts[1])[..., 0]
    shared = (some[:, None] & others).sum((2, 3))
    assert (most >= shared).all()
    apart = ~(some.any(1)[:, None] & others.any(1)).any(2)
    assert (most[apart] == 0).all()
    assert (most == shared).mean() > 0.3
