"""Error breakdown, identity switches and short objects: the same figures, in little memory."""

import json
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from compare_workload import generate
from eval_problems import parsed, problems, tubes_of_any_sizes
from paths import GOLDEN
from peak_memory import peak_of
from vis_bench.data.annotations import GroundTruth, read_annotations
from vis_bench.data.results_file import Results, Track, read_results
from vis_bench.errors import InputError
from vis_bench.masks.rle import encode_masks
from vis_bench.masks.sparse_tube import SparseTube
from vis_bench.masks.tubes import measure_tubes
from vis_bench.metrics import space_time_iou as module
from vis_bench.metrics.error_breakdown import break_down
from vis_bench.metrics.frame_overlap import overlaps
from vis_bench.metrics.identity_sensitivity import identity_sensitivity
from vis_bench.metrics.matching import match
from vis_bench.metrics.space_time_iou import space_time_iou
from vis_bench.metrics.tracking.protocol import track_overlaps
from vis_bench.metrics.ytvis import evaluate
from vis_bench.show.overlay.timelines import follow, object_timelines, switch_frames
from vis_bench.show.overlay.tracks import TrackSet

EXPECTED = json.loads((GOLDEN / "error_breakdown.json").read_text())


@pytest.mark.parametrize("name", EXPECTED)
def test_figures_are_those_of_all_frames_side_by_side(name):
    if name == "generated":
        content, tracks, _ = generate(5, 4, 3, 12)
        truth, results = GroundTruth.of(content), Results.of([Track(**track) for track in tracks])
    else:
        truth = read_annotations(GOLDEN / f"{name}.gt.json")
        results = read_results(GOLDEN / f"{name}.preds.json")
    errors, switched = break_down(truth, results), identity_sensitivity(truth, results)
    assert EXPECTED[name] == {
        "ap": errors.ap, "gains": errors.gains, "identity_gains": errors.identity_gains,
        "costs": switched.predictions.costs_N.tolist(),
        "perfect_costs": switched.perfect.costs_N.tolist(),
    }  # fmt: skip


def all_of(tubes, crowd_N):
    rows_N = np.arange(len(tubes))
    return TrackSet(tubes, rows_N, rows_N % 2, np.ones(len(rows_N)), crowd_N)


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


@given(tubes_of_any_sizes(), tubes_of_any_sizes(), st.integers(0, 4), st.data())
@settings(max_examples=120, deadline=None)
def test_following_is_that_of_all_pairs_side_by_side(some, others, num_frames, data):
    """Equal masks are likely, so that sums of IoU are often equal."""
    some = some + data.draw(st.lists(st.sampled_from(some + others), max_size=3))
    tubes = [measure_tubes(masks, lambda n, t: "a mask") for masks in (some, others)]
    crowd_M = np.array(data.draw(st.lists(st.booleans(), min_size=len(others),
                                          max_size=len(others))))  # fmt: skip
    tracks = all_of(tubes[0], np.zeros(len(some), bool))
    objects = all_of(tubes[1], crowd_M)
    iou_NMT = overlaps(
        tubes[0], tracks.rows_N, tubes[1], objects.rows_N, num_frames
    ).frame_iou()  # fmt: skip
    iou_NMT[:, crowd_M] = 0
    found = follow(tracks, objects, num_frames)
    pairs_T = [pairs for _, pairs, _ in found]
    assert pairs_T == list(followed_side_by_side(iou_NMT))
    frames = switch_frames(tracks, objects, num_frames)
    switched = [[t for t in range(num_frames) if n in found[t][2]]
                for n in range(len(some))]  # fmt: skip
    assert [list(own) for own in frames] == switched
    for m, line in enumerate(object_timelines(tracks, objects, num_frames)):
        followers = [{m: n for n, m in pairs.items()}.get(m) for pairs in pairs_T]
        expected = [iou_NMT[:, m, t].max() if n is None else iou_NMT[n, m, t]
                    for t, n in enumerate(followers)]  # fmt: skip
        assert line.iou_T.tolist() == expected


@given(tubes_of_any_sizes(), tubes_of_any_sizes(), st.booleans())
@settings(max_examples=100, deadline=None)
def test_iou_of_few_masks_is_that_of_tubes_side_by_side(some, others, only_from_half):
    some, others = ([masks + [None] * (4 - len(masks)) for masks in tubes]
                    for tubes in (some, others))  # fmt: skip
    tubes = [measure_tubes(masks, lambda n, t: "a mask") for masks in (some, others)]
    arguments = (tubes[0], np.arange(len(some)), tubes[1], np.arange(len(others)))
    found = []
    for frames_per_mask in (0, 10**6):  # whatever can be is counted sparsely; nothing is
        with mock.patch.object(module, "_MOST_FRAMES_PER_MASK", frames_per_mask):
            found.append(space_time_iou(*arguments, only_from_half=only_from_half))
    np.testing.assert_array_equal(*found)


