"""Tube-Boundary AP against HQ-YTVIS's evaluator; see tests/golden/boundary_README.md."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion

from paths import GOLDEN
from vis_bench.cli import main
from vis_bench.data.annotations import read_annotations
from vis_bench.data.results_file import read_results
from vis_bench.masks import boundary, compiled
from vis_bench.masks.boundary import band_width, boundaries
from vis_bench.masks.rle import encode_masks
from vis_bench.metrics.ap import evaluate_files
from vis_bench.metrics.boundary import BoundaryOverlaps
from vis_bench.metrics.overlaps import video_overlaps
from vis_bench.metrics.scores import Asked
from vis_bench.record.store import RecordStore

INPUT_OF = {"made": "boundary_made", "quirks": "eval_quirks", "dense": "eval_dense"}


def files(name):
    return [GOLDEN / f"{INPUT_OF[name]}.{part}.json" for part in ("gt", "preds")]


@pytest.mark.parametrize("name", INPUT_OF)
def test_arrays_are_bit_equal(name):
    evaluation = evaluate_files(*files(name), Asked(boundary=True))
    arrays = np.load(GOLDEN / f"boundary_{name}.arrays.npz")
    expected = json.loads((GOLDEN / f"boundary_{name}.expected.json").read_text())
    curves = evaluation.boundary.curves
    np.testing.assert_array_equal(curves.precision_TRKAM, arrays["precision"])
    np.testing.assert_array_equal(curves.recall_TKAM, arrays["recall"])
    np.testing.assert_array_equal(curves.scores_TRKAM, arrays["scores"])
    assert list(evaluation.boundary.summary().values()) == list(expected["stats"].values())
    assert list(evaluation.summary().values()) == list(expected["mask_stats"].values())
    for row in evaluation.boundary.per_category():
        official = expected["per_category"][str(row["id"])]
        assert (row["ap"], row["ar100"]) == (official["AP"], official["AR100"])


def test_ious_are_bit_equal():
    """Those of all pairs, of which evaluation needs the boundaries of some."""
    truth, results = read_annotations(files("made")[0]), read_results(files("made")[1])
    arrays = np.load(GOLDEN / "boundary_made.arrays.npz")
    overlaps = video_overlaps(truth, results, np.ones(len(results.tracks), bool))
    checked = 0
    for video, own in zip(truth.videos, overlaps, strict=True):
        crowd_M = np.array([truth.objects[row].is_crowd for row in own.objects.rows_N], bool)
        everything = np.arange(len(own.tracks.rows_N)), np.arange(len(crowd_M))
        iou_NM = BoundaryOverlaps(own, crowd_M, least=0.0).ious(*everything)
        needed_NM = BoundaryOverlaps(own, crowd_M).ious(*everything)
        category_N = np.array([results.tracks[row].category_id for row in own.tracks.rows_N])
        category_M = np.array([truth.objects[row].category_id for row in own.objects.rows_N])
        score_N = np.array([results.tracks[row].score for row in own.tracks.rows_N])
        for category in truth.categories:
            key = f"iou/{video.id}/{category}"
            if key not in arrays:
                continue
            rows = np.flatnonzero(category_N == category)
            rows = rows[np.argsort(-score_N[rows], kind="stable")]
            place = np.ix_(rows, np.flatnonzero(category_M == category))
            np.testing.assert_array_equal(iou_NM[place], arrays[key])
            reached = arrays[key] >= 0.5
            np.testing.assert_array_equal(needed_NM[place] >= 0.5, reached)
            np.testing.assert_array_equal(needed_NM[place][reached], arrays[key][reached])
            checked += 1
    assert checked == sum(key.startswith("iou/") for key in arrays.files)


def test_widths_of_the_band():
    expected = json.loads((GOLDEN / "boundary_made.expected.json").read_text())["radius_of_video"]
    for video in read_annotations(files("made")[0]).videos:
        assert band_width(video.height, video.width) == expected[str(video.id)]
    assert [band_width(*size) for size in ((720, 1280), (75, 100), (105, 140))] == [29, 2, 4]


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 2**32 - 1), st.integers(1, 150), st.integers(1, 120), st.integers(1, 4))
def test_a_boundary_is_the_mask_without_its_erosion(seed, height, width, num_frames):
    """Each pixel counts, since the first mask of a frame is noise, which is all boundary."""
    random = np.random.default_rng(seed)
    masks_QHW, frame_Q = [], np.sort(random.integers(0, num_frames, 6))
    for frame in frame_Q:
        mask = random.random((height, width)) < random.choice([0.5, 0.002, 0])
        if len(masks_QHW) and frame == frame_Q[len(masks_QHW) - 1]:
            top, left = random.integers(0, height), random.integers(0, width)
            mask[top:, left:] ^= True  # a box with holes, in which squares fit
        masks_QHW.append(mask)
    square, radius = np.ones((3, 3), bool), band_width(height, width)
    expected_QHW = [m & ~binary_erosion(m, square, iterations=radius) for m in masks_QHW]
    seen = 0
    for own, found in boundaries(encode_masks(np.stack(masks_QHW)), frame_Q):
        assert found.areas_Q.tolist() == [band.sum() for band in expected_QHW[own]]
        for frame in set(frame_Q[own].tolist()):
            first, last = (np.searchsorted(frame_Q[own], frame + end) for end in (0, 1))
            shared = [
                (expected_QHW[own][first] & b).sum() for b in expected_QHW[own][first + 1 : last]
            ]
            assert found.shared_with_first(slice(first, last)).tolist() == shared
        seen += own.stop - own.start
    assert seen == 6


def test_masks_are_packed_some_frames_at_a_time(monkeypatch):
    monkeypatch.setattr(compiled, "library", None)
    masks = encode_masks(np.random.default_rng(0).random((7, 90, 70)) < 0.5)
    frame_Q = np.array([0, 0, 1, 3, 3, 4, 4])
    [(_, whole)] = boundaries(masks, frame_Q)
    for limit in ("_MOST_WORDS", "_MOST_CHARACTERS"):
        with monkeypatch.context() as patched:
            patched.setattr(boundary, limit, 300)
            parts = list(boundaries(masks, frame_Q))
        assert [(own.start, own.stop) for own, _ in parts] == [(0, 2), (2, 3), (3, 5), (5, 7)]
        np.testing.assert_array_equal(
            np.concatenate([part.areas_Q for _, part in parts]), whole.areas_Q
        )
    assert list(boundaries([], frame_Q[:0])) == []


def test_the_command(capsys, tmp_path):
    truth, predictions = map(str, files("made"))
    arguments = ["eval", "--annotations", truth, "--predictions", predictions, "--boundary"]
    expected = json.loads((GOLDEN / "boundary_made.expected.json").read_text())
    assert main([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    found = document["boundary"]
    assert (found["ap"], document["ap"]) == tuple(
        expected[key]["AP"] for key in ("stats", "mask_stats")
    )
    assert found["ap_l"] is None
    assert found["ap_low"] < found["ap"] < found["ap_high"]
    assert main(arguments) == 0
    assert "32.9" in capsys.readouterr().out
    images = tmp_path / "images.json"
    image = {"id": 1, "height": 2, "width": 2, "file_name": "a.jpg"}
    images.write_text(json.dumps({"images": [image], "categories": [], "annotations": []}))
    empty = tmp_path / "empty.json"
    empty.write_text("[]")
    assert Path(images).exists()
    arguments = ["eval", "--annotations", str(images), "--predictions", str(empty), "--boundary"]
    assert main(arguments) == 2


def test_a_record_holds_it_where_it_is_asked_for(capsys, tmp_path):
    truth, predictions = map(str, files("made"))
    arguments = ["eval", "--annotations", truth, "--predictions", predictions, "--record", "Net"]
    arguments += ["--dataset", "mine", "--output", str(tmp_path)]
    expected = json.loads((GOLDEN / "boundary_made.expected.json").read_text())
    for asked in (True, False):
        assert main([*arguments, *["--boundary"] * asked]) == 0
        [record] = RecordStore(tmp_path)
        numbers = record.boundary_ap, record.boundary_ap50, record.boundary_ap75
        stats = [expected["stats"][key] for key in ("AP", "AP50", "AP75")]
        assert list(numbers) == (stats if asked else [None] * 3)
        ends = record.boundary_ap_low, record.boundary_ap_high
        assert ends[0] < numbers[0] < ends[1] if asked else ends == (None, None)
        capsys.readouterr()
        assert main(["table", "measured", "--records", str(tmp_path)]) == 0
        assert ("Boundary AP" in capsys.readouterr().out) == asked
