"""Objects frame by frame: found, switched, missed; and following, against all pairs."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from drawing_case import CROSSING, LEFT, NOWHERE, RIGHT, T, results, truth, tube
from eval_problems import tubes_of_any_sizes
from peak_memory import peak_of
from vis_bench.data.video import video_without_frames
from vis_bench.masks.rle import decode, encode_masks
from vis_bench.masks.tubes import SparseTube, measure_tubes
from vis_bench.show.overlay.timelines import follow, object_timelines, switch_frames
from vis_bench.show.overlay.tracks import TrackSet, objects_of, tracks_of

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


def all_of(masks, crowd_N):
    tubes, rows_N = measure_tubes(masks, lambda n, t: "a mask"), np.arange(len(masks))
    num_frames = max(map(len, masks), default=0)
    return TrackSet(tubes, rows_N, rows_N % 2, np.ones(len(rows_N)), crowd_N, num_frames)


def iou_of(mask, other):
    if not mask or not other or mask["size"] != other["size"]:
        return 0.0
    a, b = decode(mask), decode(other)
    return (a & b).sum() / max(1, (a | b).sum())


def followed_side_by_side(iou_NMT):
    """Track -> object in each frame, from the IoU of every pair in every frame."""
    pairs = {}
    for iou_NM in iou_NMT.transpose(2, 0, 1):
        pairs = {n: m for n, m in pairs.items() if iou_NM[n, m] >= 0.5}
        free_NM = np.where(iou_NM >= 0.5, iou_NM, 0.0)
        free_NM[list(pairs)] = 0
        free_NM[:, list(pairs.values())] = 0
        found = zip(*linear_sum_assignment(free_NM, maximize=True), strict=True)
        pairs |= {int(n): int(m) for n, m in found if free_NM[n, m] > 0}
        yield pairs


@given(tubes_of_any_sizes(), tubes_of_any_sizes(), st.integers(1, 4), st.data())
@settings(max_examples=120, deadline=None)
def test_following_is_that_of_all_pairs_side_by_side(some, others, num_frames, data):
    """Equal masks are likely, so that sums of IoU are often equal."""
    some = some + data.draw(st.lists(st.sampled_from(some + others), max_size=3))
    crowds = st.lists(st.booleans(), min_size=len(others), max_size=len(others))
    crowd_M = np.array(data.draw(crowds))
    tracks, objects = all_of(some, np.zeros(len(some), bool)), all_of(others, crowd_M)
    iou_NMT = np.zeros((len(some), len(others), num_frames))
    for n, m, t in np.ndindex(iou_NMT.shape):
        if t < min(len(some[n]), len(others[m])) and not crowd_M[m]:
            iou_NMT[n, m, t] = iou_of(some[n][t], others[m][t])
    pairs_T, switches_T = (
        [each[k] for each in follow(tracks, objects, num_frames)] for k in (1, 2)
    )
    assert list(pairs_T) == list(followed_side_by_side(iou_NMT))
    frames = switch_frames(tracks, objects, num_frames)
    switched = [[t for t in range(num_frames) if n in switches_T[t]] for n in range(len(some))]
    assert [list(own) for own in frames] == switched
    for m, line in enumerate(object_timelines(tracks, objects, num_frames)):
        followers = [{m: n for n, m in pairs.items()}.get(m) for pairs in pairs_T]
        expected = [
            iou_NMT[:, m, t].max() if n is None else iou_NMT[n, m, t]
            for t, n in enumerate(followers)
        ]
        assert line.iou_T.tolist() == expected


def test_memory_does_not_grow_with_tracks_times_objects():
    num_tracks, num_objects, num_frames = 90, 30, 1500
    (mask,) = encode_masks(np.ones((1, 12, 20), bool))

    def short(number):
        tubes = [SparseTube(num_frames, {n * num_frames // number: mask}) for n in range(number)]
        return all_of(tubes, np.zeros(number, bool))

    tracks, objects = short(num_tracks), short(num_objects)
    _, peak = peak_of(lambda: list(follow(tracks, objects, num_frames)))
    assert peak < num_tracks * num_objects * num_frames * 8 / 10
