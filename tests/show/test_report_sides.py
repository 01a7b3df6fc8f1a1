"""Title, verdict, settings and measurements of the sides of a report, as its reader sees them."""

import json
from xml.etree import ElementTree as ET

import pytest

from drawing_case import LEFT, annotations_of, write_videos_results
from html_page import text_of
from record_example import streaming_fields
from report_case import write_case
from report_page import report_page
from vis_bench.charts.looks import look_of, looks_of
from vis_bench.record.store import read_record, record_json
from vis_bench.show.report.verdict import speed_text

SETTING = "short side 360 px, float32, on a CPU"


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return write_case(tmp_path_factory.mktemp("case"))


@pytest.fixture(scope="module")
def page_of(case):
    """Makes a page of sides: the name of a record, or it and fields that are others.

    Results files, `files`, come behind them.
    """

    def make(*sides, files=()):
        paths = []
        for place, side in enumerate(sides):
            name, changes = (side, {}) if isinstance(side, str) else side
            path = case[name].with_name(f"{name}{place}.json")
            path.write_bytes(record_json(read_record(case[name]).model_copy(update=changes)))
            paths.append(path)
        return report_page(case["annotations"], *paths, *files, options=["--videos", 1])

    return make


@pytest.fixture(scope="module")
def two(page_of):
    return page_of("good", "bad")


@pytest.fixture(scope="module")
def unlike(case, page_of):
    """The second on another device, of another backbone, with energy, a stage less and one more."""
    region = (
        read_record(case["good"])
        .regions["model+tracker"]
        .model_copy(
            update={
                "energy_joules_per_frame": 0.5,
                "fps_low": 11.0,
                "fps_high": 14.0,
                "stage_ms_per_frame": {"encode": 1.0, "track": 2.0},
            }
        )
    )
    changes = {
        "backbone": "r101", "limited": True, "device": "a GPU", "ap": 0.125,
        "regions": {"model+tracker": region}, "kernel_build": "g++",
        "speed_spread": 0.1, "num_threads": 4,
    }  # fmt: skip
    return page_of("good", ("bad", changes))


@pytest.fixture(scope="module")
def twice(page_of):
    """The same predictions, limited both times, and slower on a busy machine."""
    slower = {"limited": True, "load_average": 9.0, "num_cpus": 2, "fps": 5.0}
    return page_of(("good", {"limited": True}), ("good", slower))


@pytest.fixture(scope="module")
def streamed(page_of):
    """The first has no speed, and both have streaming, at two lengths of clips."""
    first = {"fps": None, "regions": {}, **streaming_fields()}
    return page_of(("good", first), ("bad", {"clip_length": 10, **streaming_fields()}))


def drawn(page, section):
    """The charts of a section."""
    return "".join(ET.tostring(own).decode() for own in page.section(section).iter("figure"))


def cautions(page, name):
    return page.texts("p[@class='caveat']", page.section(f"measured-{name}"))


def heads(page):
    """Remarks and caveats below the title."""
    header = page.root.find(".//header")
    return [page.texts(f"p[@class='{kind}']", header) for kind in ("remark", "caveat")]


def test_each_measurement_has_a_section_with_the_rows_of_both_sides(two):
    assert two.measured == ["flops", "speed"]
    speed, stages = two.tables("measured-speed")
    intervals = [f"Interval (ms) p{p}" for p in (50, 90, 99)]
    assert speed.titles == ["Subject", "FPS", *intervals, "Memory (MiB)"]
    assert speed.texts == [[x, "12.5", "80.0", "90.0", "95.0", "300"] for x in "AB"]
    assert stages.texts == [[x, "60.00", "15.50", "0.50", "76.00"] for x in "AB"]
    assert two.table("measured-flops").texts == [[x, "31.50", "-", "39.15"] for x in "AB"]
    assert "Not measured: memory, streaming." in two.texts(".//p")
    assert cautions(two, "speed") == []


def test_one_record_has_no_letters_and_equal_cells_have_them(page_of, twice):
    alone = page_of(("good", streaming_fields()))
    assert [alone.measured, cautions(alone, "speed")] == [["flops", "speed", "streaming"], []]
    assert f"--chart-{look_of('good').color}" in drawn(alone, "measured-streaming")
    assert alone.table("measured-flops").texts == [["31.50", "-", "39.15"]]
    assert [row[0] for row in twice.table("measured-flops").texts] == ["A", "B"]
    assert alone.verdict["Where AP is lost"].startswith("24.8 points to class")
    assert alone.verdict["On which videos"].startswith("Lowest AP by itself: birds (0.0)")
    assert alone.verdict["Speed"] == "80.0 ms a frame on a CPU, most of it in encode."
    [setting], marks = heads(alone)
    assert (setting, marks) == (f"r50, {SETTING}", [])


def test_equal_predictions_differ_in_speed_alone(twice):
    assert twice.title.startswith("No interval of the difference in AP between good0")
    assert twice.verdict["Where AP is lost"] == "No measurable difference in any kind of error."
    assert twice.verdict["On which videos"].startswith("The AP of no video differs.")
    assert twice.verdict["Speed"].startswith("Not compared (the machine was busy): 80.0 ms")
    assert any("busy" in text for text in cautions(twice, "speed"))


def test_columns_of_one_side_stay_and_empty_ones_go(unlike):
    speed, stages = unlike.tables("measured-speed")
    assert [row[-1] for row in speed.texts] == ["-", "0.50"]
    assert speed.column("FPS")["B"].detail == "11.0 to 14.0", "as all intervals of the page"
    parts = [title.removeprefix("ms/frame ") for title in stages.titles]
    assert parts == ["Subject", "encode", "predict", "track", "other", "sum"]
    assert stages.texts[1] == ["B", "1.00", "-", "2.00", "-", "3.00"]


