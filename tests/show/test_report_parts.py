"""Parts of the HTML report: resamples, tables, the choice of videos, timelines."""

import re
from dataclasses import replace

import numpy as np
import pytest

from compare_workload import generate
from drawing_case import CROSSING, LEFT, RIGHT, T, results, truth, tube
from report_case import write_case
from vis_bench.charts import draw_inline
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results, Track
from vis_bench.data.video import video_without_frames
from vis_bench.metrics.analyse import analyse
from vis_bench.metrics.compare import compare
from vis_bench.metrics.errors import ERRORS, break_down_videos
from vis_bench.metrics.half_samples import interval_of
from vis_bench.metrics.matching import IOU_THRESHOLDS, num_holding
from vis_bench.runs.sources import compared_sources
from vis_bench.show.overlay.timelines import object_timelines
from vis_bench.show.overlay.tracks import objects_of, tracks_of
from vis_bench.show.report.facts import describe_sides, shared_by
from vis_bench.show.report.measurements import not_measured, sections
from vis_bench.show.report.metrics import (
    category_table,
    contradictions,
    error_table,
    hard_table,
    metrics_table,
    threshold_aps,
)
from vis_bench.show.report.plots import (
    SIZE,
    ap_over_iou,
    calibration,
    forest,
    hard_forest,
    hota_over_score,
    lost_ap,
    precision_recall,
    report_panels,
)
from vis_bench.show.report.scores import bin_table, confusion_table, scores_of
from vis_bench.show.report.table import change, interval, points
from vis_bench.show.report.verdict import care, title_of, verdict
from vis_bench.show.report.videos import (
    by_change,
    by_interest,
    telling_frame,
    tile_scale,
    tiles,
    timeline,
    video_table,
)
from vis_bench.table.model import Entry
from vis_bench.table.number_format import range_text

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
        cell, p_value = table[title][1], table[title][4]
        number = {**expected.overall, **expected.tracking}[key]
        assert cell.order == pytest.approx(number.difference)
        assert cell.detail == range_text(number.low, number.high, signed=True)
        assert p_value.order == pytest.approx(number.p_value)
    by_video = {video.name: video.difference for video in expected.videos}
    moved = samples[1].by_video["ap"] - samples[0].by_video["ap"]
    assert by_video == pytest.approx(
        {name: m for name, m in zip(("cats", "dogs", "birds"), moved, strict=True) if m}
    )


def test_an_interval_is_that_of_half_samples():
    values = np.array([0.7, 0.6, 0.8, 0.65, 0.75])
    low, high = interval_of(values, 8)
    assert interval(values, 8) == Entry("70.0", order=0.7, detail=range_text(low, high))
    assert interval(np.array([np.nan, 0.5]), 8) == Entry("-")
    assert interval(np.array([0.5, np.nan]), 8) == Entry("50.0", order=0.5)


def test_categories_have_ap_at_each_threshold(samples):
    ap_TK = threshold_aps(samples[0])
    np.testing.assert_allclose(ap_TK.mean(0), samples[0].by_category["ap"][0])
    table = category_table(samples[:1], None)
    assert [heading.title for heading in table.columns[-2:]] == [".90", ".95"]
    assert [row[0].text for row in table.rows] == ["cat", "dog"]
    assert [cell.order for cell in table.rows[0][-len(IOU_THRESHOLDS) :]] == ap_TK[:, 0].tolist()
    both = category_table(samples, compare(*samples))
    change = (threshold_aps(samples[1]) - ap_TK)[:, 1]
    np.testing.assert_allclose([c.order for c in both.rows[1][-10:]], change)


def test_errors_add_up_to_what_is_lost(samples):
    errors = [break_down_videos(side.truth, side.results) for side in samples]
    rows = error_table(samples[:1], errors[:1], {1, 2, 3}).rows
    gains = {row[0].text: row[1].order for row in rows}
    parts = [gains.pop(kind) for kind in list(gains) if kind.startswith("identity: ")]
    assert len(parts) == 3
    assert sum(parts) == pytest.approx(gains["identity"])
    assert sum(gains.values()) == pytest.approx(1 - samples[0].overall["ap"][0])
    both = {row[0].text: row for row in error_table(samples, errors, {1, 2, 3}).rows}
    moved = both["identity"][1]
    assert moved.order == pytest.approx(both["identity"][3].order - both["identity"][2].order)
    assert moved.shade == -min(1, 3 * moved.order) < 0
    assert both["identity"][-1].links[0] == ("cats", "#video-1")
    gain_S = samples[0].errors.samples["mask quality"]
    ends = range_text(*(interval_of(gain_S, 3) or (None, None)))
    assert both["mask quality"][2].detail == ends != ""
    closed = error_table(samples, errors, set()).rows
    assert not any(row[-1].links for row in closed)


