"""No difference to a paper for a measurement that is not of the paper's videos and weights."""

import csv
import io

import pytest

from record_example import example_record
from vis_bench.show.leaderboard import leaderboard_text
from vis_bench.show.measured import measured_page
from vis_bench.show.papers import table_page
from vis_bench.table import render

RESERVED = {
    "limited": ({"limited": True, "num_videos": 4}, "limited to 4 videos"),
    "contaminated": ({"contaminated": True}, "trained on these videos"),
    "random": ({"weights_source": "random"}, "random weights"),
    "another split": ({"split": "heldout", "num_videos": 223}, "not the published split, val"),
    "other videos": ({"num_videos": 4}, "not the 302 videos of the published split"),
}


def measured(length=5, stride=3, **changes):
    described = {"dataset": "ytvis2019", "num_videos": 302, "fps": 70.0, "ap": 0.0, **changes}
    return example_record(clip_length=length, clip_stride=stride, **described)


def table(*records):
    """The rows by what their figures are, and the whole text."""
    page = table_page("ifc-stride", records)
    rows = list(csv.DictReader(io.StringIO(render(page, "csv"))))
    return [row for row in rows if row["Clip"] == "5"], render(page)


@pytest.mark.parametrize("case", RESERVED)
def test_each_reservation_stands_in_a_footnote_and_takes_the_difference_away(case):
    changes, words = RESERVED[case]
    (_, shown, difference), text = table(measured(**changes))
    assert shown["FPS (YouTube-VIS 2019)"] == "70.0"
    assert words in shown["Notes"]
    assert {value for key, value in difference.items() if "(YouTube" in key} == {"-"}
    assert "none of 4 rows is measured" in text
    assert "have no difference and do not count" in text
    (_, whole, difference), text = table(measured())
    assert words not in whole["Notes"]
    assert difference["AP (YouTube-VIS 2019)"] == "-38.7"
    assert "1 of 4 rows is measured" in text
    assert "do not count" not in text


@pytest.mark.parametrize("case", RESERVED)
def test_a_measurement_with_a_reservation_stands_behind_one_without(case):
    later = {"created_at": "2999-01-01T00:00:00+00:00", "fps": 99.0, "ap": 0.9}
    reserved = measured(**{**RESERVED[case][0], **later})
    for records in ((reserved, measured()), (measured(), reserved)):
        assert table(*records)[0][1]["FPS (YouTube-VIS 2019)"] == "70.0"


def test_the_best_value_is_sought_among_measurements_without_a_reservation():
    records = [
        measured(5, 3, ap=0.99, limited=True, num_videos=4),
        measured(10, 5, ap=0.5),
        measured(15, 8, ap=0.4),
    ]
    [grid] = table_page("ifc-stride", records).tables
    place = [column.title for column in grid.columns].index("AP")
    marks = [(row[place].text, row[place].mark) for row in grid.rows if row[2].text == "measured"]
    assert marks == [("99.0", None), ("50.0", "best"), ("40.0", None)]


def test_fps_timed_beside_other_workers_say_so_everywhere():
    beside = measured(speed_spread=0.0, timed_alone=False)
    alone = beside.model_copy(update={"timed_alone": True})
    marked, plain = (
        [render(measured_page([record])), leaderboard_text([record]), table(record)[1]]
        for record in (beside, alone)
    )
    assert all("beside other workers" in text for text in marked)
    assert not any("beside other workers" in text for text in plain)
