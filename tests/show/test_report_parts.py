"""Parts of the HTML report: resamples, tables, the choice of videos, timelines."""

import re

import numpy as np
import pytest

from drawing_case import CROSSING, LEFT, RIGHT, T, results, truth, tube
from report_case import write_case
from vis_bench.data.video import video_without_frames
from vis_bench.metrics.analyse import analyse
from vis_bench.metrics.compare import compare
from vis_bench.metrics.matching import IOU_THRESHOLDS
from vis_bench.runs.sources import compared_sources
from vis_bench.show.number_format import range_text
from vis_bench.show.overlay.timelines import object_timelines
from vis_bench.show.overlay.tracks import objects_of, tracks_of
from vis_bench.show.report.costs import cost_remarks, speed_table, stage_table
from vis_bench.show.report.metrics import (
    cards,
    category_table,
    contradictions,
    error_table,
    metrics_table,
    threshold_aps,
)
from vis_bench.show.report.plots import ap_over_iou, precision_recall, stage_costs
from vis_bench.show.report.table import Cell, change, interval, points
from vis_bench.show.report.videos import chosen_groups, in_turn, telling_frame, timeline

RESAMPLES = 40


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return write_case(tmp_path_factory.mktemp("case"))


@pytest.fixture(scope="module")
def inputs(case):
    return compared_sources([case["good"], case["bad"]], annotations=case["annotations"])


@pytest.fixture(scope="module")
def samples(inputs):
    return [
        analyse(
            inputs.truth, source.results, tracking_threshold=0.5, num_resamples=RESAMPLES, seed=3
        )
        for source in inputs.sides
    ]


def test_the_first_sample_is_the_evaluation(samples):
    for side in samples:
        summary = side.evaluation.summary()
        for key in ("ap", "ap50", "ap75", "ar1", "ar10", "ar100"):
            assert side.overall[key][0] == pytest.approx(summary[key], abs=1e-12)
        tracked = side.evaluation.tracking.summary()["det_averaged"]
        for key in ("hota", "deta", "assa", "idf1"):
            assert side.overall[key][0] == pytest.approx(tracked[key], abs=1e-12)


def test_differences_are_those_of_compare(samples):
    expected = compare(*samples)
    table = {row[0].text: row for row in metrics_table(samples).rows}
    for key, title in (("ap", "AP"), ("ap75", "AP75"), ("ar10", "AR10"), ("hota", "HOTA")):
        cell, p_value = table[title][3:]
        number = {**expected.overall, **expected.tracking}[key]
        assert cell.order == pytest.approx(number.difference)
        assert cell.detail == range_text(number.low, number.high, signed=True)
        assert p_value.order == pytest.approx(number.p_value)
    by_video = {video.name: video.difference for video in expected.videos}
    moved = samples[1].by_video["ap"] - samples[0].by_video["ap"]
    assert by_video == pytest.approx(
        {name: m for name, m in zip(("cats", "dogs", "birds"), moved, strict=True) if m}
    )


def test_an_interval_is_of_percentiles():
    values = np.array([0.7, *np.linspace(0, 1, 1001)])
    assert interval(values) == Cell("70.0", 0.7, "2.5 to 97.5")
    assert interval(np.array([np.nan, 0.5])) == Cell("-")
    assert interval(np.array([0.5, np.nan])) == Cell("50.0", 0.5)


def test_cards_show_the_headline_numbers(samples):
    assert [card["title"] for card in cards(samples)] == ["AP", "AP75", "AR10", "HOTA"]
    (one, *_) = cards(samples[:1])
    assert one["difference"] is None
    assert one["numbers"][0].text == f"{100 * samples[0].overall['ap'][0]:.1f}"


def test_categories_have_ap_at_each_threshold(samples):
    ap_TK = threshold_aps(samples[0])
    np.testing.assert_allclose(ap_TK.mean(0), samples[0].by_category["ap"][0])
    table = category_table(samples[:1])
    assert [heading.title for heading in table.headings[-2:]] == [".90", ".95"]
    assert [row[0].text for row in table.rows] == ["cat", "dog"]
    assert [cell.order for cell in table.rows[0][-len(IOU_THRESHOLDS) :]] == ap_TK[:, 0].tolist()
    both = category_table(samples)
    change = (threshold_aps(samples[1]) - ap_TK)[:, 1]
    np.testing.assert_allclose([c.order for c in both.rows[1][-10:]], change)


def test_errors_add_up_to_what_is_lost(samples):
    rows = error_table(samples[:1]).rows
    gains = {row[0].text: row[1].order for row in rows}
    parts = [gains.pop(kind) for kind in list(gains) if kind.startswith("identity: ")]
    assert len(parts) == 3
    assert sum(parts) == pytest.approx(gains["identity"])
    assert sum(gains.values()) == pytest.approx(1 - samples[0].overall["ap"][0])


