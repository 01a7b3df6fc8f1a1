"""Tubes stored by their masks, against lists with an entry per frame."""

import pickle

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


@given(LISTS, st.booleans(), st.data())
@settings(max_examples=300, deadline=None)
def test_stored_masks_stand_for_the_lists(lists, sparse, data):
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
    row_Q, place_Q = tubes.masks_of(np.array(chosen, int))
    found = [
        (row, tubes.frame_P[p], tubes.areas_P[p]) for row, p in zip(row_Q, place_Q, strict=True)
    ]
    assert found == [
        (row, t, area(mask))
        for row, n in enumerate(chosen)
        for t, mask in enumerate(plain[n])
        if mask
    ]
    for n, masks in enumerate(plain):
        expected = [bool(mask and area(mask)) for mask in (masks + [None] * 4)[:4]]
        assert tubes.has_pixels(n, 4).tolist() == expected
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


masks = st.one_of(st.none(), st.builds(lambda n: {"size": [1, 1], "counts": str(n)}, st.integers()))


@given(st.lists(masks, max_size=12), st.integers(-15, 15), st.integers(-15, 15))
def test_reads_like_the_list(dense, start, stop):
    tube = SparseTube(len(dense), {t: mask for t, mask in enumerate(dense) if mask is not None})
    assert len(tube) == len(dense)
    assert list(tube) == dense
    assert tube == dense
    assert tube == tuple(dense)
    assert tube != [*dense, None]
    assert tube[start:stop] == dense[start:stop]
    assert tube.num_masks == sum(mask is not None for mask in dense)
    assert pickle.loads(pickle.dumps(tube)) == tube
    for frame in range(-len(dense), len(dense)):
        assert tube[frame] == dense[frame]
    for frame in (len(dense), -len(dense) - 1):
        with pytest.raises(IndexError):
            tube[frame]


def test_what_differs_is_not_equal():
    mask = {"size": [1, 1], "counts": "01"}
    tube = SparseTube(3, {1: mask})
    assert tube != SparseTube(4, {1: mask})
    assert tube != SparseTube(3, {2: mask})
    assert tube != [None, None, None]
    assert tube != "abc"


@pytest.mark.parametrize("frame", [-1, 3])
def test_a_mask_outside_the_video_is_refused(frame):
    with pytest.raises(ValueError, match=rf"a mask of frame {frame} in a video of 3 frames"):
        SparseTube(3, {frame: {"size": [1, 1], "counts": "01"}})
