"""Numbers on the page of a report: metrics, categories, errors, hard objects and scores."""

import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from compare_workload import generate
from drawing_case import LEFT, RIGHT, annotations, write_results
from report_case import write_case
from report_page import report_page
from vis_bench.charts import look_of
from vis_bench.data.groups import read_groups
from vis_bench.metrics.compare import analyse, compare
from vis_bench.metrics.groups import of_group
from vis_bench.metrics.half_samples import interval_of
from vis_bench.metrics.matching import IOU_THRESHOLDS, num_holding
from vis_bench.metrics.scores import Asked, by_part
from vis_bench.record.metrics import OBJECTS
from vis_bench.runs.sources import compared_sources
from vis_bench.show.report.plots import forest
from vis_bench.show.report.scores import confusion_table, track_scores
from vis_bench.show.report.sides import Sides
from vis_bench.table.number_format import range_text

METRICS, CATEGORIES = 0, 1
PARTS = "identity: switch", "identity: fragment", "identity: drift"


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return write_case(tmp_path_factory.mktemp("case"))


@pytest.fixture(scope="module")
def one(case):
    return report_page(case["annotations"], case["good"])


@pytest.fixture(scope="module")
def two(case):
    return report_page(case["annotations"], case["good"], case["bad"], options=["--videos", 1])


def analysed(annotations, *sides):
    inputs = compared_sources(sides, annotations=annotations)
    return [
        analyse(inputs.truth, side.results, Asked(tracking_threshold=0.5, num_resamples=40))
        for side in inputs.sides
    ]


@pytest.fixture(scope="module")
def samples(case):
    return analysed(case["annotations"], case["good"], case["bad"])


def test_metrics_are_those_of_the_evaluation(one, samples):
    evaluation = samples[0].evaluation
    tracked = evaluation.tracking.summary()["det_averaged"]
    shown = one.tables("metrics")[METRICS].column("Points")
    for values, titles in (
        (evaluation.summary(), ("AP", "AP50", "AP75", "AR1", "AR10, AR100")),
        (tracked, ("HOTA", "DetA", "AssA", "IDF1")),
    ):
        for title in titles:
            for field in title.lower().split(", "):
                assert shown[title].order == pytest.approx(values[field], abs=1e-12)
                assert shown[title].text == f"{100 * values[field]:.1f}"


def test_differences_are_those_of_compare(two, samples):
    expected = compare(*samples)
    table = two.tables("metrics")[METRICS]
    for key, title in (("ap", "AP"), ("ap75", "AP75"), ("ar10", "AR10, AR100"), ("hota", "HOTA")):
        number, row = {**expected.overall, **expected.tracking}[key], table[title]
        assert row["B - A"].order == pytest.approx(number.difference)
        assert row["B - A"].detail == range_text(number.low, number.high, signed=True)
        assert row["p"].order == pytest.approx(number.p_value)
    moved = two.table("videos").column("AP B - A")
    assert {v.name: v.difference for v in expected.videos} == pytest.approx(
        {name: cell.order for name, cell in moved.items() if cell.order}
    )


def test_an_interval_is_that_of_half_samples(one, samples):
    shown = one.tables("metrics")[METRICS].column("Points")
    for title in ("AP", "LocA", "TETA"):
        assert shown[title].detail == range_text(*samples[0].overall[title.lower()].interval)


def test_one_video_has_no_interval(tmp_path):
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(annotations((LEFT, 1), (RIGHT, 2))))
    results = write_results(tmp_path / "a.json", (LEFT, 1, 0.9), (LEFT, 2, 0.8))
    page = report_page(path, results)
    shown = page.tables("metrics")[METRICS].column("Points")
    assert {cell.detail for cell in shown.values()} == {""}
    assert page.title == "a: AP 50.0"


def test_categories_have_ap_at_each_threshold(one, two, samples):
    ap_TK = samples[0].evaluation.precision_TRK.mean(1)
    np.testing.assert_allclose(
        ap_TK.mean(0),
        [
            score.value
            for key, score in samples[0].scores.items()
            if (key[0], key[2]) == ("category", "ap")
        ],
    )
    table, both = (page.tables("metrics")[CATEGORIES] for page in (one, two))
    titles = [f".{round(100 * t)}" for t in IOU_THRESHOLDS]
    assert table.titles[-len(titles) :] == both.titles[-len(titles) :] == titles
    assert [row[0].text for row in table.rows] == ["cat", "dog"]
    cats = [cell.order for cell in table.rows[0][-len(titles) :]]
    np.testing.assert_allclose(cats, ap_TK[:, 0])
    moved_TK = samples[1].evaluation.precision_TRK.mean(1) - ap_TK
    for k, row in enumerate(both.rows):
        cells = row[-len(titles) :]
        np.testing.assert_allclose([cell.order for cell in cells], moved_TK[:, k])
        for cell in cells:
            assert cell.shade == pytest.approx(max(-1, min(1, 3 * cell.order)), abs=0.001)
            assert cell.text == (f"{100 * cell.order:+.1f}" if cell.order else "0.0")
    assert table.rows[0][-1].shade == pytest.approx(ap_TK[-1, 0], abs=0.001)