@given(problems())
@settings(max_examples=30, deadline=None)
def test_annotations_stored_by_their_masks_are_evaluated_alike(problem):
    content, tracks = problem
    for entry in content["annotations"]:  # longer than what is looked at, so that most are absent
        entry["segmentations"] += [None] * 20
    for track in tracks:
        track["segmentations"] += [None] * 20
    for video in content["videos"]:
        video["length"] += 20
    truth, results = parsed(content, tracks)
    try:
        sparse = evaluate(truth, results, tracking_threshold=0.3)
    except InputError:  # no mask is of its video's size
        reject()
    with mock.patch("vis_bench.masks.sparse_tube._MOST_FRAMES_PER_MASK", 0):
        again, results = parsed(content, tracks)
    np.testing.assert_array_equal(truth.tubes.frame_P, again.tubes.frame_P)
    with mock.patch.object(module, "_MOST_FRAMES_PER_MASK", 10**6):
        dense = evaluate(again, results, tracking_threshold=0.3)
    assert sparse.summary() == dense.summary()
    assert sparse.tracking.summary() == dense.tracking.summary()


NUM_TRACKS, NUM_OBJECTS = 90, 30


def short_tubes(num_tubes, num_frames):
    """Lists of one mask in another frame each, at other places."""
    pixels = np.zeros((num_tubes, 12, 20), bool)
    for n in range(num_tubes):
        pixels[n, n % 5 : n % 5 + 6, n % 9 : n % 9 + 8] = True
    masks = encode_masks(pixels)
    step = max(1, num_frames // num_tubes)
    return [SparseTube(num_frames, {n * step: mask}) for n, mask in enumerate(masks)]


def content_of(num_objects, num_frames):
    """Annotations of objects that are there in one frame each, as a file has them."""
    return {
        "videos": [{"id": 1, "height": 12, "width": 20, "length": num_frames}],
        "categories": [{"id": 1}],
        "annotations": [
            {"id": g + 1, "video_id": 1, "category_id": 1, "iscrowd": 0, "areas": [48],
             "segmentations": list(tube)}
            for g, tube in enumerate(short_tubes(num_objects, num_frames))
        ],
    }  # fmt: skip


def test_memory_of_the_error_breakdown_does_not_grow_with_the_frames():
    peaks = []
    for num_frames in (300, 3000):
        truth = GroundTruth.of(content_of(NUM_OBJECTS, num_frames))
        tracks = [Track(1, 1, 0.9, tube) for tube in short_tubes(NUM_TRACKS, num_frames)]
        results = Results.of(tracks)
        _, peak = peak_of(lambda truth=truth, results=results: (
            break_down(truth, results), identity_sensitivity(truth, results)))  # fmt: skip
        peaks.append(peak)
    assert peaks[1] < 3 * peaks[0]
    assert peaks[1] < NUM_TRACKS * NUM_OBJECTS * 3000 * 8 / 10


def test_memory_of_following_does_not_grow_with_tracks_and_objects():
    num_frames = 1500
    tubes = [measure_tubes(short_tubes(number, num_frames), lambda n, t: "a mask")
             for number in (NUM_TRACKS, NUM_OBJECTS)]  # fmt: skip
    tracks, objects = (all_of(own, np.zeros(len(own), bool)) for own in tubes)
    _, peak = peak_of(lambda: follow(tracks, objects, num_frames))
    assert peak < NUM_TRACKS * NUM_OBJECTS * num_frames * 8 / 10


def test_memory_of_many_short_objects():
    """An object each in every second frame: what is held, and what evaluation takes."""
    num_frames, num_objects = 1000, 500
    content = content_of(num_objects, num_frames)
    places = num_objects * num_frames * 8
    truth, peak = peak_of(lambda: GroundTruth.of(content))
    assert peak < places / 2
    assert len(truth.tubes.masks_P) == num_objects
    tracks = [Track(1, 1, 0.2 + n / 1000, tube)
              for n, tube in enumerate(short_tubes(num_objects, num_frames))]  # fmt: skip
    results = Results.of(tracks)
    found, peak = peak_of(lambda: track_overlaps(truth, results, 0.0))
    assert len(found[0].frame_R) == num_objects
    assert peak < 2 * places
    for known in (found, ()):
        matches, peak = peak_of(lambda known=known: match(truth, results, known))
        assert matches.categories[0].hits_ATn.any()
        assert peak < 2 * places