def test_a_record_that_contradicts_its_predictions_is_named(inputs, samples):
    wrong = inputs.sides[0].record.model_copy(update={"ap": 0.125})
    right = inputs.sides[1].record.model_copy(update={"ap": float(samples[1].overall["ap"][0])})
    (sentence,) = contradictions(samples, [wrong, right])
    assert "record A is 12.50" in sentence


def section_of(name, *records):
    return next(section for section in sections(records) if section.name == name)


def texts(table):
    return [[entry.text for entry in row] for row in table.rows]


def test_each_measurement_has_a_section_with_the_rows_of_both_sides(inputs):
    records = [side.record for side in inputs.sides]
    assert [section.name for section in sections(records)] == ["flops", "speed"]
    speed, stages = section_of("speed", *records).page.tables
    titles = [column.full_title for column in speed.columns]
    assert titles == ["", "FPS", *(f"Interval (ms) p{p}" for p in (50, 90, 99)), "Memory (MiB)"]
    assert texts(speed) == [[x, "12.5", "80.0", "90.0", "95.0", "300"] for x in "AB"]
    assert texts(stages) == [[x, "60.00", "15.50", "0.50", "76.00"] for x in "AB"]
    (flops,) = section_of("flops", *records).page.tables
    assert texts(flops) == [[x, "31.50", "-", "39.15"] for x in "AB"]
    assert not_measured(records) == ["memory", "streaming"]


def test_one_record_has_no_letters_and_equal_cells_have_them(inputs):
    record = inputs.sides[0].record
    (alone,) = section_of("flops", record).page.tables
    assert texts(alone) == [["31.50", "-", "39.15"]]
    (twice,) = section_of("flops", record, record).page.tables
    assert [row[0].text for row in twice.rows] == ["A", "B"]


def test_columns_of_one_side_stay_and_empty_ones_go(inputs):
    first = inputs.sides[0].record
    region = first.regions["model+tracker"].model_copy(
        update={"energy_joules_per_frame": 0.5, "stage_ms_per_frame": {"encode": 1.0, "track": 2.0}}
    )
    second = first.model_copy(update={"regions": {"model+tracker": region}})
    speed, stages = section_of("speed", first, second).page.tables
    assert [row[-1].text for row in speed.rows] == ["-", "0.50"]
    titles = [column.title for column in stages.columns]
    assert titles == ["", "encode", "predict", "track", "other", "sum"]
    assert texts(stages)[1] == ["B", "1.00", "-", "2.00", "-", "3.00"]


def test_a_section_cautions_about_sides_that_cannot_be_compared(inputs):
    first, second = (side.record for side in inputs.sides)
    assert section_of("speed", first).cautions == []
    for changes, part in (
        ({"device": "a GPU"}, "another device"),
        ({"speed_spread": 0.1, "num_threads": 4}, "other threads"),
        ({"load_average": 9.0, "num_cpus": 2}, "busy"),
    ):
        other = second.model_copy(update=changes)
        assert any(part in text for text in section_of("speed", first, other).cautions)
    kernels = second.model_copy(update={"kernel_build": "g++"})
    assert section_of("speed", first, kernels).cautions == (
        section_of("speed", first, second).cautions
    )
    bare = first.model_copy(update={"fps": None, "regions": {}})
    assert section_of("speed", bare, second).cautions == ["Measured for B only."]
    assert section_of("speed", None, second).cautions == ["Measured for B only."]
    assert [section.name for section in sections([bare, None])] == ["flops"]


def test_the_head_says_once_what_both_sides_share(inputs):
    first, second = inputs.sides
    changed = second.record.model_copy(update={"backbone": "r101", "limited": True})
    second = replace(second, record=changed)
    brief = ["short side 360 px", "float32", "on a CPU"]
    assert shared_by([first, second]) == {"setting": brief, "marks": []}
    one, other = describe_sides([first, second])
    assert (one["setting"], other["setting"]) == (["r50"], ["r101"])
    assert (one["marks"], len(other["marks"])) == ([], 1)
    assert shared_by([second, second])["marks"] == other["marks"]
    assert describe_sides([second, second])[0]["marks"] == []
    assert shared_by([first]) == shared_by([first, replace(second, record=None)])
    assert describe_sides([first])[0]["setting"] == ["r50", *brief]