def test_errors_add_up_to_what_is_lost(one, two, samples):
    gains = {kind: cell.order for kind, cell in one.table("errors").column("Points").items()}
    assert sum(gains.pop(kind) for kind in PARTS) == pytest.approx(gains["identity"])
    assert sum(gains.values()) == pytest.approx(1 - samples[0].overall["ap"].value)
    table = two.table("errors")
    for row in (dict(zip(table.titles, row, strict=True)) for row in table.rows):
        moved = row["B - A"]
        assert moved.order == pytest.approx(row["B points"].order - row["A points"].order)
        assert moved.shade == pytest.approx(max(-1, min(1, -3 * moved.order)), abs=0.001)
    assert table["identity"]["B - A"].shade < 0
    gain_S = samples[0].errors.samples["mask quality"]
    ends = range_text(*interval_of(gain_S, 3))
    assert table["mask quality"]["A points"].detail == ends != ""


def test_an_error_leads_to_its_videos_that_can_be_opened(one, two):
    assert one.table("errors")["mask quality"]["Videos"].links == (("cats", "#video-1"),)
    assert [*two.videos()] == ["dogs"]
    videos = two.table("errors").column("Videos")
    assert videos["missed"].links == (("dogs", "#video-2"),)
    assert videos["identity"].links == ()


def test_scores_have_bins_and_confusions(one, two):
    bins, confusions = one.tables("scores")
    tenths = [f"0.{n} to {(n + 1) / 10:.1f}" for n in range(6, 10)]
    assert bins.texts == [
        [tenth, iou, "1"]
        for tenth, iou in zip(tenths, ("0.00", "1.00", "1.00", "0.68"), strict=True)
    ]
    assert confusions.titles == ["Annotated", "cat", "dog", "no track"]
    assert confusions.texts == [
        ["cat", "2", "", ""],
        ["dog", "1", "1", ""],
        ["no object", *[""] * 3],
    ]
    assert "gives 1 object another class and misses 0 objects." in one.html
    assert "A gives 1 object another class and misses 0 objects; " in two.html
    assert "B gives no object another class and misses 3 objects." in two.html
    [fold] = one.section("scores").iterfind(".//details")
    assert fold.get("open") is not None, "a class is taken for another"
    _, of_a, of_b = two.tables("scores")
    assert of_a.texts == confusions.texts
    assert of_b.texts == [["cat", "", "", "2"], ["dog", "", "1", "1"], ["no object", "2", "1", ""]]
    assert "Tracks of B" in of_b.caption


def test_of_many_classes_the_most_mistaken_are_shown(samples):
    """Ten pairs of neighbours among a hundred, and a class that is only missed."""
    many = {key: f"kind {key}" for key in range(1, 101)}
    side = replace(samples[0], truth=replace(samples[0].truth, categories=many))
    found = {(key, key): 5 for key in many} | {(key, key + 1): 2 for key in range(50, 60)}
    scores = replace(track_scores(samples[0]), confusion={**found, (90, None): 9})
    table = confusion_table(side, scores, "")
    shown = [column.title for column in table.columns[1:-1]]
    assert [row[0].text for row in table.rows] == [*shown, "no object"]
    mistaken = [f"kind {key}" for key in range(50, 61)]
    assert shown == [*(f"kind {key}" for key in range(1, 30)), *mistaken]
    cell = table.rows[29][1 + shown.index("kind 51")]
    assert (cell.text, cell.shade) == ("2", 2 / 7)
    assert "40 of 100 classes" in table.data


def test_one_size_of_objects_is_not_called_hard(one, two, samples):
    by_area = by_part(samples[0].scores, "area")
    assert {*by_area} == {"small", "medium", "large"}
    assert by_area["small"]["ap"].value is not None
    for page in (one, two):
        assert page.tables("hard") == page.charts("hard") == []


