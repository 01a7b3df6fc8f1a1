"""The table of AP by level, and of short and long videos."""

from maintenance import refresh
from record_example import example_record
from vis_bench.records.store import RecordStore
from vis_bench.show.hard_objects import TITLE, hard_objects_grid, hard_objects_markdown

LEVELLED = {"ap_so": 0.512, "ap_mo": 0.4, "ap_ho": 0.083, "ap_returning": 0.3}


def titles(grid):
    return [column.title for column in grid.columns]


def texts(grid):
    return [[entry.text for entry in row] for row in grid.rows]


def test_a_row_per_method_with_its_best_cell():
    records = [
        example_record(ap=0.5, clip_length=10, **LEVELLED),
        example_record(ap=0.6, clip_length=20, **{**LEVELLED, "ap_ho": 0.1}),
        example_record(method="seqformer", ap=0.55, **{**LEVELLED, "ap_returning": None}),
    ]
    grid = hard_objects_grid(records)
    assert titles(grid)[3:] == ["Clip", "Stride", "AP", "Light", "Moderate", "Heavy", "Returning"]
    assert texts(grid) == [
        ["ifc", "r50", "synthetic val", "20", "1", "60.0", "51.2", "40.0", "10.0", "30.0"],
        ["seqformer", "r50", "synthetic val", "5", "1", "55.0", "51.2", "40.0", "8.3", "-"],
    ]


def test_columns_that_nobody_has_are_left_out():
    both = {"ap_short": 0.61, "ap_long": 0.39, "ap50_long": 0.5}
    grid = hard_objects_grid([example_record(ap=0.5, dataset="ytvis2022", **both)])
    assert titles(grid)[5:] == ["AP", "AP short", "AP long"]
    assert texts(grid)[0][5:] == ["50.0", "61.0", "39.0"]


def test_records_without_such_numbers_have_no_row_and_no_section():
    assert hard_objects_grid([example_record()]) is None
    assert hard_objects_markdown([example_record()]) == ""
    grid = hard_objects_grid([example_record(), example_record(method="x", ap=0.1, **LEVELLED)])
    assert [row[0] for row in texts(grid)] == ["x"]


def test_a_cell_without_the_numbers_does_not_hide_one_with_them():
    records = [example_record(ap=0.9, clip_length=10), example_record(ap=0.5, **LEVELLED)]
    assert texts(hard_objects_grid(records))[0][5] == "50.0"


def test_the_page_of_results_has_the_section(tmp_path, monkeypatch):
    monkeypatch.setattr(refresh, "build_method", None)  # they take long
    RecordStore(tmp_path / "records").write(example_record(**LEVELLED))
    assert len(refresh.pages(tmp_path)) == 4
    page = (tmp_path / "README.md").read_text()
    order = ["## Measured\n", f"## {TITLE}\n", "## The papers' tables\n"]
    assert sorted(order, key=page.index) == order
    section = page[page.index(order[1]) : page.index(order[2])]
    assert "| ifc" in section
    assert "51.2 |" in section