class FakeSamples:
    def __init__(self, *aps):
        self.by_video = {"ap": np.array(aps)}
        self.overall = {"ap": np.array([np.nanmean(aps)])}


def test_videos_go_by_ap_or_its_change_and_the_most_telling_are_drawn_first():
    sides = [FakeSamples(0.5, 0.1, np.nan, 0.9), FakeSamples(0.4, 0.8, np.nan, 0.9)]
    assert by_change(sides[:1]) == by_interest(sides[:1], None) == [1, 0, 3, 2]
    assert by_change(sides) == [0, 3, 1, 2]
    assert by_interest(sides, None) == [1, 0, 3, 2]
    assert by_interest(sides, 2) == [1, 0]
    behind = [sides[0], FakeSamples(0.3, 0.4, np.nan, 0.1)]
    assert by_interest(behind, None) == [3, 1, 0, 2]
    assert by_interest([sides[0], FakeSamples(0.3, 0.7, np.nan, 0.1)], 2) == [3, 1]


@pytest.fixture(scope="module")
def scores(samples):
    return [scores_of(side) for side in samples]


def test_scores_hold_hota_by_threshold_bins_and_confusions(samples, scores):
    good, bad = scores
    assert good.hota_C[good.thresholds_C.tolist().index(0.5)] == pytest.approx(
        samples[0].overall["hota"][0]
    )
    assert good.hota_C[good.thresholds_C.tolist().index(0.9)] == 0
    assert sum(number for *_, number in good.bins.values()) == 4
    assert {row[0].text: row[2].text for row in bin_table([good]).rows} == {
        "0.6 to 0.7": "1",
        "0.7 to 0.8": "1",
        "0.8 to 0.9": "1",
        "0.9 to 1.0": "1",
    }
    table = confusion_table(samples[0], good, "")
    cells = {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}
    assert cells == {"cat": ["2", "", ""], "dog": ["1", "1", ""], "no object": ["", "", ""]}
    assert bad.confusion_KK.tolist() == [[0, 0, 2], [0, 1, 1], [2, 1, 0]]


def test_twice_the_change_has_twice_the_shade_and_a_legend(inputs, samples, scores):
    moved = [
        replace(side, by_video={**side.by_video, "ap": np.array(values)})
        for side, values in zip(samples, ([0.9, 0.5, 0.5], [0.2, 0.15, 0.5]), strict=True)
    ]
    found = {tile["name"]: tile["cell"].shade for tile in tiles(inputs, moved, scores, set())}
    assert [*found.values()] == pytest.approx([-1, -0.5, 0])
    assert [(cell.text, cell.shade) for cell in tile_scale(moved)] == [
        ("-70.0", -1.0),
        ("-35.0", -0.5),
        ("0.0", 0.0),
        ("+35.0", 0.5),
        ("+70.0", 1.0),
    ]
    alone = tile_scale(moved[:1])
    assert [cell.text for cell in alone] == ["0.0", "25.0", "50.0", "75.0", "100.0"]


def test_a_method_without_a_track_above_the_threshold_is_marked(inputs, samples, scores):
    assert care(scores, ["a", "b"]) == ""
    hidden = replace(scores[1], unseen_V=np.array([False, True, False]))
    text = care([scores[0], hidden], ["a", "b"])
    assert "b has none in 1 of 3 videos" in text
    both = [scores[0], hidden]
    marked = {row[0].text: row for row in video_table(inputs, samples, both, {2}).rows}["dogs"]
    assert [marked[place].text for place in (4, 6)] == ["-", "no track"]
    found = {tile["name"]: tile for tile in tiles(inputs, samples, both, {2})}
    assert (found["dogs"]["note"], found["dogs"]["link"]) == ("no track in B", "video-2")
    assert (found["cats"]["note"], found["cats"]["link"]) == ("", "")


@pytest.mark.parametrize(("ap_S", "title"), [
    ([0.4, 0.39, 0.41], "b is 10.0 AP behind a (95 %: 5."),
    ([0.6, 0.58, 0.62], "b is 10.0 AP ahead of a (95 %: 1."),
    ([0.5, 0.45, 0.55], "No measurable difference in AP between a and b (95 %: -21."),
])  # fmt: skip
def test_the_title_is_the_finding(samples, ap_S, title):
    first, second = (
        replace(samples[0], overall={"ap": np.array(values)}) for values in ([0.5] * 3, ap_S)
    )
    assert title_of([first, second], ["a", "b"]).startswith(title)
    assert title_of([second], ["a"]).startswith(f"a: AP {100 * ap_S[0]:.1f} (95 %: ")


