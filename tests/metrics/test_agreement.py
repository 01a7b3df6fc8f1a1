"""Agreement of tracks, held against masks that were moved by hand."""

import numpy as np
import pytest

from vis_bench.data.results_file import Track
from vis_bench.masks.rle import encode_masks
from vis_bench.metrics.agreement import agreement_of


def track(row, score=0.9, category=1, width=10, frames=3):
    """A bar of `width` pixels in one row of each frame."""
    masks_THW = np.zeros((frames, 20, 30), np.uint8)
    masks_THW[:, row, :width] = 1
    return Track(1, category, score, encode_masks(masks_THW))


def test_the_same_tracks_agree_in_any_order():
    tracks = [track(1), track(5, 0.8), track(9, 0.7, category=2)]
    found = agreement_of(tracks, tracks[::-1])
    assert found.same_classes
    assert found.ious_N.tolist() == [1, 1, 1]


def test_a_mask_that_lost_a_tenth_has_an_iou_of_nine_tenths():
    found = agreement_of([track(1), track(5, 0.8)], [track(5, 0.8, width=9), track(1)])
    assert found.same_classes
    assert found.ious_N.tolist() == [1, pytest.approx(0.9)]


def test_a_track_under_another_class_has_no_partner():
    found = agreement_of([track(1), track(5)], [track(1), track(5, category=2)])
    assert not found.same_classes
    assert found.ious_N.tolist() == [1, 0]


def test_one_track_is_a_partner_once():
    """Two tracks of one class on the same place need two on the other side."""
    found = agreement_of([track(1), track(1, 0.8)], [track(1)])
    assert not found.same_classes
    assert sorted(found.ious_N.tolist()) == [0, 1]


def test_partners_are_chosen_together():
    """The first would take the only partner that the second one has."""
    first, second = track(1, width=10), track(1, 0.8, width=5)
    found = agreement_of([first, second], [track(1, width=6), track(1, width=10)])
    assert found.ious_N.tolist() == [1, pytest.approx(5 / 6)]


def test_tracks_that_nobody_is_sure_of_do_not_count():
    found = agreement_of([track(1), track(5, 0.5)], [track(1)])
    assert found.same_classes
    assert len(found.ious_N) == 1
    assert agreement_of([], [track(1)]).same_classes
    assert not agreement_of([track(1)], []).same_classes


def test_only_the_ten_best_take_part():
    tracks = [track(row, 0.9 - row / 100) for row in range(12)]
    found = agreement_of(tracks, tracks[1:])
    assert len(found.ious_N) == 10
    assert found.ious_N.tolist() == [0] + [1] * 9
