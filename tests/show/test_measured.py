"""The table of what was measured: order, units, labels and marks."""

import csv
import io
import re

from record_example import example_record
from vis_bench.measures.registry import MEASURES
from vis_bench.show.measured import cell_page, measured_page, order_remarks
from vis_bench.table import render
from vis_bench.table.number_format import INTERVAL_NOTE, fps_remarks


def columns(records):
    """The texts of each column by its title."""
    (grid,) = measured_page(records).tables
    return {
        column.title: [row[place].text for row in grid.rows]
        for place, column in enumerate(grid.columns)
    }


def test_measured_table_sorts_by_method_and_clip_whole_videos_last():
    records = [
        example_record(clip_length="whole", clip_stride=None),
        example_record(clip_length=5),
        example_record(method="color_key", backbone="none"),
    ]
    table = columns(records)
    assert table["Method"] == ["color key", "IFC", "IFC"]
    assert table["Clip"] == ["5", "5", "whole"]
    timed = [record.model_copy(update={"fps": 2.0}) for record in records]
    speed = render(MEASURES["speed"].page(timed), "csv")
    assert re.findall(r",(5|whole),", speed) == table["Clip"]
    assert render(measured_page(records)) == render(measured_page(records[::-1]))


def test_figures_are_in_the_columns_units():
    record = example_record(fps=12.345, gflops_per_frame=None, hota=0.7153, assa=0.2)
    row = {title: texts[0] for title, texts in columns([record]).items()}
    assert (row["AP"], row["FPS"], row["GMACs/frame"], row["Params (M)"]) == (
        "50.0",
        "12.3",
        "-",
        "39.15",
    )
    assert (row["HOTA"], row["AssA"]) == ("71.5", "20.0")


def test_the_interval_has_a_column():
    known = example_record(ap_low=0.4321, ap_high=0.567)
    unknown = example_record(method="seqformer")
    text = render(measured_page([known, unknown]))
    assert "| 50.0 | 43.2\u201156.7 |" in text
    assert INTERVAL_NOTE in text
    assert INTERVAL_NOTE not in render(measured_page([unknown]))


def test_methods_whose_ap_and_hota_differ_on_the_best_clips_are_named():
    values = {"method": "seqformer", "weights_sha256": "a" * 64}
    short = example_record(**values, clip_length=5, ap=0.4, ap_high=0.45, hota=0.7)
    long = example_record(**values, clip_length=20, ap=0.5, ap_low=0.46, ap_high=0.6, hota=0.6)
    (remark,) = order_remarks([short, long])
    assert "SeqFormer" in remark
    assert remark in measured_page([short, long]).remarks
    for changed in (
        {"hota": 0.71},
        {"ap_low": 0.44},
        {"ap_low": None},
        {"weights_sha256": "b" * 64},
    ):
        assert order_remarks([short, long.model_copy(update=changed)]) == ()


def test_a_noisy_measurement_says_so():
    calm, noisy = (example_record(fps=12.0, speed_spread=s) for s in (0.10, 0.31))
    assert columns([calm])["FPS"] == ["12.0"]
    assert columns([noisy])["FPS"] == ["12.0 (spread 31 %)"]


RANGED = {"fps": 12.0, "fps_low": 10.04, "fps_high": 13.0, "speed_processes": 3}


def test_the_range_over_processes_stands_beside_fps_in_every_format():
    page = measured_page([example_record(**RANGED, speed_spread=0.31)])
    assert "| 12.0 (10.0\u201113.0) |" in render(page)
    assert "$12.0_{10.0}^{13.0}$" in render(page, "latex")
    assert "12.0<small> 10.0\u201113.0</small>" in render(page, "html")
    head, row = csv.reader(io.StringIO(render(page, "csv")))
    place = head.index("FPS")
    assert head[place : place + 3] == ["FPS", "FPS low", "FPS high"]
    assert row[place : place + 3] == ["12.0", "10.0", "13.0"]