def test_the_verdict_has_three_lines(inputs, samples):
    records = [side.record for side in inputs.sides]
    compared = compare(*samples)
    lines = verdict(samples, records, compared)
    assert [line.title for line in lines] == ["Where AP is lost", "On which videos", "Speed"]
    assert lines[1].videos[0] == ("dogs", 2)
    assert lines[2].text.startswith("The same")
    slow = records[1].model_copy(update={"fps": 5.0})
    (_, _, speed) = verdict(samples, [records[0], slow], compared)
    assert speed.text.startswith("B is 2.5 times slower")
    assert len(verdict(samples[:1], records[:1], None)) == 3
    assert verdict(samples, [None, None], compared)[2].text == "Not measured."


def test_errors_of_unlike_sides_are_named_beyond_noise_alone(samples):
    def verdict_of(moved_S):
        sides = [replace(side) for side in samples]
        breakdown = sides[0].errors
        lost_S = breakdown.samples["duplicate"] + moved_S
        gains = {**breakdown.gains, "duplicate": float(lost_S[0])}
        vars(sides[1])["errors"] = replace(
            breakdown, gains=gains, samples={**breakdown.samples, "duplicate": lost_S}
        )
        return verdict(sides, [None, None], compare(*sides))[0].text

    steps_S = np.where(np.arange(len(samples[0].overall["ap"])) % 2, 0.1, 0.2)
    assert verdict_of(steps_S - steps_S).startswith("No measurable difference")
    assert verdict_of(steps_S - 0.1).startswith("No measurable difference")
    assert verdict_of(steps_S + 0.3).startswith("B loses 50.0 points more to duplicate")


def test_hard_objects_have_their_number(samples):
    (row,) = hard_table(samples, compare(*samples)).rows
    assert row[0].text.startswith("Small")
    assert row[-1].text == "4"
    assert row[3].order == pytest.approx(samples[0].overall["ap"][0])


def test_hard_objects_have_the_swap_tests_of_compare(monkeypatch):
    annotations, *files = generate(3, 8, 3, 15)
    for place, thing in enumerate(annotations["annotations"]):
        label = "severe_occlusion" if place % 2 else "no_occlusion"
        thing["occlusion"] = [label] * len(thing["segmentations"])
    sides = [
        analyse(
            GroundTruth.of(annotations), Results.of([Track(**t) for t in tracks]), num_resamples=40
        )
        for tracks in files
    ]
    compared = compare(*sides)
    table = hard_table(sides, compared)
    rows = {**compared.by_level, **compared.by_area}
    matches = sides[0].evaluation.matches
    for row, name in zip(table.rows, ("so", "ho", "small"), strict=True):
        moved = rows[name]["ap"]
        held = num_holding(matches.categories, matches.ranges.index(name))
        assert row[1].detail == range_text(moved.low, moved.high, signed=True)
        assert row[2].order == moved.adjusted_p_value
        assert row[3] == interval(sides[0].by_range[name]["ap"], 8, held)
    (alone,) = {len(row) for row in hard_table(sides[:1], None).rows}
    assert alone == 3
    most = max(int(row[-1].text) for row in table.rows)
    monkeypatch.setattr("vis_bench.show.report.metrics.ENOUGH_OBJECTS", most)
    table, panel = hard_table(sides, compared), hard_forest(sides, compared)
    assert panel.categories == tuple(row[0].text for row in table.rows)
    drawn = {x: (own, n) for own in panel.series for n, x in enumerate(own.x)}
    for place, row in enumerate(table.rows):
        own, n = drawn[place]
        ends = [end / 100 if end is not None else None for end in (own.low[n], own.high[n])]
        assert own.y[n] == pytest.approx(100 * row[1].order)
        assert row[1].detail == range_text(*ends, signed=True)
        is_few = int(row[-1].text) < most
        assert (own.method, row[-1].detail) == (("", "few") if is_few else ("B", ""))
    assert {own.method for own in panel.series} == {"", "B"}
    assert hard_forest(sides[:1], None).around_zero is None


def object_lines(objects, track, category):
    video = video_without_frames(1, "cats", 60, 96, T)
    tracks = tracks_of(results((track, category, 0.9)), video, 0.0)
    return object_timelines(tracks, objects_of(truth(*objects), video), T)


