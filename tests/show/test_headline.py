"""The front page's table: few columns, no ablations, and what its FPS are of."""

from record_example import example_record
from vis_bench.show.headline import headline_markdown, speed_remarks

TIMED = {
    "fps": 20.0, "timed_region": "model+tracker", "speed_spread": 0.12, "load_average": 0.4,
    "num_cpus": 2, "config": {"speed": {"videos": 3}},
}  # fmt: skip


def test_the_line_below_says_region_videos_spread_load_and_machine():
    records = [
        example_record(**TIMED),
        example_record(**{**TIMED, "speed_spread": 0.03, "load_average": 1.1}),
    ]
    assert speed_remarks(records) == [
        "FPS: region model+tracker, 3 videos, spread up to 12 %, load 0.4 to 1.1 of 2 CPUs on "
        "a CPU, 2 threads."
    ]


def test_machines_and_regions_have_a_line_each():
    records = [
        example_record(**TIMED),
        example_record(**TIMED, device="a GPU"),
        example_record(**{**TIMED, "timed_region": "model"}),
        example_record(fps=None),
    ]
    lines = speed_remarks(records)
    assert len(lines) == 3
    assert all(line.startswith("FPS of 1 row: region ") for line in lines)


def test_what_is_not_known_of_the_speed_is_said_or_left_out():
    record = example_record(fps=20.0, device=None, num_threads=None)
    assert speed_remarks([record]) == [
        "FPS: region unknown, spread unknown, load unknown on an unknown device."
    ]
    text = headline_markdown([record, example_record(**TIMED)])
    assert "20.0 [?]" in text
    assert "- [?] spread unknown" in text
    assert speed_remarks([example_record(fps=None)]) == []


def test_no_more_videos_were_timed_than_there_are():
    (line,) = speed_remarks([example_record(**TIMED, num_videos=1)])
    assert "model+tracker, 1 video, " in line


def test_rows_say_their_videos_and_leave_out_ablations():
    records = [example_record(**TIMED), example_record(training="afresh", ap=0.77)]
    header, _, *rows = headline_markdown(records).splitlines()[:4]
    titles = [cell.strip() for cell in header.strip("|").split("|")]
    assert titles == [
        "Method", "Backbone", "Data", "Videos", "Clip", "Stride", "AP", "AP75", "FPS",
        "GFLOPs/frame", "Params (M)",
    ]  # fmt: skip
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
    assert cells[3] == "24"
    assert cells[8] == "20.0 (spread 12 %)"
    assert "77.0" not in headline_markdown(records)
    assert "(reconstruction)" in headline_markdown([example_record(reconstruction=True)])
    assert headline_markdown([]) == "No record yet.\n"
