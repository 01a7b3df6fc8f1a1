"""Tubes stored by their masks, against lists with an entry per frame."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vis_bench.errors import InputError
from vis_bench.masks.rle import area, encode_masks
from vis_bench.masks.tubes import SparseTube, measure_tubes

MASKS = encode_masks(
    np.random.default_rng(0).random((4, 3, 5)) < [[[0.0]], [[0.2]], [[0.5]], [[1]]]
)
ABSENT = [None, [], {}]
LISTS = st.lists(st.lists(st.sampled_from([*MASKS, *ABSENT]), max_size=6), max_size=5)


def measured(tubes):
    return measure_tubes(tubes, lambda n, t: f"tube {n}, frame {t}")


@given(LISTS, st.booleans(), st.integers(0, 7), st.integers(0, 7), st.data())
@settings(max_examples=300, deadline=None)
def test_stored_masks_stand_for_the_lists(lists, sparse, start, stop, data):
    plain = [[mask or None for mask in masks] for masks in lists]
    given_tubes = lists
    if sparse:
        given_tubes = [
            SparseTube(len(masks), {t: mask for t, mask in enumerate(masks) if mask})
            for masks in plain
        ]
    tubes = measured(given_tubes)
    assert [tubes.tube(n) for n in range(len(lists))] == plain
    assert tubes.lengths_N.tolist() == list(map(len, lists))
    chosen = data.draw(st.lists(st.integers(0, len(lists) - 1)) if lists else st.just([]))
    place_NT = tubes.places(np.array(chosen, int), max(start, stop), start)
    for row, n in enumerate(chosen):
        expected = (plain[n] + [None] * 9)[start : max(start, stop)]
        assert [tubes.masks_P[p] if p >= 0 else None for p in place_NT[row]] == expected
        areas = [area(mask) if mask else 0 for mask in expected]
        assert tubes.areas_P1[place_NT[row]].tolist() == areas
        assert tubes.has_pixels(n, 4).tolist() == [
            bool(mask and area(mask)) for mask in (plain[n] + [None] * 4)[:4]
        ]
    part = tubes.chosen(chosen)
    assert [part.tube(n) for n in range(len(part))] == [plain[n] for n in chosen]
    assert part.average_areas_N().tolist() == [tubes.average_areas_N()[n] for n in chosen]


def test_places_grow_with_the_masks_and_not_with_the_frames():
    for num_frames in (10, 1000):
        tubes = measured([SparseTube(num_frames, {t: MASKS[2]}) for t in range(10)])
        stored = [getattr(tubes, name) for name in vars(tubes)]
        assert sum(np.size(column) for column in stored[1:]) + len(tubes.masks_P) < 100
        assert tubes.lengths_N.tolist() == [num_frames] * 10


@pytest.mark.parametrize("wrong", [0, False, "", 0.0, 7, "no mask", [1], {"size": [3, 5]}])
def test_what_is_no_mask_is_refused_by_its_tube_and_frame(wrong):
    with pytest.raises(InputError, match=r"^tube 1, frame 2"):
        measured([[MASKS[0], None], [None, MASKS[1], wrong, None], [wrong]])
