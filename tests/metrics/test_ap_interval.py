"""The interval of AP: that of the whole bootstrap, and as wide as theory says."""

import json

import numpy as np
import pytest

from compare_workload import generate
from vis_bench.cli import main
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results, Track
from vis_bench.metrics.ap import summarize
from vis_bench.metrics.bootstrap import ap_interval, draw_videos
from vis_bench.metrics.matching import match
from vis_bench.metrics.precision_recall import accumulate


def matches_of(annotations, tracks):
    return match(GroundTruth.of(annotations), Results.of([Track(**track) for track in tracks]))


def test_the_interval_is_made_of_percentiles_of_the_resamples():
    annotations, tracks, _ = generate(1, 20, 5, 10)
    matches = matches_of(annotations, tracks)
    ap_B = [summarize(accumulate(matches, counts_V))["ap"] for counts_V in draw_videos(20, 60, 5)]
    low, high = ap_interval(matches, num_resamples=60, seed=5)
    assert [low, high] == pytest.approx(np.percentile(ap_B, [2.5, 97.5]).tolist(), abs=1e-12)
    assert low < summarize(accumulate(matches))["ap"] < high


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
        {"video_id": thing["video_id"], "category_id": 1, "score": 0.9,
         "segmentations": thing["segmentations"]}
        for thing in annotations["annotations"][:120]
    ]  # fmt: skip
    low, high = ap_interval(matches_of(annotations, tracks))
    half = 1.96 * np.sqrt(0.6 * 0.4 / 200)
    assert [low, high] == pytest.approx([0.6 - half, 0.6 + half], abs=0.02)


def test_without_an_object_there_is_no_interval():
    annotations, tracks, _ = generate(0, 3, 2, 4)
    assert ap_interval(matches_of({**annotations, "annotations": []}, tracks)) is None
    for missing in ("categories", "videos"):
        assert ap_interval(matches_of({**annotations, "annotations": [], missing: []}, [])) is None


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
    assert f"scores outside 0 to 1, of which score thresholds mean nothing: 1 of {len(tracks)}" in (
        printed.err
    )
    assert main(["eval", *files, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    ends = ap_interval(matches_of(annotations, tracks)) or (None, None)
    assert (report["ap_low"], report["ap_high"]) == ends
