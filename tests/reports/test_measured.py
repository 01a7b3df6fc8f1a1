"""The table of what was measured: order, units, labels and marks."""

from record_example import example_record
from vis_bench.reports.measured import measured_table
from vis_bench.tables.text import render


def test_measured_table_sorts_by_method_and_clip_whole_videos_first():
    records = [
        example_record(clip_length=5),
        example_record(clip_length="whole", clip_stride=None),
        example_record(method="color_key", backbone="none"),
    ]
    table = measured_table(records)
    assert table["Method"].tolist() == ["color_key", "ifc", "ifc"]
    assert table["Clip"].tolist() == ["5", "whole", "5"]
    assert render(table) == render(measured_table(records[::-1]))


def test_figures_are_in_the_columns_units():
    row = measured_table([example_record(fps=12.345, gflops_per_frame=None)]).iloc[0]
    assert (row["AP"], row["FPS"], row["GFLOPs/frame"], row["Params (M)"]) == (
        "50.0", "12.3", "-", "39.15",
    )  # fmt: skip


def test_a_noisy_measurement_says_so():
    calm, noisy = (example_record(fps=12.0, speed_spread=s) for s in (0.10, 0.31))
    assert measured_table([calm])["FPS"].tolist() == ["12.0"]
    assert measured_table([noisy])["FPS"].tolist() == ["12.0 (spread 31 %)"]


def test_what_says_nothing_about_the_published_method_is_marked():
    marked = example_record(reconstruction=True, weights_source="random")
    assert measured_table([marked])["Method"].tolist() == ["ifc (reconstruction, random weights)"]


def test_options_are_shown_where_they_tell_records_apart():
    records = [example_record(options={"memory_tokens": n, "width": 64}) for n in (4, 8)]
    records.append(example_record(method="seqformer", options={"width": 64}))
    labels = measured_table(records)["Method"].tolist()
    assert labels == ["ifc memory_tokens=4", "ifc memory_tokens=8", "seqformer"]


def test_every_row_says_how_many_videos_it_has_and_what_speaks_against_it():
    whole, few, seen = (
        example_record(),
        example_record(method="few", num_videos=4, limited=True),
        example_record(method="seen", contaminated=True),
    )
    table = measured_table([whole, few, seen])
    assert table["Videos"].tolist() == ["4", "24", "24"]
    assert table["Method"].tolist() == [
        "few (limited to 4 videos)", "ifc", "seen (trained on these videos)",
    ]  # fmt: skip