def test_a_record_that_contradicts_its_predictions_is_named(inputs, samples):
    wrong = inputs.sides[0].record.model_copy(update={"ap": 0.125})
    right = inputs.sides[1].record.model_copy(update={"ap": float(samples[1].overall["ap"][0])})
    (sentence,) = contradictions(samples, [wrong, right])
    assert "record A is 12.50" in sentence


def test_costs_say_what_is_missing(inputs):
    records = [side.record for side in inputs.sides]
    assert [row[0].text for row in speed_table(records).rows] == ["A", "B"]
    assert [heading.title for heading in stage_table(records[:1]).headings] == [
        "Region", "encode", "predict", "other", "sum",
    ]  # fmt: skip
    assert stage_table(records[:1]).rows[0][-1].order == pytest.approx(76.0)
    bare = records[0].model_copy(update={"fps": None, "regions": {}})
    assert cost_remarks([bare]) == ["Speed was not measured."]
    assert speed_table([bare]) is None
    assert stage_table([None]) is None
    other = records[1].model_copy(update={"device": "a GPU"})
    assert "other machines" in cost_remarks([records[0], other])[0]


class FakeSamples:
    def __init__(self, *aps):
        self.by_video = {"ap": np.array(aps)}


def test_the_worst_and_the_best_are_chosen_once():
    sides = [FakeSamples(0.5, 0.1, np.nan, 0.9, 0.1, 1.0)]
    groups = chosen_groups(sides, 4)
    assert groups == [
        ("The worst videos", [1, 4]), ("The best videos", [5, 3]),
    ]  # fmt: skip
    assert in_turn(groups) == [1, 5, 4, 3]
    everything = chosen_groups(sides, 99)
    assert sorted(in_turn(everything)) == [0, 1, 3, 4, 5]
    assert [places for _, places in chosen_groups(sides, 1)] == [[1]]


def test_of_two_the_videos_that_changed_most_are_chosen():
    sides = [FakeSamples(0.5, 0.1, np.nan, 0.9), FakeSamples(0.4, 0.8, np.nan, 0.9)]
    assert [places for _, places in chosen_groups(sides, 8)] == [[1, 0]]
    assert chosen_groups([sides[0], sides[0]], 8) == []


def object_lines(objects, track, category):
    video = video_without_frames(1, "cats", 60, 96, T)
    tracks = tracks_of(results((track, category, 0.9)), video, 0.0)
    return object_timelines(tracks, objects_of(truth(*objects), video), T)


def test_a_timeline_is_as_high_as_the_iou():
    near = tube((20, 8), (20, 12), None, (20, 64))
    (line,) = object_lines([(LEFT, 1)], near, 1)
    assert timeline("A", line) == {
        "letter": "A", "found": "M0 20V0h1V8h1V20z", "wrong_class": "", "switches": [],
        "missed": "M2 20V0h1V0h1V20z", "near": "M2 20V20h1V20h1V20z",
        "text": "found in 2 of 4 frames; mean IoU 0.80",
    }  # fmt: skip
    assert telling_frame([line], T) == 2


def test_a_timeline_says_what_went_wrong():
    left, right = (timeline("", x) for x in object_lines([(LEFT, 1), (RIGHT, 1)], CROSSING, 2))
    assert left["text"] == "found in 2 of 4 frames; mean IoU 1.00; wrong class in 2"
    assert right["text"].endswith("identity switch at 2")
    assert (left["found"], left["wrong_class"]) == ("", "M0 20V0h1V0h1V20z")
    assert right["switches"] == [2]


def test_charts_take_the_pages_colors_and_their_ids_are_their_own(samples):
    charts = [str(precision_recall(samples)), str(ap_over_iou(samples))]
    charts.append(str(stage_costs([("<b>model</b>$x$", {"encode": 1.0, "_other$y$": 0.5})])))
    ids = [identity for chart in charts for identity in re.findall(r'\bid="([^"]+)"', chart)]
    assert len(ids) == len(set(ids))
    for chart in charts:
        assert re.search(r"var\(--series-1\)", chart)
        assert not re.search(r"#[0-9a-f]{6}\b", chart)
        assert '<svg viewBox="0 0 ' in chart
        assert re.search(r'role="img" aria-label="[^"]{20,}"', chart)
        for used in re.findall(r"url\(#([^)]+)\)", chart):
            assert f'id="{used}"' in chart
    assert "&lt;b&gt;model&lt;/b&gt;$x$" in charts[2]
    assert "_other$y$" in charts[2]


def test_numbers_as_printed():
    assert points(float("nan")) == Cell("-")
    assert points(0.5, shaded=True) == Cell("50.0", 0.5, shade=0.5)
    assert [change(x).text for x in (0.0004, -0.0004, 0.05, -0.05)] == [
        "0.0",
        "0.0",
        "+5.0",
        "-5.0",
    ]
    assert [change(x, 3).shade for x in (0.1, 0.5, -0.5)] == pytest.approx([0.3, 1, -1])
    assert change(float("nan")) == Cell("-")
