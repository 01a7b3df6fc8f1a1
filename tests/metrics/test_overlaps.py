"""Pairs of masks against decoded pixels, and IoUs against the slow reference."""

from dataclasses import fields, is_dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

import eval_reference
from eval_problems import parsed, problems, tubes_of_any_sizes
from vis_bench.data.results_file import Results, Track
from vis_bench.masks.rle import decode, encode_masks, from_run_lengths
from vis_bench.masks.tubes import measure_tubes
from vis_bench.metrics import matching
from vis_bench.metrics.matching import match
from vis_bench.metrics.overlaps import Overlaps, space_time_iou, video_overlaps
from vis_bench.metrics.tracking import duplicates, frames
from vis_bench.metrics.tracking.duplicates import distinct_tracks
from vis_bench.metrics.tracking.evaluate import evaluate_tracking


def measured(*sides):
    """Each side's tubes, and the places of all of them."""
    tubes = [measure_tubes(masks, lambda n, t: "a mask") for masks in sides]
    return [each for own in tubes for each in (own, np.arange(len(own)))]


@given(tubes_of_any_sizes(), tubes_of_any_sizes(), st.integers(0, 4))
@settings(max_examples=150, deadline=None)
def test_pairs_are_those_of_decoded_pixels(some, others, num_frames):
    expected = {}
    for t in range(num_frames):
        for n, m in np.ndindex(len(some), len(others)):
            masks = [own[t] for own in (some[n], others[m]) if t < len(own) and own[t]]
            if len(masks) == 2 and masks[0]["size"] == masks[1]["size"]:
                a, b = map(decode, masks)
                if (a & b).any():
                    expected[t, m, n] = (a & b).sum(), (a & b).sum() / (a | b).sum()
    found = Overlaps.of(*measured(some, others)).before(num_frames)
    places = list(zip(found.frame_L, found.column_L, found.row_L, strict=True))
    assert places == sorted(expected)
    assert dict(zip(places, zip(found.shared_L, found.iou_L, strict=True), strict=True)) == expected
    areas_N = [sum(decode(mask).sum() for mask in tube[:num_frames] if mask) for tube in some]
    assert found.tracks.areas_before(num_frames).tolist() == areas_N


@given(tubes_of_any_sizes(), tubes_of_any_sizes())
@settings(max_examples=150, deadline=None)
def test_space_time_iou_equals_the_slow_reference(detections, objects):
    pixels = [
        [[eval_reference.pixels_of(mask, None) for mask in tube] for tube in masks]
        for masks in (detections, objects)
    ]
    expected = [[eval_reference.space_time_iou(d, g) for g in pixels[1]] for d in pixels[0]]
    tubes, rows_D, *others = measured(detections, objects)
    np.testing.assert_array_equal(space_time_iou(tubes, rows_D, *others), expected)
    np.testing.assert_array_equal(space_time_iou(tubes, rows_D[::-1], *others), expected[::-1])
    rows, columns = rows_D[::-2], np.arange(len(objects))[1:]
    found = Overlaps.of(tubes, rows_D, *others).ious(rows, columns)
    np.testing.assert_array_equal(found, np.reshape(expected, (len(rows_D), -1))[rows][:, columns])


def test_intersections_with_empty_runs_stop_where_the_official_merging_stops():
    """The official sums are areas of pycocotools' merged masks."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        lengths = [random_lengths_with_empty_runs(rng) for _ in range(2)]
        masks = [from_run_lengths(some, 6, 7) for some in lengths]
        inter, union = (coco_mask.area(coco_mask.merge(masks, intersect=i)) for i in (1, 0))
        iou = space_time_iou(*measured(*([[mask]] for mask in masks)))
        assert iou.item() == (inter / union if union else 0), lengths


def random_lengths_with_empty_runs(rng):
    borders = np.sort(rng.choice(8, rng.integers(1, 9))) * 6
    return np.diff(np.concatenate(([0], borders.clip(max=42), [42]))).tolist()


def assert_same(one, other):
    """Equal to the bit, field by field."""
    assert type(one) is type(other)
    if is_dataclass(one):
        for field in fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        for parts in zip(one, other, strict=True):
            assert_same(*parts)
    else:
        np.testing.assert_array_equal(one, other)


@given(problems(), st.sampled_from([-1.0, 0.25, 0.5, 1.0]))
@settings(max_examples=150, deadline=None)
def test_matches_and_tracking_are_those_of_separate_passes(problem, threshold):
    truth, results = parsed(*problem)
    tracked_N = frames.takes_part(truth, results, threshold)
    shared = video_overlaps(truth, results, tracked_N | matching.takes_part(truth, results))
    assert_same(match(truth, results, shared), match(truth, results))
    assert_same(
        evaluate_tracking(truth, results, threshold, shared),
        evaluate_tracking(truth, results, threshold),
    )


@st.composite
def repeated_tracks(draw):
    """Tracks and tubes of objects, made of few masks, so that they repeat each other.

    A mask is a bar of four rows, sometimes absent, empty or of another size.
    """

    def mask():
        left, right = sorted(draw(st.tuples(st.integers(0, 15), st.integers(0, 16))))
        size = draw(st.sampled_from([(4, 16)] * 30 + [(16, 4), None]))
        if size is None:
            return None
        pixels = np.zeros((1, *size), bool)
        pixels[0, :, left:right] = True
        return encode_masks(pixels)[0]

    known = [mask() for _ in range(draw(st.integers(1, 4)))]
    lengths = st.sampled_from([5] * 8 + [4, 7])
    scores = st.sampled_from([0.6, 0.7, 0.7, 0.8, 0.9])
    tracks = []
    for _ in range(draw(st.integers(0, 7))):
        length = draw(lengths)
        masks = draw(st.lists(st.sampled_from(known), min_size=length, max_size=length))
        tracks.append(Track(1, 1, draw(scores), masks))
    tubes = st.lists(st.sampled_from([*known, mask()]), min_size=5, max_size=5)
    return tracks, draw(st.lists(tubes, max_size=3))


@given(repeated_tracks(), st.data())
@settings(max_examples=150, deadline=None)
def test_the_same_tracks_are_distinct_as_when_all_pairs_are_compared(repeated, data):
    tracks, objects = repeated
    results, rows = Results.of(tracks), np.arange(len(tracks))
    count = len(tracks)
    tracked_N = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)), bool)
    iou = space_time_iou(results.tubes, rows, results.tubes, rows)
    kept = []
    for row in sorted(rows[tracked_N], key=lambda row: -tracks[row].score):
        if all(iou[row, other] < 0.5 for other in kept):
            kept.append(row)
    overlaps = Overlaps.of(results.tubes, rows, *measured(objects))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "_FRAMES", data.draw(st.integers(1, 5)))
        found = distinct_tracks(results, overlaps, tracked_N)
    assert rows[tracked_N][found].tolist() == sorted(kept)
