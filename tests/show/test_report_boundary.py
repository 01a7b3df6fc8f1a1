"""AP against boundary AP in a report: only where both are known, and no further than intervals."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from paths import GOLDEN
from report_case import write_case
from report_page import report_page
from vis_bench.errors import InputError
from vis_bench.metrics.compare import analyse, compare
from vis_bench.metrics.scores import Asked, difference_of
from vis_bench.progress import Bars
from vis_bench.record.store import read_record, record_json
from vis_bench.runs.sources import compared_sources
from vis_bench.show.compare import COMPARED, compare_pair
from vis_bench.show.report.boundary import boundary_findings, boundary_panel
from vis_bench.show.report.sides import Sides
from vis_bench.table.number_format import points, range_text

TRUTH, RESULTS = (GOLDEN / f"boundary_made.{part}.json" for part in ("gt", "preds"))


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    """All of the golden's results, and every second track of them."""
    half = tmp_path_factory.mktemp("half") / "half.json"
    half.write_text(json.dumps(json.loads(RESULTS.read_text())[::2]))
    inputs = compared_sources([RESULTS, half], annotations=TRUTH)
    return Sides([analyse(inputs.truth, s.results, Asked(boundary=True)) for s in inputs.sides])


def test_samples_begin_with_the_golden_values(sides):
    expected = json.loads((GOLDEN / "boundary_made.expected.json").read_text())["stats"]
    for key, title in (("ap", "AP"), ("ap50", "AP50"), ("ap75", "AP75")):
        found = sides.samples[0].overall[f"boundary_{key}"].value
        assert found == pytest.approx(expected[title], abs=1e-12)
    own = sides.samples[0]
    ends = own.evaluation.boundary.interval
    assert ends[0] < own.overall["boundary_ap"].value < ends[1]


def test_the_chart_has_a_point_per_number_and_side(sides):
    first, second, _ = boundary_panel(sides).series
    for series, own in zip((first, second), sides.samples, strict=True):
        keys = ("ap", "ap50", "ap75")
        assert series.x == pytest.approx([100 * own.overall[key].value for key in keys])
        assert series.y == pytest.approx(
            [100 * own.overall[f"boundary_{key}"].value for key in keys]
        )
        low, high = own.evaluation.boundary.interval
        assert (series.low[0], series.high[0]) == pytest.approx((100 * low, 100 * high))
    assert [own.method for own in (first, second)] == ["A", "B"]


def test_a_sentence_goes_no_further_than_its_interval(sides):
    """Of A the interval holds 0, of B it does not."""
    texts = boundary_findings(sides)
    moved = []
    for own, text in zip(sides.samples, texts, strict=False):
        row = own.overall["boundary_ap"].minus(own.overall["ap"])
        assert points(row.first) in text
        assert points(row.second) in text
        assert range_text(row.low, row.high, signed=True) in text
        assert ("no measurable" in text) == (row.low <= 0 <= row.high)
        moved.append("no measurable" in text)
    assert moved == [True, False]
    costs = [
        own.overall["ap"].samples_S - own.overall["boundary_ap"].samples_S for own in sides.samples
    ]
    row = difference_of(*costs, sides.num_videos)
    assert range_text(row.low, row.high, signed=True) in texts[2]
    assert boundary_findings(Sides(sides.samples[:1])) == [texts[0].replace("AP of A", "AP")]


def test_a_comparison_has_the_paired_difference(sides):
    """By the same samples and test as AP."""
    rows = compare(*sides.samples).overall
    for key in ("boundary_ap", "boundary_ap50", "boundary_ap75"):
        first_S, second_S = (own.overall[key].samples_S for own in sides.samples)
        assert rows[key] == difference_of(first_S, second_S, sides.num_videos)
        assert rows[key].low < rows[key].difference < rows[key].high
    without = replace(sides.samples[1].evaluation, boundary=None)
    with pytest.raises(InputError, match="boundaries"):
        compare(sides.samples[0], replace(sides.samples[1], evaluation=without))


def test_nothing_is_said_where_one_was_not_measured(sides):
    scores, key = sides.samples[0].scores, ("overall", "", "boundary_ap")
    unknown = replace(scores[key], draw=lambda: {"boundary_ap": np.array([np.nan])})
    plain = {key: score for key, score in scores.items() if not key[2].startswith("boundary")}
    for own in ({**scores, key: unknown}, plain):
        one = Sides([replace(sides.samples[0], scores=own)])
        assert (boundary_findings(one), boundary_panel(one)) == ([], None)


def test_a_page_has_it_where_it_is_asked_for_or_recorded(tmp_path):
    case = write_case(tmp_path)
    holding = case["good"].with_name("holding.json")
    record = read_record(case["good"]).model_copy(update={"boundary_ap": 0.5})
    holding.write_bytes(record_json(record))
    options = ["--videos", 1]
    for path, more in ((case["good"], ["--boundary"]), (holding, [])):
        page = report_page(case["annotations"], path, options=[*options, *more])
        section = page.section("boundary")
        assert "Boundary AP" in [row[0].text for row in page.tables("metrics")[0].rows]
        text = "".join(ET.tostring(section, encoding="unicode", method="text"))
        assert re.search(r"AP is \d+\.\d by masks and \d+\.\d by boundaries", text)
        assert section.find(".//figure") is not None
    for second, is_there in (("holding", True), ("bad", False)):
        paths = [holding, holding.with_name(f"{second}.json")]
        pair = compared_sources(paths, annotations=case["annotations"])
        rows = compare_pair(pair, Bars(quiet=True), replace(COMPARED, num_resamples=5)).as_json()[
            "overall"
        ]
        assert ("boundary_ap" in rows) == is_there
