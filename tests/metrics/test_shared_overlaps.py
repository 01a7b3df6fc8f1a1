"""Overlaps counted once for AP and tracking give the very numbers of counting them for each."""

from dataclasses import fields, is_dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval_problems import parsed, problems, tubes_of_any_sizes
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results, Track
from vis_bench.masks.rle import encode_masks, from_run_lengths
from vis_bench.masks.tubes import measure_tubes
from vis_bench.metrics.frame_overlap import overlaps
from vis_bench.metrics.matching import match
from vis_bench.metrics.space_time_iou import space_time_iou
from vis_bench.metrics.sparse_overlap import sparse_overlaps
from vis_bench.metrics.tracking.evaluate import evaluate_tracking
from vis_bench.metrics.tracking.protocol import track_overlaps
from vis_bench.metrics.ytvis import evaluate


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
        assert len(one) == len(other)
        for parts in zip(one, other, strict=True):
            assert_same(*parts)
    else:
        np.testing.assert_array_equal(one, other)


@given(problems(), st.sampled_from([-1.0, 0.25, 0.5, 1.0]))
@settings(max_examples=300, deadline=None)
def test_matches_and_tracking_are_those_of_separate_passes(problem, threshold):
    ground_truth, results = parsed(*problem)
    found = track_overlaps(ground_truth, results, threshold)
    assert_same(match(ground_truth, results, found), match(ground_truth, results))
    assert_same(
        evaluate_tracking(ground_truth, results, threshold, found),
        evaluate_tracking(ground_truth, results, threshold),
    )


@given(tubes_of_any_sizes(), tubes_of_any_sizes(), st.integers(0, 4), st.data())
@settings(max_examples=400, deadline=None)
def test_iou_from_known_overlaps_and_from_half_on(detections, objects, num_frames, data):
    tubes = [measure_tubes(masks, lambda n, t: "a mask") for masks in (detections, objects)]
    rows_D, columns_G = (np.arange(len(masks)) for masks in (detections, objects))
    plain_DG = space_time_iou(tubes[0], rows_D, tubes[1], columns_G)
    known = np.array(sorted(data.draw(st.sets(st.sampled_from(rows_D.tolist())))), int)
    found = sparse_overlaps(tubes[0], known, tubes[1], columns_G, num_frames)
    turned_D = rows_D[::-1]
    shared_DG = space_time_iou(tubes[0], turned_D, tubes[1], columns_G, found=found)
    np.testing.assert_array_equal(shared_DG, plain_DG[::-1])
    half_DG = space_time_iou(
        tubes[0], turned_D, tubes[1], columns_G, found=found, only_from_half=True
    )
    np.testing.assert_array_equal(half_DG, np.where(plain_DG < 0.5, 0, plain_DG)[::-1])


def boxes(tops, height=30):
    """Boxes that sink through a frame; their spans overlap more than they do."""
    masks = np.zeros((len(tops), height, 12), bool)
    for mask, top in zip(masks, tops, strict=True):
        mask[top : top + 10, 2:10] = True
    return encode_masks(masks)


def test_pairs_given_up_on_the_way_are_below_half():
    """Tubes that move apart or meet again, so that the decision falls in any frame, or in none."""
    generator = np.random.default_rng(0)
    tubes = [
        measure_tubes(
            [boxes(start + np.arange(12) * step // 10) for start, step in drawn],
            lambda n, t: "a mask",
        )
        for drawn in (generator.integers(0, 10, (20, 2)), generator.integers(0, 10, (15, 2)))
    ]
    rows_D, columns_G = [np.arange(len(some)) for some in tubes]
    plain_DG = space_time_iou(tubes[0], rows_D, tubes[1], columns_G)
    assert 0.2 < (plain_DG >= 0.5).mean() < 0.8
    expected_DG = np.where(plain_DG < 0.5, 0, plain_DG)
    together_DG = space_time_iou(tubes[0], rows_D, tubes[1], columns_G, only_from_half=True)
    np.testing.assert_array_equal(together_DG, expected_DG)
    # One by one, where no other pair keeps a given-up one counted.
    for row, column in np.ndindex(plain_DG.shape):
        iou = space_time_iou(
            tubes[0], rows_D[[row]], tubes[1], columns_G[[column]], only_from_half=True
        )
        assert iou == expected_DG[row, column]


def test_an_iou_of_exactly_half_is_kept():
    tubes = [
        measure_tubes([[from_run_lengths(runs, 4, 6)] * 3], lambda n, t: "a mask")
        for runs in ([2, 9, 13], [5, 9, 10])
    ]
    (iou,) = space_time_iou(tubes[0], np.array([0]), tubes[1], np.array([0]), only_from_half=True)
    assert iou == 0.5


@pytest.mark.parametrize("threshold", [0.1, 0.85])
def test_huge_masks(threshold):
    """Frames of more than 2^24 pixels; a shift by a quarter of the width leaves an IoU of 0.6."""
    height, width = 4200, 4100
    pixels = height * width
    masks = {
        shift: from_run_lengths(
            [height * shift, height * 2000, pixels - height * (shift + 2000)], height, width
        )
        for shift in (0, 500, 1000)
    }
    content = {
        "videos": [{"id": 1, "height": height, "width": width, "length": 2}],
        "categories": [{"id": 1}],
        "annotations": [
            {"id": 1, "video_id": 1, "category_id": 1, "iscrowd": 0, "areas": [height * 2000] * 2,
             "segmentations": [masks[0]] * 2}
        ],
    }  # fmt: skip
    tracks = [
        Track(1, 1, score, [masks[shift]] * 2)
        for score, shift in ((0.9, 500), (0.8, 1000), (0.7, 500))
    ]
    ground_truth, results = GroundTruth.of(content), Results.of(tracks)
    together = evaluate(ground_truth, results, tracking_threshold=threshold)
    assert_same(together.matches, match(ground_truth, results))
    assert_same(together.tracking, evaluate_tracking(ground_truth, results, threshold))
    (iou_G,) = overlaps(
        results.tubes, np.array([0]), ground_truth.tubes, np.array([0]), 2
    ).space_time_iou()
    assert iou_G == 1500 / 2500
    assert together.summary()["ap"] == pytest.approx(0.3)
    (video,) = together.tracking.videos
    assert video.num_distinct_tracks == 1
