"""Run-length encoding against pycocotools, and malformed strings against a slow decoder."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from eval_reference import compressed_text, counts_of, text_of
from vis_bench.errors import InputError
from vis_bench.masks import run_lengths as run_lengths_module
from vis_bench.masks.polygons import check_polygons, from_polygons
from vis_bench.masks.rle import (
    WRITABLE_PIXELS,
    area,
    check_rle,
    check_run_lengths,
    decode,
    encode_masks,
    from_run_lengths,
)
from vis_bench.masks.run_lengths import MalformedRLEError, measure, run_lengths

MASKS = hnp.arrays(bool, st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 40)))


@given(MASKS)
def test_encoding_is_pycocotools_and_decodes_to_the_mask(masks_NHW):
    rles = encode_masks(masks_NHW)
    for mask, rle in zip(masks_NHW, rles, strict=True):
        official = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert rle == {"size": list(mask.shape), "counts": official["counts"].decode()}
        np.testing.assert_array_equal(decode(rle), mask)
        assert area(rle) == mask.sum()
        check_rle(rle, *mask.shape, "a mask")


def test_any_foreground_value_of_a_uint8_mask_is_foreground():
    mask = np.array([[[0, 1, 2], [255, 0, 7]]], np.uint8)
    assert encode_masks(mask) == encode_masks(mask > 0)


def test_no_masks_are_no_rles():
    assert encode_masks(np.zeros((0, 4, 5), bool)) == []


@pytest.mark.parametrize(
    "masks", [np.zeros((2, 3), bool), np.zeros((1, 2, 3)), np.zeros((1, 0, 3), bool)]
)
def test_masks_of_another_form_are_refused(masks):
    with pytest.raises(ValueError, match="expected"):
        encode_masks(masks)


@given(st.lists(MASKS, min_size=1, max_size=3), st.integers(1, 400))
@settings(deadline=None)
def test_measuring_many_at_once_in_any_chunks(batches, chunk):
    masks = [mask for batch in batches for mask in batch]
    counts = [encode_masks(mask[None])[0]["counts"] for mask in masks]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_lengths_module, "_CHUNK_CHARACTERS", chunk)
        areas_N, has_empty_runs_N = measure(counts, np.array([mask.size for mask in masks]))
    assert areas_N.tolist() == [mask.sum() for mask in masks]
    assert not has_empty_runs_N.any()


@given(st.lists(st.integers(0, 34).map(lambda bits: (1 << bits) // 3), min_size=1, max_size=9))
def test_numbers_of_any_width(lengths):
    if sum(lengths) >= 1 << 29:
        lengths = [length >> 8 for length in lengths]
    lengths = [10, *lengths]
    np.testing.assert_array_equal(run_lengths(compressed_text(lengths), sum(lengths)), lengths)
    areas_N, has_empty_runs_N = measure([compressed_text(lengths)], np.array([sum(lengths)]))
    assert areas_N.item() == sum(lengths[1::2])
    assert has_empty_runs_N.item() == (0 in lengths[1:])


def test_a_mask_of_almost_2_to_the_32_pixels():
    lengths = [(1 << 31) + 5, (1 << 31) - 7, 1]
    areas_N, _ = measure([compressed_text(lengths)], np.array([(1 << 32) - 1]))
    assert areas_N.item() == lengths[1]


def test_longer_forms_of_the_same_numbers_are_read():
    assert text_of([5, 3]) == "53"
    assert run_lengths("U0S0", 8).tolist() == [5, 3]
    assert text_of([2, 2, 2, -1]) == "222O"
    assert run_lengths("222oO", 7).tolist() == [2, 2, 2, 1]


def is_well_formed(text, pixels):
    if not re.fullmatch("([P-o]{0,5}[0-O]|[P-o]{6}[0-?])+", text):
        return False
    counts = counts_of(text)
    return min(counts) >= 0 and sum(counts) == pixels and len(counts) <= pixels + 1


@st.composite
def nearly_right_texts(draw):
    lengths = draw(st.lists(st.sampled_from([0, 1, 2, 17, 40, 600, 20000]), min_size=1, max_size=8))
    text = compressed_text(lengths)
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(text)))
        new = draw(st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=2))
        text = text[:place] + new + text[place + draw(st.integers(0, 2)) :]
    return text, max(sum(lengths) + draw(st.sampled_from([0, 0, 0, 1, -1])), 1)


@given(nearly_right_texts() | st.tuples(st.text(max_size=12), st.integers(1, 99)))
@settings(max_examples=800)
def test_what_is_accepted_is_exactly_what_decodes_to_the_mask(case):
    text, pixels = case
    try:
        areas_N, _ = measure([text], np.array([pixels]))
    except MalformedRLEError:
        assert not is_well_formed(text, pixels)
    else:
        assert is_well_formed(text, pixels)
        counts = counts_of(text)
        assert areas_N.item() == sum(counts[1::2])
        assert run_lengths(text, pixels).tolist() == counts


GOOD = compressed_text([10, 20, 30])
MALFORMED = {
    "it is empty": "",
    "a character lies outside": "0\x7f",
    "is cut off": GOOD[:-1] + "P",
    "add up to 59 pixels instead of 60": compressed_text([10, 20, 29]),
    "a run has a negative length": text_of([10, 20, 30, -30]),
    "a run is longer than the mask": text_of([10, 1 << 33]),
    "more runs than pixels": compressed_text([0, 0, 60] + [0] * 59),
    "is longer than the mask": text_of([10, 20, 30]) + "ooooooO",
}


@pytest.mark.parametrize("reason", MALFORMED)
@pytest.mark.parametrize("chunk", [1, 20, 1 << 17])
def test_a_malformed_string_is_found_among_good_ones(monkeypatch, reason, chunk):
    monkeypatch.setattr(run_lengths_module, "_CHUNK_CHARACTERS", chunk)
    counts = [GOOD] * 7 + [MALFORMED[reason]] + [GOOD] * 5
    with pytest.raises(MalformedRLEError, match=reason) as caught:
        measure(counts, np.full(len(counts), 60))
    assert caught.value.index == 7


def test_lengths_whose_sum_wraps_around_64_bits_are_refused():
    """Differences of 2^32 - 2 pile up until the sum of all lengths has passed 2^64 twice."""
    step, pixels = (1 << 32) - 2, (1 << 32) - 1
    with pytest.raises(MalformedRLEError, match="longer than the mask"):
        measure([text_of([0, *[step] * 250_000])], np.array([pixels]))


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        (None, "a mask is None; expected an object with size and counts"),
        ([1, 2, 3], "a mask is .1, 2, 3."),
        ({"size": [6, 10]}, "with size and counts"),
        ({"size": [6, 10], "counts": [10, 20, 30]}, "counts of type list"),
        ({"size": [6, 10], "counts": b"abc"}, "counts of type bytes"),
        ({"size": [10, 6], "counts": GOOD}, r"has size .10, 6.; expected .6, 10."),
        ({"size": [6, 11], "counts": GOOD}, "add up to 60 pixels instead of 66"),
        ({"size": [6.0, 10], "counts": GOOD}, r"has size .6.0, 10."),
        ({"size": [True, 60], "counts": GOOD}, r"has size .True, 60."),
        ({"size": [-6, -10], "counts": GOOD}, "at least 1 each"),
        ({"size": [1 << 16, 1 << 16], "counts": GOOD}, r"below 2\^32"),
        ({"size": "6x10", "counts": GOOD}, "has size '6x10'"),
        ({"size": [6, 10, 1], "counts": GOOD}, "at least 1 each"),
    ],
)
def test_what_is_no_rle_is_refused_by_name(rle, message):
    with pytest.raises(InputError, match=message) as caught:
        check_rle(rle, 6, 10, "a mask")
    assert str(caught.value).startswith("a mask ")
    assert "\n" not in str(caught.value)


def test_uncompressed_run_lengths():
    rle = from_run_lengths([10, 20, 30], 6, 10)
    assert rle == {"size": [6, 10], "counts": GOOD}


@pytest.mark.parametrize(
    ("counts", "size", "message"),
    [
        ([10, 20], [6, 10], "add up to 30 pixels; expected the 60"),
        ([], [6, 10], "add up to 0"),
        ([70, -10], [6, 10], "a run of -10 pixels"),
        ([30.0, 30], [6, 10], "a run of 30.0 pixels"),
        ([True, 59], [6, 10], "a run of True pixels"),
        ([["60"]], [6, 10], "a run of "),
        ([1 << 64], [6, 10], "add up to"),
        ([60, *[0] * 61], [6, 10], "has 62 runs"),
        ([60], [6], "at least 1 each"),
        ([60], None, "has size None"),
    ],
)
def test_uncompressed_run_lengths_are_checked(counts, size, message):
    with pytest.raises(InputError, match=message):
        check_run_lengths({"size": size, "counts": counts}, "a mask")


def test_polygon_parts_are_joined():
    parts = [[1, 1, 8, 1, 8, 8, 1, 8], [4.5, 4.5, 15, 4.5, 12, 19]]
    pixels = decode(from_polygons(parts, 20, 24))
    official = [coco_mask.frPyObjects([part], 20, 24)[0] for part in parts]
    texts = [{"size": [20, 24], "counts": rle["counts"].decode()} for rle in official]
    np.testing.assert_array_equal(pixels, decode(texts[0]) | decode(texts[1]))


@pytest.mark.parametrize(
    ("polygons", "message"),
    [
        ([1, 2, 3, 4, 5, 6], "expected a list of polygons"),
        ([[1, 2, 3, 4]], "a polygon of 4 numbers"),
        ([[1, 2, 3, 4, 5, 6, 7]], "a polygon of 7 numbers"),
        ([[1, 2, 3, 4, 5, 6], []], "a polygon of 0 numbers"),
        ([[1, 2, 3, 4, 5, "6"]], "the coordinate '6'"),
        ([[1, 2, 3, 4, 5, True]], "the coordinate True"),
        ([[1, 2, 3, 4, 5, 1e300]], "the coordinate 1e.300"),
        ([[1, 2, 3, 4, 5, float("nan")]], "the coordinate nan"),
        ([[0, 0, 999_999, 0, 0, 0] * 9], "edges of over"),
        ([{"size": [5, 5], "counts": [25]}], "expected a list of polygons"),
    ],
)
def test_polygons_are_checked(polygons, message):
    with pytest.raises(InputError, match=message):
        check_polygons(polygons, 20, 24, "a mask")
    check_polygons([[1, 2, 3, 4, 5, 6.5]], 20, 24, "a mask")


@given(st.lists(st.integers(0, 1 << 20), max_size=15))
@settings(deadline=None)
def test_where_masks_are_encoded_no_run_needs_six_characters(lengths):
    """Else pycocotools writes one byte past its buffer."""
    pixels = WRITABLE_PIXELS - 1
    runs = [*lengths, pixels - sum(lengths)]
    assert len(from_run_lengths(runs, pixels, 1)["counts"]) <= 5 * len(runs)


def test_larger_frames_are_refused_where_masks_are_encoded():
    size = {"size": [4096, 4096]}
    for encode in (
        lambda: encode_masks(np.zeros((1, 4096, 4096), bool)),
        lambda: from_run_lengths([1 << 24], 4096, 4096),
        lambda: check_run_lengths({**size, "counts": [1 << 24]}, "the mask"),
        lambda: check_polygons([[0, 0, 4, 0, 4, 4]], 4096, 4096, "the mask"),
    ):
        with pytest.raises(InputError, match=r"\[4096, 4096\].*2\^24"):
            encode()
