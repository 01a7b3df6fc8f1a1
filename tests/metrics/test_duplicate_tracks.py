"""Tracks that repeat a better one, against comparing all pairs."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vis_bench.data.results_file import Results, Track
from vis_bench.masks.rle import encode_masks
from vis_bench.masks.tubes import measure_tubes
from vis_bench.metrics.space_time_iou import space_time_iou
from vis_bench.metrics.sparse_overlap import sparse_overlaps
from vis_bench.metrics.tracking import duplicates
from vis_bench.metrics.tracking.duplicates import distinct_tracks

FRAMES, HEIGHT, WIDTH = 5, 4, 16


@st.composite
def mask(draw):
    """A bar of four rows, sometimes absent, empty or of another size."""
    left, right = sorted(draw(st.tuples(st.integers(0, 15), st.integers(0, 16))))
    size = draw(st.sampled_from([(HEIGHT, WIDTH)] * 30 + [(WIDTH, HEIGHT), None]))
    if size is None:
        return None
    pixels = np.zeros((1, *size), bool)
    pixels[0, :, left:right] = True
    return encode_masks(pixels)[0]


@st.composite
def problems(draw):
    """Tracks made of few masks, so that they repeat each other, and objects of the same kind."""
    known = draw(st.lists(mask(), min_size=1, max_size=4))

    def tube(length):
        return draw(st.lists(st.sampled_from(known), min_size=length, max_size=length))

    lengths = st.sampled_from([FRAMES] * 8 + [FRAMES - 1, FRAMES + 2])
    scores = st.sampled_from([0.6, 0.7, 0.7, 0.8, 0.9])
    tracks = [
        Track(1, 1, draw(scores), tube(draw(lengths))) for _ in range(draw(st.integers(0, 7)))
    ]
    return tracks, [tube(FRAMES) for _ in range(draw(st.integers(0, 3)))]


def by_all_pairs(results):
    rows = np.arange(len(results.tracks))
    iou = space_time_iou(results.tubes, rows, results.tubes, rows)
    kept = []
    for row in sorted(rows, key=lambda row: -results.tracks[row].score):
        if all(iou[row, other] < 0.5 for other in kept):
            kept.append(row)
    return [row in kept for row in rows]


@pytest.mark.parametrize("most_at_once", [1 << 20, 0])
@given(problem=problems())
@settings(max_examples=400, deadline=None)
def test_the_same_tracks_stay_as_when_all_pairs_are_compared(most_at_once, problem):
    tracks, objects = problem
    results, rows = Results.of(tracks), np.arange(len(tracks))
    tubes = measure_tubes(objects, lambda n, t: f"{n}, {t}")
    found = sparse_overlaps(results.tubes, rows, tubes, np.arange(len(objects)), FRAMES)
    with mock.patch.object(duplicates, "_CHUNK", most_at_once):
        distinct_D = distinct_tracks(results, found)
    assert distinct_D.tolist() == by_all_pairs(results)
