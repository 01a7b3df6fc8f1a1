"""Labels stand beside their objects, and cover neither objects nor each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawing_case import H, W, square
from vis_bench.show.overlay.label_layout import place_labels


def pixels(place, size):
    covered = np.zeros((H, W), bool)
    covered[place.y : place.y + size[1], place.x : place.x + size[0]] = True
    assert covered.sum() == size[0] * size[1], "the label lies within the frame"
    return covered


def test_a_label_stands_right_above_its_object():
    (place,) = place_labels(square(30, 40)[None], [[(30, 10)]], {})
    assert not place.covers
    assert 14 <= place.y < 30 - 10
    assert abs(place.x + 15 - 48) <= 4


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 44), st.integers(0, 80)), min_size=1, max_size=4))
def test_labels_cover_nothing_unless_they_say_so(corners):
    masks = np.stack([square(*corner) for corner in corners])
    size = (24, 10)
    labels = [
        pixels(p, size) for p in place_labels(masks, [[size]] * len(masks), {}) if not p.covers
    ]
    assert not (np.any(masks, 0) & np.any([np.zeros((H, W), bool), *labels], 0)).any()
    assert np.sum(labels, 0).max(initial=0) <= 1


def test_a_shorter_form_is_taken_where_the_first_does_not_fit():
    mask = np.ones((1, H, W), bool)
    mask[0, 20:40, 30:62] = False
    (place,) = place_labels(mask, [[(60, 10), (20, 10)]], {})
    assert (place.form, place.covers) == (1, False)
    assert not (mask[0] & pixels(place, (20, 10))).any()


def test_where_no_place_is_free_the_least_is_covered():
    mask = np.ones((1, H, W), bool)
    mask[0, 20:40, 30:62] = False
    (place,) = place_labels(mask, [[(40, 10)]], {})
    assert place.covers
    assert (mask[0] & pixels(place, (40, 10))).sum() <= 0.35 * 400


def test_a_label_stays_where_it_was_beside_its_object():
    mask = square(22, 40)[None]
    (above,) = place_labels(mask, [[(30, 10)]], {})
    (below,) = place_labels(mask, [[(30, 10)]], {0: (-15.0, 12.0)})
    assert above.y < 22
    assert below.y >= 38
    moved = square(22, 44)[None]
    (again,) = place_labels(moved, [[(30, 10)]], {0: below.offset})
    assert (again.x - below.x, again.y - below.y) == (4, 0)


def test_an_empty_mask_has_no_label():
    masks = np.stack([np.zeros((H, W), bool), square(10, 10)])
    places = place_labels(masks, [[(20, 10)]] * 2, {})
    assert places[0] is None
    assert places[1] is not None
    assert place_labels(np.zeros((0, H, W), bool), [], {}) == []


@pytest.mark.parametrize("size", [(500, 10), (10, 500), (500, 500)])
def test_a_label_larger_than_the_frame_does_no_harm(size):
    (place,) = place_labels(square(10, 10)[None], [[size]], {})
    assert 0 <= place.x < W
    assert 0 <= place.y < H
