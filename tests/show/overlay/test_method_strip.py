"""Strips of several methods: the AP of a video, and a video that shows the ranking."""

import pytest

from report_case import write_case
from vis_bench.metrics.compare import analyse
from vis_bench.metrics.scores import Asked
from vis_bench.runs.sources import compared_sources
from vis_bench.show.figures.strips import MethodStrip, method_strip, telling_strip


@pytest.fixture
def sources(tmp_path):
    """Three videos: the first side is better on `cats` and `dogs`, the second on `birds`."""
    case = write_case(tmp_path)
    given = {"annotations": case["annotations"], "frames": case["frames"]}
    return compared_sources([case["good"], case["bad"]], **given)


def test_the_ap_of_a_video_is_that_of_the_analysis(sources):
    for side in sources.sides:
        by_video = analyse(sources.truth, side.results, Asked(num_resamples=2)).by_video["ap"]
        found = [MethodStrip.of(sources, video).aps()[side.name] for video in sources.videos]
        assert found == pytest.approx(by_video.tolist())


@pytest.mark.parametrize(("sign", "name"), [(1, "cats"), (-1, "birds")])
def test_the_video_agrees_with_the_ranking(sources, sign, name):
    ranked = type(sources)(sources.sides[::sign], sources.truth, sources.videos)
    strip = telling_strip(ranked, 0.5)
    assert strip.video.name == name
    first, second = strip.aps().values()
    assert first > second


def test_without_a_video_that_agrees_the_one_with_most_objects_is_shown(sources):
    same = type(sources)([sources.sides[0]] * 2, sources.truth, sources.videos)
    assert telling_strip(same, 0.5).video.name == "cats"


def test_a_row_says_its_ap_and_the_heading_its_video(sources):
    strip = MethodStrip.of(sources, sources.videos[0])
    [(heading, pictures)] = method_strip(strip, min_score=0.5, labels="first")
    assert heading == "cats: 4 frames, 2 objects"
    aps = [f"AP {100 * ap:.1f}" for ap in strip.aps().values()]
    assert [row.note for row in pictures.rows] == ["", *aps]
