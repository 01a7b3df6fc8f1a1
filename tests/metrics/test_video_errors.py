"""Errors video by video: each as if the video were alone."""

import json

import numpy as np
import pytest

from paths import GOLDEN
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results, read_results
from vis_bench.metrics.ap import evaluate
from vis_bench.metrics.errors import ERRORS, break_down, break_down_videos, worst_videos


@pytest.fixture(scope="module")
def quirks():
    content = json.loads((GOLDEN / "eval_quirks.gt.json").read_text())
    return content, read_results(GOLDEN / "eval_quirks.preds.json")


def alone(content, results, video):
    """The files cut down to one video."""
    truth = GroundTruth.of(
        {
            **content,
            "videos": [v for v in content["videos"] if v["id"] == video],
            "annotations": [a for a in content["annotations"] if a["video_id"] == video],
        }
    )
    return truth, Results.of([t for t in results.tracks if t.video_id == video])


def test_every_video_is_broken_down_as_if_it_were_alone(quirks):
    content, results = quirks
    steps = []
    found = break_down_videos(GroundTruth.of(content), results, lambda: steps.append(1))
    assert len(steps) == len(content["videos"])
    counted = {a["video_id"] for a in content["annotations"] if not a.get("iscrowd")}
    assert {errors.video.id for errors in found} == counted
    for errors in found:
        truth, own = alone(content, results, errors.video.id)
        wanted = break_down(truth, own)
        assert errors.ap == pytest.approx(wanted.ap)
        assert errors.ap == pytest.approx(evaluate(truth, own).summary()["ap"])
        assert errors.gains == pytest.approx(wanted.gains)
        assert sum(errors.gains.values()) == pytest.approx(1 - errors.ap)


def test_the_worst_come_first_and_none_that_loses_nothing(quirks):
    content, results = quirks
    found = break_down_videos(GroundTruth.of(content), results)
    worst = worst_videos(found, ERRORS, 2)
    assert list(worst) == list(ERRORS)
    assert any(worst.values())
    for kind, videos in worst.items():
        losses = sorted((e.gains[kind] for e in found if e.gains[kind] > 1e-9), reverse=True)
        assert [errors.gains[kind] for errors in videos] == losses[:2]
    assert np.isfinite([e.ap for e in found]).all()