def test_a_run_of_one_cell_has_its_figures_below_each_other():
    record = example_record(ap=0.5, ap50=0.7, gflops_per_clip=3.0, gflops_per_frame=1.5, **RANGED)
    shown = [measure.shown([record]) for measure in MEASURES.values()]
    page = cell_page(record, [measured_page([record]), *filter(None, shown)])
    [table] = page.tables
    figures = {name.text: value.text for name, value in table.rows}
    assert figures["AP"] == "50.0, AP50 70.0, AP75 60.0"
    assert figures["FPS"] == "12.0 (10.0\u201113.0)"
    assert figures["GMACs"] == "GMACs/frame 1.50, GMACs/clip 3.00"
    assert table.data.startswith("IFC T=5 S=1, backbone ResNet-50, ")
    assert len(table.rows) <= 12
    assert len(page.all_remarks) == len(set(page.all_remarks))


def test_the_processes_behind_fps_are_named():
    ranged, old = example_record(**RANGED), example_record(fps=9.0)
    one = example_record(fps=9.0, speed_processes=1)
    several = "FPS: median of 3 fresh processes"
    assert any(several in remark for remark in fps_remarks([ranged]))
    for records, words in (([old, one], "FPS: one"), ([ranged, old], "FPS of 1 row without")):
        text = render(measured_page(records))
        assert f"{words}" in text
        assert (several in text) == (ranged in records)
    assert fps_remarks([example_record(fps=None)]) == ()
    assert fps_remarks([example_record(fps=9.0, external=True)]) == ()


def test_load_above_half_of_the_cores_is_named():
    def remarks(*loads):
        records = [example_record(fps=9.0, load_average=load, num_cpus=4) for load in loads]
        return [text for text in fps_remarks(records) if "load" in text]

    assert remarks(0.0, 2.0, None) == []
    assert remarks(2.1) == ["FPS timed under load: up to 2.1 on 4 cores."]
    assert remarks(2.1, 0.5, 3.9) == ["FPS of 2 rows timed under load: up to 3.9 on 4 cores."]


def test_options_are_shown_where_they_tell_records_apart():
    records = [example_record(options={"memory_tokens": n, "width": 64}) for n in (4, 8)]
    records.append(example_record(method="seqformer", options={"width": 64}))
    labels = columns(records)["Method"]
    assert labels == ["IFC, 4 memory tokens", "IFC, 8 memory tokens", "SeqFormer"]


def test_every_row_says_how_many_videos_it_has_and_what_speaks_against_it():
    whole, few, seen = (
        example_record(),
        example_record(method="few", num_videos=4, limited=True),
        example_record(method="seen", contaminated=True),
    )
    table = columns([whole, few, seen])
    assert table["Videos"] == ["4", "24", "24"]
    assert table["Method"] == [
        "few (limited to 4 videos)",
        "IFC",
        "seen (trained on these videos)",
    ]


def test_intervals_of_few_videos_say_of_how_many():
    known = {"ap_low": 0.4321, "ap_high": 0.567}
    few = example_record(**known, limited=True, num_videos=8)
    assert "8 videos" in " ".join(measured_page([few]).remarks)
    many = example_record(**known, num_videos=60)
    for records, is_approximate in (([few, many], True), ([many], False)):
        note = measured_page(records).remarks[0]
        assert note.startswith(INTERVAL_NOTE)
        assert ("approximate" in note) is is_approximate


def test_tracking_metrics_have_their_interval_and_threshold():
    one = example_record(
        method="one", hota=0.5, hota_low=0.4, hota_high=0.6, tracking_score_threshold=0.5
    )
    other = example_record(method="other", hota=0.6, hota_low=None, tracking_score_threshold=0.3)
    [row] = measured_page([one]).tables[0].as_dicts()
    assert (row["HOTA"], row["HOTA low"], row["HOTA high"]) == ("50.0", "40.0", "60.0")
    assert sum("above 0.5." in remark for remark in measured_page([one]).all_remarks) == 1
    both = measured_page([one, other]).all_remarks
    assert sum("0.3 (other) or above 0.5 (one)" in remark for remark in both) == 1
    without = example_record(hota=None, assa=None)
    assert not any("score above" in remark for remark in measured_page([without]).all_remarks)
