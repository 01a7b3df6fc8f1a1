"""The interval of AP: that of half-samples by the definition, and as wide as theory says."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from compare_workload import generate
from growth_cases import data_set
from vis_bench.cli import main
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results, Track
from vis_bench.metrics.ap import summarize
from vis_bench.metrics.half_samples import (
    central_quantile,
    draw_half_samples,
    interval_of,
)
from vis_bench.metrics.matching import match
from vis_bench.metrics.precision_recall import accumulate
from vis_bench.metrics.resample import ap_by_video, resample, weighted_sums
from vis_bench.metrics.scores import Asked, ap_score


def matches_of(annotations, tracks):
    return match(GroundTruth.of(annotations), Results.of([Track(**track) for track in tracks]))


@pytest.mark.parametrize("num_videos", [20, 21])
def test_the_interval_is_that_of_students_t_with_the_spread_of_halves(num_videos):
    annotations, tracks, _ = generate(1, num_videos, 5, 10)
    matches = matches_of(annotations, tracks)
    halves_BV = draw_half_samples(num_videos, 60, 5)
    assert set(np.unique(halves_BV)) == {0, 1}
    assert (halves_BV.sum(1) == 10).all()
    assert halves_BV.mean(0) == pytest.approx(np.full(num_videos, 10 / num_videos), abs=0.25)
    ap_B = [summarize(accumulate(matches, counts_V))["ap"] for counts_V in halves_BV]
    ap = summarize(accumulate(matches))["ap"]
    error = np.sqrt(10 / (num_videos - 10)) * np.std(ap_B, ddof=1)
    expected = stats.t.interval(0.95, num_videos - 1, ap, error)
    found = ap_score(matches, Asked(num_resamples=60, seed=5)).interval
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("values", "least", "expected"),
    [
        ([0.99, 0.8, 0.9, 1.0, 0.7], 0.0, (None, 1.0)),
        ([0.01, 0.2, 0.1, 0.0, 0.3], 0.0, (0.0, None)),
        ([0.01, 0.2, 0.1, 0.0, 0.3], -1.0, (None, None)),
        ([0.5, 0.5, 0.5, 0.5, np.nan], 0.0, None),
        ([0.5, 0.4, np.nan, np.nan, np.nan], 0.0, None),
        ([np.nan, 0.4, 0.5, 0.6, 0.7], 0.0, None),
    ],
)
def test_an_interval_stays_within_fractions_and_needs_a_spread(values, least, expected):
    found = interval_of(np.array(values), 8, least)
    if expected is None:
        assert found is None
        return
    low, high = found
    for end, clipped in zip(found, expected, strict=True):
        assert (end == clipped) if clipped is not None else (least < end < 1)
    assert low < values[0] < high


def test_quantiles_are_those_of_scipy():
    for freedom in (*range(1, 100), 999, 4827):
        expected = stats.t.ppf([0.75, 0.975, 0.995], freedom)
        found = [central_quantile(freedom, share) for share in (0.5, 0.95, 0.99)]
        assert found == pytest.approx(expected, rel=1e-11)


def test_the_interval_is_that_of_a_share_where_ap_is_one():
    """One object in each of 200 videos, 60 % of them found perfectly: AP is a share of videos.

    By Wald's formula it ends 1.96 * sqrt(0.6 * 0.4 / 200) from 0.6; AP has steps of 1/101.
    """
    annotations, _, _ = generate(0, 200, 1, 1)
    first = {}
    for thing in annotations["annotations"]:
        first.setdefault(thing["video_id"], thing)
    annotations["annotations"] = list(first.values())
    tracks = [
        {
            "video_id": thing["video_id"],
            "category_id": 1,
            "score": 0.9,
            "segmentations": thing["segmentations"],
        }
        for thing in annotations["annotations"][:120]
    ]
    low, high = ap_score(matches_of(annotations, tracks)).interval
    half = 1.96 * np.sqrt(0.6 * 0.4 / 200)
    assert [low, high] == pytest.approx([0.6 - half, 0.6 + half], abs=0.02)


def test_without_an_object_there_is_no_interval():
    annotations, tracks, _ = generate(0, 3, 2, 4)
    assert ap_score(matches_of({**annotations, "annotations": []}, tracks)).interval is None
    for missing in ("categories", "videos"):
        content = {**annotations, "annotations": [], missing: []}
        assert ap_score(matches_of(content, [])).interval is None


@pytest.mark.parametrize("num_videos", [2, 3])
def test_eval_prints_the_interval_of_three_videos_and_more(num_videos, tmp_path, capsys):
    annotations, tracks, _ = generate(1, num_videos, 3, 6)
    tracks[0]["score"] = 1.5
    for name, content in (("gt", annotations), ("r", tracks)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    files = ["--annotations", str(tmp_path / "gt.json"), "--predictions", str(tmp_path / "r.json")]
    assert main(["eval", *files]) == 0
    printed = capsys.readouterr()
    assert ("95 %" in printed.out) == (num_videos == 3)
    assert f"for which score thresholds mean nothing: 1 of {len(tracks)}" in (printed.err)
    assert main(["eval", *files, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    ends = ap_score(matches_of(annotations, tracks)).interval or (None, None)
    assert (report["ap_low"], report["ap_high"]) == ends


@pytest.mark.parametrize(
    "shape", [(1001, 60, 8), (257, 60, 133), (40, 300, 90), (200, 40000, 9), (5, 2, 0), (0, 3, 4)]
)
def test_sums_in_blocks_of_rows_are_those_of_the_whole_product(shape):
    rng = np.random.default_rng(0)
    weights_BV, values_VX = (rng.integers(0, 9, s).astype(float) for s in (shape[:2], shape[1:]))
    found_BX = weighted_sums(weights_BV, values_VX)
    assert found_BX.dtype == float
    np.testing.assert_array_equal(found_BX, np.einsum("bv,vx->bx", weights_BV, values_VX))


@pytest.mark.parametrize("parts", [{}, {"short": np.arange(300) < 90, "long": np.arange(300) > 99}])
def test_ap_of_each_video_is_that_of_a_resample_with_it_alone(parts):
    """To the last digit, which depends on how far apart the hits of a video are."""
    matches = replace(match(*data_set(300, 2, 9)), parts=parts)
    assert all(category.hits_ATn[0, 0].sum() > 1024 for category in matches.categories)
    alone_VV = np.eye(300, dtype=np.int8)
    expected_V = resample(matches, alone_VV, num_ranges=1).numbers()["ap"]
    np.testing.assert_array_equal(ap_by_video(matches), expected_V)
    assert np.isnan(expected_V).sum() == 10 * bool(parts)
