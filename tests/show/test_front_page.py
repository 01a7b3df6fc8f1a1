"""The README's table, and the sentences of timed regions below it."""

import re

import front_page
from record_example import example_record
from vis_bench.show.measured import speed_remarks

TIMED = {
    "fps": 20.0, "timed_region": "model+tracker", "speed_spread": 0.12, "load_average": 0.4,
    "num_cpus": 2, "config": {"speed": {"videos": 3}},
}  # fmt: skip


def test_a_sentence_names_what_was_timed_on_what():
    records = [
        example_record(**TIMED),
        example_record(**{**TIMED, "config": {"speed": {"videos": 1}}}),
    ]
    assert speed_remarks(records) == [
        "FPS timed over model and tracker on 1 to 3 videos (a CPU, 2 threads)."
    ]
    (line,) = speed_remarks([example_record(**TIMED, num_videos=1)])
    assert "on 1 video (" in line, "no more videos are timed than there are"
    assert speed_remarks([example_record(fps=None)]) == []


def test_machines_and_regions_have_a_sentence_each():
    records = [
        example_record(**TIMED),
        example_record(**TIMED, device="a GPU"),
        example_record(**{**TIMED, "timed_region": "model"}),
        example_record(fps=20.0, device=None, num_threads=None),
    ]
    lines = speed_remarks(records)
    assert len(lines) == 4
    assert lines[-1] == "FPS of 1 row timed over an unknown region (unknown device)."
    text = front_page.front_table(records[-1:])
    assert "20.0 [?]" in text
    assert "\\[?\\]: spread unknown" in text


def test_the_front_table_has_the_best_cell_of_each_method_and_no_ablation():
    records = [example_record(**TIMED), example_record(training="afresh", ap=0.77)]
    header, _, *rows, _, line = front_page.front_table(records).splitlines()
    assert "24 videos" in line
    assert "best of" not in line
    titles = [cell.strip() for cell in header.strip("|").split("|")]
    assert titles == ["Method", "Clip/stride", "AP", "FPS"]
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
    assert cells[3] == "20.0 (spread\u00a012\u00a0%)"
    assert "77.0" not in front_page.front_table(records)
    assert "(reconstruction)" in front_page.front_table([example_record(reconstruction=True)])
    assert front_page.front_table([]) == "No record yet.\n"


def test_the_line_below_the_front_table_names_the_best_of_several_cells_once():
    swept = [
        example_record(method=method, clip_length=length, ap=0.1 * length, config_sha256=n * 64)
        for method in ("ifc", "seqformer")
        for n, length in (("1", 2), ("2", 3))
    ]
    text = front_page.front_table([*swept, example_record(method="color_key", ap=0.01)])
    line = text.splitlines()[-1]
    assert re.search(r"; IFC and SeqFormer: best of 2 clip lengths, .* \[.*\]\(results/", line)
    assert text.count("best of") == 1
    assert "best of 3" in front_page.front_table([*swept, example_record(ap=0.01)])