def test_ar100_is_said_once_where_it_is_ar10(one, two, tmp_path):
    """Eleven tracks of one category, the last of which finds the object, tell them apart."""
    shown = "in points with 95 % intervals: AP "
    for page in (one, two):
        titles = [row[0] for row in page.tables("metrics")[METRICS].texts]
        assert [title for title in titles if "AR10" in title] == ["AR10, AR100"]
        [alt] = [chart for chart in page.charts("verdict") if shown in chart]
        assert alt.count("AR10") == alt.count("AR100") + 1 == 2
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(annotations((LEFT, 1))))
    tracks = [(RIGHT, 1, 0.9 - n / 100) for n in range(10)]
    results = write_results(tmp_path / "a.json", *tracks, (LEFT, 1, 0.7))
    points = report_page(path, results).tables("metrics")[METRICS].column("Points")
    assert (points["AR10"].text, points["AR100"].text) == ("0.0", "100.0")


def test_groups_stand_in_a_section_of_their_own(case, one, samples, tmp_path):
    groups = tmp_path / "groups.yaml"
    groups.write_text("pets: [cat]\nnobody: []\nvideos: {first: [1, 2]}\n")
    chosen = read_groups(groups, samples[0].truth)
    matches = [side.evaluation.matches for side in samples]
    expected = [{group.name: of_group(side, group) for group in chosen} for side in matches]
    options = ["--groups", groups, "--videos", 1]
    for sides in ([case["good"]], [case["good"], case["bad"]]):
        page = report_page(case["annotations"], *sides, options=options)
        rows = page.table("groups").rows
        keys = {"AP": "ap", "AP50": "ap50", "AP75": "ap75", "AR100": "ar100"}
        several = [f"{name}, {title}" for name in ("pets", "first") for title in keys]
        assert [row[0].text for row in rows] == [*several[:4], "nobody, AP", *several[4:]]
        first = 1 if len(sides) == 1 else 3
        for row in rows[:4] + rows[5:]:
            name, title = row[0].text.split(", ")
            shown = [row[first + n].order for n in range(len(sides))]
            numbers = [own[name].numbers()[keys[title]] for own in expected[: len(sides)]]
            assert shown == pytest.approx(numbers)
        assert rows[4][first].text == "-"
        assert "it lists no categories" in ET.tostring(page.section("groups")).decode()
    assert (one.section("groups"), one.section("boundary")) == (None, None)
    assert "Boundary AP" not in [row[0].text for row in one.tables("metrics")[0].rows]


@pytest.fixture(scope="module")
def occluded(tmp_path_factory):
    """Annotations of 8 videos in which every fifth object is occluded, and two results."""
    folder = tmp_path_factory.mktemp("occluded")
    annotations, *results = generate(3, 8, 3, 15)
    for place, thing in enumerate(annotations["annotations"]):
        label = "no_occlusion" if place % 5 else "severe_occlusion"
        thing["occlusion"] = [label] * len(thing["segmentations"])
    paths = [folder / f"{name}.json" for name in ("gt", "a", "b")]
    for path, content in zip(paths, (annotations, *results), strict=True):
        path.write_text(json.dumps(content))
    return paths


def hard_chart(page):
    """The chart of hard objects."""
    return ET.tostring(page.section("hard").find(".//figure")).decode()


def test_hard_objects_have_the_swap_tests_of_compare(occluded):
    samples = analysed(*occluded)
    compared = compare(*samples)
    page = report_page(*occluded, options=["--videos", 1])
    table, [chart] = page.table("hard"), page.charts("hard")
    colored, few = forest(Sides(samples).of_hard_objects()).series
    assert (colored.method, few.method) == ("B", "")
    assert [*few.x] == [n for n, row in enumerate(table.rows) if row[-1].detail]
    matches = samples[0].evaluation.matches
    rows = {**compared.by_level, **compared.by_area}
    names = {text.capitalize(): name for name, text in OBJECTS.items()}
    for row in table.rows:
        name = names[row[0].text]
        title, change, p_value, ap, _, number = row
        moved = rows[name]["ap"]
        assert change.order == pytest.approx(moved.difference)
        assert change.detail == range_text(moved.low, moved.high, signed=True)
        assert p_value.order == moved.adjusted_p_value
        held = num_holding(matches.categories, matches.ranges.index(name))
        kind = "area" if name in compared.by_area else "level"
        ap_S = samples[0].scores[kind, name, "ap"].samples_S
        ends = interval_of(ap_S, 8, num_holding=held) or (None, None)
        assert (ap.order, ap.detail) == (ap_S[0], range_text(*ends))
        assert number.detail == ("few" if number.order < 10 else "")
        drawn = f"{title.text} {100 * moved.difference:.1f}"
        assert drawn + f" ({100 * moved.low:.1f} to {100 * moved.high:.1f})" in chart
    assert {row[-1].detail for row in table.rows} == {"", "few"}
    color = f"--chart-{look_of('B').color}"
    assert color in hard_chart(page)