@pytest.mark.parametrize(("fps", "text"), [
    (5.0, "B is 2.5 times slower (80.0 ms a frame in A, 200.0 in B), most of it in encode."),
    (50.0, "B is 4.0 times faster (80.0 ms a frame in A, 20.0 in B), most of it in encode."),
    (12.0, "The same within noise (80.0 ms a frame in A, 83.3 in B)."),
])  # fmt: skip
def test_the_speed_of_two_is_compared_beyond_noise_alone(case, fps, text):
    first, second = (read_record(case[name]) for name in ("good", "bad"))
    region = {"fps": fps, "stage_ms_per_frame": {"encode": 1000 / fps - 15.0, "predict": 15.0}}
    regions = {"model+tracker": second.regions["model+tracker"].model_copy(update=region)}
    second = second.model_copy(update={"fps": fps, "regions": regions})
    assert speed_text([first, second]) == text


def test_a_section_cautions_about_sides_that_cannot_be_compared(unlike, streamed):
    found = cautions(unlike, "speed")
    assert any("another device" in text for text in found)
    assert not any("kernel" in text for text in found)
    assert unlike.verdict["Speed"].startswith("Not compared (another device)")
    assert cautions(streamed, "speed") == ["Measured for B only."]
    assert streamed.verdict["Speed"] == "Measured for one of the two only."


def test_a_results_file_has_no_setting_and_no_measurement(case, page_of):
    results = case["bad"].with_name("bad.results.json")
    page = page_of("good", files=[results])
    assert heads(page) == [[f"A r50, {SETTING}"], []]
    assert page.measured == ["flops", "speed"]
    assert cautions(page, "flops") == cautions(page, "speed") == ["Measured for A only."]
    assert page.verdict["Speed"] == "Measured for one of the two only."


def test_streaming_is_shown_beside_each_other_in_the_colors_of_the_sides(streamed):
    assert streamed.measured == ["flops", "speed", "streaming"]
    shown, latency = streamed.tables("measured-streaming")
    assert [row[0] for row in shown.texts] == ["A"] * 3 + ["B"] * 3
    rows = [dict(zip(shown.titles, row, strict=True)) for row in shown.texts[:3]]
    assert [(row["Delay (ms)"], row["AP"]) for row in rows] == [
        ("0", "0.0"),
        ("167", "20.0"),
        ("inf", "50.0"),
    ]
    assert {cell.text for cell in latency.column("Frame latency (ms) p99").values()} == {"500?"}
    chart = drawn(streamed, "measured-streaming")
    looks = looks_of([[("good", "A"), ("bad", "B")]]).values()
    colors = {f"--chart-{look.color}" for look in looks}
    for text in (">A<", ">B<", *colors):
        assert text in chart


def test_the_head_says_once_what_both_sides_share(two, unlike, twice):
    assert heads(two) == [[f"Both: r50, {SETTING}"], []]
    remarks, [caveat] = heads(unlike)
    assert remarks == ["Both: short side 360 px, float32", "A r50, on a CPU", "B r101, on a GPU"]
    assert caveat.startswith("B: limited")
    _, [shared] = heads(twice)
    assert shared == caveat.replace("B:", "Both:")


def test_one_limited_record_says_so_once(page_of):
    page = page_of(("good", {"limited": True}))
    _, [caveat] = heads(page)
    assert caveat.startswith("limited")
    [title] = page.texts(".//h1")
    assert "limited" not in title


def test_a_record_that_contradicts_its_predictions_is_named(two, unlike):
    [sentence] = unlike.texts("ul/li", unlike.section("setup"))
    assert "AP of record B is 12.50" in sentence
    assert two.texts("ul/li", two.section("setup")) == []


def test_the_verdict_has_three_lines_with_links_to_videos(two):
    assert [*two.verdict] == ["Where AP is lost", "On which videos", "Speed"]
    [link] = two.section("verdict").iterfind("dl//a")
    assert (text_of(link), link.get("href")) == ("dogs", "#video-2")
    assert two.verdict["Speed"].startswith("The same")
    assert two.texts("p", two.section("verdict")) == [], "HOTA needs no care"


def write_sides(folder, *sides):
    """Annotations of one cat a video, and results of sides: the scores of its tracks by video."""
    videos = annotations_of({name: [(LEFT, 1)] for name in range(len(sides[0]))})
    (folder / "gt.json").write_text(json.dumps(videos))
    paths = [folder / "a.json", folder / "b.json"]
    for path, scores in zip(paths, sides, strict=True):
        tracks = ([(LEFT, 1, score) for score in own] for own in scores)
        write_videos_results(path, dict(enumerate(tracks, 1)))
    return [folder / "gt.json", *paths]


def test_errors_of_unlike_sides_are_named_beyond_noise_alone(tmp_path):
    """Duplicates in every second video of B come before half of the tracks; then one in each."""
    single, double, late = [0.95], [0.95, 0.9], [0.6]
    paths = write_sides(tmp_path, [single, late] * 12, [double, late] * 12)
    page = report_page(*paths, options=["--videos", 1])
    lost, found = page.verdict["Where AP is lost"], page.table("errors")["duplicate"]
    assert lost == (
        f"B loses {found['B points'].text} points more to duplicate "
        f"(0.0 in A, {found['B points'].text} in B)."
    )
    assert page.title.startswith(f"b is {found['B points'].text} AP behind a (95 %: ")
    paths = write_sides(tmp_path, [double, late] * 12, [late, double] * 12)
    page = report_page(*paths, options=["--videos", 1])
    assert page.verdict["Where AP is lost"] == "No measurable difference in any kind of error."
    assert page.title.startswith("No measurable difference in AP between a and b (95 %: -")
