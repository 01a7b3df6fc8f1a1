"""What happens to an object: found, at what IoU, under a wrong class, switched, missed."""

import numpy as np

from drawing_case import CROSSING, LEFT, NOWHERE, RIGHT, T, results, truth, tube
from vis_bench.data.video import video_without_frames
from vis_bench.show.overlay.timelines import object_timelines
from vis_bench.show.overlay.tracks import objects_of, tracks_of

VIDEO = video_without_frames(1, "cats", 60, 96, T)


def timelines(objects, *tracks):
    found = objects_of(truth(*objects), VIDEO)
    return object_timelines(tracks_of(results(*tracks), VIDEO, 0.0), found, T)


def test_found_at_its_iou_then_missed():
    near = tube((20, 8), (20, 12), (20, 16), None)
    (line,) = timelines([(LEFT, 1)], (near, 1, 0.9))
    assert line.found_T.tolist() == [True, True, False, False]
    assert line.missed_T.tolist() == [False, False, True, True]
    np.testing.assert_allclose(line.iou_T, [1, 12 / 20, 8 / 24, 0])
    assert not line.switched_T.any()


def test_an_absent_object_is_not_missed():
    late = [None, None, LEFT[2], LEFT[3]]
    (line,) = timelines([(late, 1)], (NOWHERE, 1, 0.9))
    assert line.present_T.tolist() == line.missed_T.tolist() == [False, False, True, True]


def test_switches_and_wrong_classes():
    other = tube((20, 64), (20, 64), (20, 8), (20, 8))
    left, right = timelines([(LEFT, 1), (RIGHT, 1)], (CROSSING, 1, 0.9), (other, 2, 0.8))
    assert left.switched_T.tolist() == right.switched_T.tolist() == [False, False, True, False]
    assert left.wrong_class_T.tolist() == [False, False, True, True]
    assert right.wrong_class_T.tolist() == [True, True, False, False]
    assert left.found_T.all()


def test_the_iou_is_that_of_the_track_that_follows():
    close = tube(*[(21, 8)] * T)
    (line,) = timelines([(LEFT, 1)], (close, 1, 0.9))
    np.testing.assert_allclose(line.iou_T, 15 / 17)


def test_without_tracks_all_is_missed():
    (line,) = timelines([(LEFT, 1)])
    assert line.missed_T.all()
    assert not line.iou_T.any()
