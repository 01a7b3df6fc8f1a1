"""Causes: the tracks that cost AP are named by the AP that repairing them alone gains."""

import pytest

from drawing_case import CROSSING, LEFT, NOWHERE, RIGHT, T, results, truth, tube
from vis_bench.metrics.error_causes import causes_of
from vis_bench.metrics.errors import ERRORS, REPAIRED, break_down_videos

POOR = tube(*[(28, 8)] * T)
GONE = [*LEFT[:2], None, None]
RETURNED = [None, None, *LEFT[2:]]


def causes(objects, tracks, kind):
    annotated = truth(*objects)
    return causes_of(annotated, results(*tracks), annotated.videos[0], kind)


@pytest.mark.parametrize(("kind", "objects", "tracks", "places"), [
    ("switch", [(LEFT, 1), (RIGHT, 2)], [(RIGHT, 2, 0.9), (CROSSING, 1, 0.8)], [1]),
    ("fragment", [(LEFT, 1)], [(GONE, 1, 0.9), (RETURNED, 1, 0.8)], [0]),
    ("class", [(LEFT, 1), (RIGHT, 2)], [(LEFT, 2, 0.3), (RIGHT, 2, 0.2)], [0]),
    ("mask quality", [(LEFT, 1)], [(POOR, 1, 0.9)], [0]),
    ("duplicate", [(LEFT, 1), (RIGHT, 1)], [(LEFT, 1, 0.9), (LEFT, 1, 0.3), (RIGHT, 1, 0.2)], [1]),
    ("background", [(LEFT, 1)], [(LEFT, 1, 0.2), (NOWHERE, 1, 0.3)], [1]),
])  # fmt: skip
def test_the_costly_track_is_named(kind, objects, tracks, places):
    found = causes(objects, tracks, kind)
    assert list(found.gains) == places
    assert found.missed == []


def test_a_gain_is_that_of_the_breakdown_if_one_track_is_at_fault():
    annotated = truth((LEFT, 1))
    tracks = results((LEFT, 1, 0.2), (NOWHERE, 1, 0.3))
    [errors] = break_down_videos(annotated, tracks)
    found = causes_of(annotated, tracks, annotated.videos[0], "background")
    assert found.gains == pytest.approx({1: errors.gains["background"]})
    assert found.gains[1] == pytest.approx(0.5)


def test_a_false_track_below_all_others_costs_nothing_and_is_named_only_if_no_other_is():
    tracks = [(LEFT, 1, 0.9), (NOWHERE, 1, 0.5)]
    assert causes([(LEFT, 1)], tracks, "background").gains == {1: 0.0}
    assert list(causes([(LEFT, 1)], [(NOWHERE, 1, 0.95), *tracks], "background").gains) == [0]


def test_missed_objects_are_named_by_their_place():
    objects = [(LEFT, 1), (RIGHT, 2), (NOWHERE, 1)]
    assert causes(objects, [(RIGHT, 2, 0.9)], "missed").missed == [0, 2]


def test_every_kind_of_the_breakdown_has_a_repair():
    annotated = truth((LEFT, 1))
    [errors] = break_down_videos(annotated, results((GONE, 1, 0.9), (RETURNED, 1, 0.8)))
    assert errors.repaired("identity") == "fragment"
    assert all(errors.repaired(kind) in REPAIRED for kind in ERRORS)