def test_a_timeline_is_as_high_as_the_iou():
    near = tube((20, 8), (20, 12), None, (20, 64))
    (line,) = object_lines([(LEFT, 1)], near, 1)
    assert timeline("A", line) == {
        "letter": "A",
        "found": "M0 20V0h1V8h1V20z",
        "wrong_class": "",
        "switches": [],
        "missed": "M2 20V0h1V0h1V20z",
        "near": "M2 20V20h1V20h1V20z",
        "text": "found in 2 of 4 frames; mean IoU 0.80",
    }
    assert telling_frame([line], T) == 2
    text = timeline("A", line, "not matched, IoU 0.46")["text"]
    assert text.endswith("; over the video not matched, IoU 0.46")


def test_a_timeline_says_what_went_wrong():
    left, right = (timeline("", x) for x in object_lines([(LEFT, 1), (RIGHT, 1)], CROSSING, 2))
    assert left["text"] == "found in 2 of 4 frames; mean IoU 1.00; wrong class in 2"
    assert right["text"].endswith("identity switch at 2")
    assert (left["found"], left["wrong_class"]) == ("", "M0 20V0h1V0h1V20z")
    assert right["switches"] == [2]


def test_a_difference_whose_interval_holds_0_is_hollow(samples):
    equal, alone = forest([samples[0], samples[0]]), forest(samples[:1])
    [differences], [values] = equal.series, alone.series
    assert differences.hollow_at == tuple(range(len(differences.x)))
    assert (set(differences.y), differences.method) == ({0.0}, "B")
    assert (values.hollow_at, values.method) == ((), "A")
    assert equal.around_zero == ("A better", "B better")
    assert alone.around_zero is None
    moved_S = samples[1].overall["ap"] - samples[0].overall["ap"]
    [shown] = forest(samples).series
    low, high = interval_of(moved_S, 3, -1)
    ends = 100 * moved_S[0], 100 * low, 100 * high
    assert (shown.y[0], shown.low[0], shown.high[0]) == pytest.approx(ends)
    assert (0 in shown.hollow_at) == (shown.low[0] <= 0 <= shown.high[0])
    assert shown.labels[0] == f"{100 * moved_S[0]:+.1f}"


def test_curves_are_those_of_both_sides(samples, scores):
    hota = hota_over_score(scores)
    assert [(own.method, own.kind) for own in hota.series] == [
        ("A", "curve"),
        ("B", "curve"),
        ("", "dotted"),
    ]
    for own, curve in zip(scores, hota.series, strict=False):
        assert (curve.x, curve.y) == (tuple(own.thresholds_C), tuple(100 * own.hota_C))
    assert hota.series[-1].x == (0.5, 0.5)
    for side, line in zip(samples, ap_over_iou(samples).series, strict=True):
        assert np.mean(line.y) == pytest.approx(100 * side.overall["ap"][0])
    bins = [own for own in calibration(scores).series if own.kind == "line"]
    assert [sum(map(int, own.labels)) for own in bins] == [
        sum(number for *_, number in own.bins.values()) for own in scores
    ]
    curves = precision_recall(samples).series
    assert [own.name for own in curves[:2]] == ["A, IoU 0.5", "B, IoU 0.5"]
    ap50 = [100 * np.mean(own.y) for own in curves[:2]]
    assert ap50 == pytest.approx([100 * side.overall["ap50"][0] for side in samples])


def test_bars_are_the_points_lost(samples):
    lost = lost_ap(samples)
    assert lost.categories == tuple(ERRORS)
    for side, bars in zip(samples, lost.series, strict=True):
        assert bars.y == tuple(100 * side.errors.gains[kind] for kind in ERRORS)


@pytest.mark.parametrize("number", [1, 2])
def test_every_chart_is_drawn_and_a_single_side_has_the_look_of_its_method(samples, scores, number):
    compared = compare(*samples) if number == 2 else None
    panels = report_panels(samples[:number], scores[:number], compared, "ifc")
    methods = {own.method for panel in panels.values() for own in panel.series} - {""}
    assert methods == ({"ifc"} if number == 1 else {"A", "B"})
    for name, panel in panels.items():
        drawn = draw_inline([panel], name, size=SIZE)
        assert re.search(r'role="img" aria-label="[^"]{20,}"', drawn)
        assert not re.search(r"#[0-9a-f]{6}\b", drawn)


def test_numbers_as_printed():
    assert points(float("nan")) == Entry("-")
    assert points(0.5, shaded=True) == Entry("50.0", order=0.5, shade=0.5)
    assert [change(x).text for x in (0.0004, -0.0004, 0.05, -0.05)] == [
        "0.0",
        "0.0",
        "+5.0",
        "-5.0",
    ]
    assert [change(x, 3).shade for x in (0.1, 0.5, -0.5)] == pytest.approx([0.3, 1, -1])
    assert change(float("nan")) == Entry("-")
