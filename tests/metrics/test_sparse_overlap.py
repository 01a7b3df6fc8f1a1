"""Overlaps stored where masks share pixels, against all of them side by side; and their memory."""

import tracemalloc
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval_problems import tubes_of_any_sizes
from peak_memory import peak_of
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results, Track, read_results, write_results
from vis_bench.masks.rle import encode_masks
from vis_bench.masks.sparse_tube import SparseTube
from vis_bench.masks.tubes import measure_tubes
from vis_bench.metrics import sparse_overlap
from vis_bench.metrics.frame_overlap import overlaps
from vis_bench.metrics.sparse_overlap import sparse_overlaps
from vis_bench.metrics.tracking.protocol import track_overlaps
from vis_bench.metrics.ytvis import evaluate


@given(
    tubes_of_any_sizes(), tubes_of_any_sizes(), st.integers(0, 4), st.sampled_from([1, 2, 64]),
    st.data(),
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_what_is_stored_is_what_all_frames_hold(some, others, num_frames, at_a_time, data):
    tubes = [measure_tubes(masks, lambda n, t: "a mask") for masks in (some, others)]
    rows = [np.arange(len(masks)) for masks in (some, others)]
    expected = overlaps(tubes[0], rows[0], tubes[1], rows[1], num_frames)
    with mock.patch.object(sparse_overlap, "_FRAMES_AT_A_TIME", at_a_time):
        found = sparse_overlaps(tubes[0], rows[0], tubes[1], rows[1], num_frames)
    np.testing.assert_array_equal(found.shared_NM, expected.shared_NMT.sum(2))
    np.testing.assert_array_equal(found.area_N, expected.area_NT.sum(1))
    frame_L, column_L, row_L = expected.shared_NMT.transpose(2, 1, 0).nonzero()
    np.testing.assert_array_equal(found.row_Q[found.mask_L], row_L)
    np.testing.assert_array_equal(found.column_L, column_L)
    iou_L = expected.frame_iou()[row_L, column_L, frame_L]
    np.testing.assert_array_equal(found.frame_iou_L(), iou_L)

    def chosen(number):
        places = st.sampled_from(range(number)) if number else st.nothing()
        return np.array(sorted(data.draw(st.sets(places))), int)

    rows_n, frames_F = chosen(len(some)), chosen(num_frames)
    part = found.dense(rows_n, frames_F)
    np.testing.assert_array_equal(part.area_NT, expected.area_NT[rows_n][:, frames_F])
    np.testing.assert_array_equal(part.area_MT, expected.area_MT[:, frames_F])
    np.testing.assert_array_equal(part.shared_NMT, expected.shared_NMT[rows_n][..., frames_F])
    there_NF = expected.area_NT[:, frames_F] > 0
    assert found.rows_in(frames_F).tolist() == np.flatnonzero(there_NF.any(1)).tolist()
    for row in range(len(some)):
        own = np.flatnonzero(expected.area_NT[row])
        assert found.frames_of(row).tolist() == own.tolist()


PER_FRAME, OBJECTS = 6, 3


def one_frame_tracks(num_frames):
    """A video whose tracks are each present in a single frame, and its objects."""
    pixels = np.zeros((PER_FRAME, 12, 20), bool)
    for n in range(PER_FRAME):
        pixels[n, n : n + 6, 2 * n : 2 * n + 8] = True
    masks = encode_masks(pixels)
    content = {
        "videos": [{"id": 1, "height": 12, "width": 20, "length": num_frames}],
        "categories": [{"id": 1}],
        "annotations": [
            {"id": g + 1, "video_id": 1, "category_id": 1, "iscrowd": 0,
             "areas": [48] * num_frames, "segmentations": [masks[2 * g]] * num_frames}
            for g in range(OBJECTS)
        ],
    }  # fmt: skip
    tracks = [
        Track(1, 1, 0.6 + 0.3 * t / num_frames, SparseTube(num_frames, {t: masks[n]}))
        for t in range(num_frames)
        for n in range(PER_FRAME)
    ]
    return GroundTruth.of(content), tracks


def test_memory_of_an_evaluation_grows_with_the_masks():
    peaks = {}
    for num_frames in (200, 400):
        truth, tracks = one_frame_tracks(num_frames)
        results = Results.of(tracks)
        assert len(results.tubes.frame_P) == PER_FRAME * num_frames
        (found,) = track_overlaps(truth, results, 0.5)
        assert len(found.frame_Q) == PER_FRAME * num_frames
        assert len(found.mask_L) <= PER_FRAME * OBJECTS * num_frames
        evaluation, peaks[num_frames] = peak_of(
            lambda truth=truth, tracks=tracks: evaluate(
                truth, Results.of(tracks), tracking_threshold=0.5
            )
        )
        assert evaluation.tracking.summary()["det_averaged"]["detre"] == pytest.approx(1)
    assert peaks[400] < 3 * peaks[200]
    all_places = PER_FRAME * 400 * OBJECTS * 400 * 8
    assert peaks[400] < all_places / 3


def test_a_file_that_was_read_is_held_by_its_masks(tmp_path):
    num_frames = 300
    _, tracks = one_frame_tracks(num_frames)
    write_results(tracks, tmp_path / "r.json")
    read_results(tmp_path / "r.json")
    tracemalloc.start()
    try:
        results = read_results(tmp_path / "r.json")
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert list(results.tracks) == tracks
    assert {track.segmentations.num_masks for track in results.tracks} == {1}
    assert held < PER_FRAME * num_frames * num_frames * 8 / 2


def test_other_forms_of_absent_masks_stay_as_they_are(tmp_path):
    _, (track, *_) = one_frame_tracks(9)
    forms = [[], *track.segmentations[:1], *[None] * 6, {}]
    write_results([Track(1, 1, 0.5, forms)], tmp_path / "r.json")
    (read,) = read_results(tmp_path / "r.json").tracks
    assert list(read.segmentations) == forms
