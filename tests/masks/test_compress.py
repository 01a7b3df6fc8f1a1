"""Masks too large for pycocotools to write are written without it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from vis_bench.errors import InputError
from vis_bench.masks.compress import WRITABLE_PIXELS, compressed
from vis_bench.masks.polygons import check_polygons
from vis_bench.masks.rle import area, check_run_lengths, encode_masks, from_run_lengths
from vis_bench.masks.run_lengths import run_lengths

# Each of its runs needs six characters, and pycocotools reserves six for each and none for the end.
ATTACK = {
    "size": [16384, 16383],
    "counts": [33554432, 33554432, 33554432, 167755776],
}


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=40))
@settings(max_examples=200, deadline=None)
def test_small_masks_are_written_as_pycocotools_writes_them(lengths):
    height = sum(lengths)
    if height == 0:
        return
    theirs = coco_mask.frPyObjects({"size": [height, 1], "counts": lengths}, height, 1)
    assert compressed(lengths) == theirs["counts"].decode()


@given(st.lists(st.integers(0, 1 << 27), min_size=1, max_size=20))
@settings(max_examples=200, deadline=None)
def test_lengths_of_any_size_come_back(lengths):
    if sum(lengths):
        assert run_lengths(compressed(lengths), sum(lengths)).tolist() == lengths


@given(st.lists(st.integers(0, WRITABLE_PIXELS - 1), min_size=1, max_size=20))
@settings(max_examples=200, deadline=None)
def test_below_the_limit_no_run_needs_six_characters(lengths):
    lengths = [min(length, WRITABLE_PIXELS - 1) for length in lengths]
    assert len(compressed(lengths)) <= 5 * len(lengths)


def test_the_mask_that_wrote_past_its_buffer_is_converted():
    height, width = ATTACK["size"]
    check_run_lengths(dict(ATTACK), "the mask")
    rle = from_run_lengths(ATTACK["counts"], height, width)
    assert len(rle["counts"]) == 6 * len(ATTACK["counts"])
    assert area(rle) == ATTACK["counts"][1] + ATTACK["counts"][3]


def test_large_arrays_are_encoded_as_small_ones_are():
    mask_HW = np.zeros((4096, 4097), bool)
    mask_HW[7:900, 3:4000] = True
    mask_HW[0, 0] = True
    (rle,) = encode_masks(mask_HW[None])
    assert area(rle) == mask_HW.sum()
    assert (coco_mask.decode({**rle, "counts": rle["counts"].encode()}) == mask_HW).all()
    (empty,) = encode_masks(np.zeros((1, 4096, 4096), bool))
    assert area(empty) == 0


def test_polygons_in_frames_as_large_are_refused():
    with pytest.raises(InputError, match=r"2\^24 pixels and more"):
        check_polygons([[0, 0, 9, 0, 9, 9]], 4096, 4096, "the mask")
    check_polygons([[0, 0, 9, 0, 9, 9]], 4096, 4095, "the mask")
