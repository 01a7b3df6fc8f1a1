"""Charts of a report, as panels and as they stand on its page."""

import re
from dataclasses import replace

import numpy as np
import pytest

from record_example import example_record, streaming_fields
from report_case import write_case
from report_page import report_page
from vis_bench.charts.looks import LIGHT, look_of, looks_of
from vis_bench.metrics.compare import analyse
from vis_bench.metrics.errors import ERRORS
from vis_bench.metrics.half_samples import interval_of
from vis_bench.metrics.scores import Asked
from vis_bench.runs.sources import compared_sources
from vis_bench.show.report.measurements import measurement_charts
from vis_bench.show.report.plots import hota_over_score, report_panels
from vis_bench.show.report.scores import track_scores
from vis_bench.show.report.sides import Sides


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return write_case(tmp_path_factory.mktemp("case"))


@pytest.fixture(scope="module")
def samples(case):
    inputs = compared_sources([case["good"], case["bad"]], annotations=case["annotations"])
    return [
        analyse(inputs.truth, side.results, Asked(tracking_threshold=0.5, num_resamples=40, seed=3))
        for side in inputs.sides
    ]


@pytest.fixture(scope="module")
def scores(samples):
    return [track_scores(side) for side in samples]


@pytest.fixture(scope="module")
def panels(samples, scores):
    return report_panels(Sides(samples), scores, "AB")


def test_a_difference_whose_interval_holds_0_is_hollow(samples, scores, panels):
    same, own = [samples[0]] * 2, [scores[0]] * 2
    equal = report_panels(Sides(same), own, "AB")["forest"]
    alone = report_panels(Sides(samples[:1]), scores[:1], "A")["forest"]
    [differences], [values] = equal.series, alone.series
    assert differences.hollow_at == tuple(range(len(differences.x)))
    assert (set(differences.y), differences.method) == ({0.0}, "B")
    assert {*differences.labels} == {"0.0"}, "as tables have it"
    assert (values.hollow_at, values.method) == ((), "A")
    assert equal.around_zero == ("A better", "B better")
    assert alone.around_zero is None
    moved_S = samples[1].overall["ap"].samples_S - samples[0].overall["ap"].samples_S
    [shown] = panels["forest"].series
    low, high = interval_of(moved_S, 3, -1)
    ends = 100 * moved_S[0], 100 * low, 100 * high
    assert (shown.y[0], shown.low[0], shown.high[0]) == pytest.approx(ends)
    assert (0 in shown.hollow_at) == (shown.low[0] <= 0 <= shown.high[0])
    assert shown.labels[0] == f"{100 * moved_S[0]:+.1f}"


def test_hota_over_the_score_is_drawn_where_it_moves(scores):
    [good, _] = scores
    moves = np.where(good.thresholds_C > 0.8, 0.0, 0.7)
    assert hota_over_score([replace(good, hota_C=moves)]) is None
    moves[0] = 0.679
    assert hota_over_score([replace(good, hota_C=moves)]) is not None


def test_curves_are_those_of_both_sides(samples, scores, panels):
    hota = panels["hota"]
    assert [(own.method, own.kind) for own in hota.series] == [
        ("A", "curve"),
        ("B", "curve"),
        ("", "dotted"),
    ]
    for side, own, curve in zip(samples, scores, hota.series, strict=False):
        assert (curve.x, curve.y) == (tuple(own.thresholds_C), tuple(100 * own.hota_C))
        by_threshold = dict(zip(np.round(curve.x, 3), curve.y, strict=True))
        assert by_threshold[0.5] == pytest.approx(100 * side.overall["hota"].value)
        assert by_threshold[0.9] == 0
    assert hota.series[-1].x == (0.5, 0.5)
    for side, line in zip(samples, panels["iou"].series, strict=True):
        assert np.mean(line.y) == pytest.approx(100 * side.overall["ap"].value)
    bins = [own for own in panels["calibration"].series if own.kind == "line"]
    assert [sum(map(int, own.labels)) for own in bins] == [4, 4]
    curves = panels["pr"].series
    assert [own.name for own in curves[:2]] == ["A, IoU 0.5", "B, IoU 0.5"]
    ap50 = [100 * np.mean(own.y) for own in curves[:2]]
    assert ap50 == pytest.approx([100 * side.overall["ap50"].value for side in samples])


def test_bars_are_the_points_lost(samples, panels):
    assert panels["lost"].categories == tuple(ERRORS)
    for side, bars in zip(samples, panels["lost"].series, strict=True):
        assert bars.y == tuple(100 * side.errors.gains[kind] for kind in ERRORS)


@pytest.mark.parametrize("methods", [("good",), ("good", "bad")])
def test_charts_are_in_the_colors_of_the_page_and_of_their_sides(case, methods):
    page = report_page(case["annotations"], *(case[name] for name in methods))
    looks = [look.color for look in looks_of([[(name, name) for name in methods]]).values()]
    drawn = re.findall(r'<svg viewBox[^>]*role="img"[^>]*>.*?</svg>', page.html, re.DOTALL)
    charts = [svg for svg in drawn if "--chart-" in svg]
    assert len(charts) == 7, "six of accuracy, and the stages"
    for chart in charts:
        assert re.search(r'aria-label="[^"]{20,}"', chart)
        assert not re.search(r"#[0-9a-f]{6}\b", chart)
    [forest] = [svg for svg in charts if "in points with 95 % intervals: AP " in svg]
    assert f"--chart-{looks[-1]}" in forest
    [lost] = [svg for svg in charts if "by kind of error" in svg]
    assert all(f"--chart-{color}" in lost for color in looks)


def test_sides_of_a_pair_have_the_colors_of_their_methods_in_every_chart(samples, scores):
    panels = report_panels(Sides(samples), scores, ["ifc", "seqformer"])
    assert {own.method for panel in panels.values() for own in panel.series} == {
        "ifc",
        "seqformer",
        "",
    }
    a, b = looks_of([[(own.method, own.name) for own in panels["lost"].series]]).values()
    assert (a, b) == (look_of("ifc"), look_of("seqformer")), "as in the leaderboard's chart"
    again = report_panels(Sides(samples), scores, ["ifc", "ifc"])["lost"]
    a, b = looks_of([[(own.method, own.name) for own in again.series]]).values()
    assert (a.color, a.marker, a.fill) == (b.color, b.marker, "full")
    assert (b.fill, b.dash) == ("none", (0, (4, 1.5))), "hollow and dashed"


def test_sides_of_a_chart_of_a_measurement_are_named_by_their_letters():
    a = example_record(clip_length="whole", clip_stride=None, **streaming_fields())
    b = example_record(method="seqformer", resolution=99, reconstruction=True, **streaming_fields())
    charts = measurement_charts("streaming", [a, b])
    assert len(charts) == 2, "over delay, and over the rate"
    widths = [float(re.search(r'viewBox="0 0 (\S+)', chart)[1]) for chart in charts]
    assert max(widths) < 300, "points, so that a phone shows its letters"
    texts = {text.strip() for text in re.findall(r"<text[^>]*>([^<]*)</text>", "".join(charts))}
    assert {"A", "B"} <= texts
    assert not any("T=" in text or "99" in text for text in texts)


@pytest.mark.parametrize("method", ["ifc", "seqformer"])
def test_a_measurement_of_one_record_is_in_the_color_of_its_method(method):
    record = example_record(method=method, clip_length="whole", **streaming_fields())
    chart = "".join(measurement_charts("streaming", [record]))
    drawn = {name for name in LIGHT.colors if f"--chart-{name}" in chart}
    assert drawn == {look_of(method).color}
