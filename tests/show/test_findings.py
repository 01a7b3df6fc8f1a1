"""Findings of the leaderboard and of the clip lengths' page, and its table of hard objects."""

import board_page
import clip_lengths_page
from record_example import example_record

LEVELLED = {"ap_so": 0.512, "ap_mo": 0.4, "ap_ho": 0.083, "ap_returning": 0.3}


def hard_table(records):
    page = clip_lengths_page.hard_page(records, lambda record: None)
    return None if page is None else page.tables[0]


def titles(table):
    return [column.title for column in table.columns]


def texts(table):
    return [[entry.text for entry in row] for row in table.rows]


def test_a_row_per_method_with_its_best_cell():
    records = [
        example_record(ap=0.5, clip_length=10, **LEVELLED),
        example_record(ap=0.6, clip_length=20, **{**LEVELLED, "ap_ho": 0.1}),
        example_record(method="seqformer", ap=0.55, **{**LEVELLED, "ap_returning": None}),
    ]
    table = hard_table(records)
    assert titles(table)[8:] == ["AP", "Light", "Moderate", "Heavy", "Returning"]
    assert [[row[0], *row[6:]] for row in texts(table)] == [
        ["IFC", "20", "1", "60.0", "51.2", "40.0", "10.0", "30.0"],
        ["SeqFormer", "5", "1", "55.0", "51.2", "40.0", "8.3", "-"],
    ]


def test_columns_that_nobody_has_are_left_out():
    both = {"ap_short": 0.61, "ap_long": 0.39, "ap50_long": 0.5}
    table = hard_table([example_record(ap=0.5, dataset="ytvis2022", **both)])
    assert titles(table)[8:] == ["AP", "AP short", "AP long"]
    assert texts(table)[0][8:] == ["50.0", "61.0", "39.0"]


def test_only_cells_with_such_numbers_have_a_row():
    assert hard_table([example_record()]) is None
    table = hard_table([example_record(), example_record(method="x", ap=0.1, **LEVELLED)])
    assert [row[0] for row in texts(table)] == ["x"]
    better = example_record(ap=0.9, clip_length=10)
    table = hard_table([better, example_record(ap=0.5, **LEVELLED)])
    assert texts(table)[0][8] == "50.0"


def ranked(ap, method, **changes):
    return example_record(ap=ap, method=method, backbone="mini", **changes)


def test_the_published_order_is_told_beside_the_measured_one():
    """IFC 42.8 and SeqFormer 47.4, both with ResNet-50."""
    ifc, seqformer = ranked(0.6, "ifc"), ranked(0.5, "seqformer")
    text = board_page.published_order([ifc, seqformer])
    assert text.endswith(" is the other way: SeqFormer 47.4, IFC 42.8.")
    text = board_page.published_order([seqformer, ifc])
    assert text.endswith(" is the same: SeqFormer 47.4, IFC 42.8.")
    assert board_page.published_order([ifc, ranked(0.5, "x")]) == ""
    assert board_page.published_order([ifc, ranked(0.5, "seqformer", reconstruction=True)]) == ""


def test_mini_models_trained_once_are_named():
    ifc, seqformer = ranked(0.6, "ifc"), ranked(0.5, "seqformer")
    assert board_page.trainings([ifc, seqformer]).startswith("IFC and SeqFormer are mini models")
    again = ranked(0.6, "ifc", weights_sha256="ef" * 32)
    assert board_page.trainings([ifc, again, seqformer]).startswith("SeqFormer are mini")
    assert board_page.trainings([example_record()]) == ""
    seeds = [
        ranked(ap, "ifc", training=f"clips of 10 frames, seed {n}", clip_length=5)
        for n, ap in enumerate((0.2, 0.3, 0.4))
    ]
    # SD 10.0; t of 2 degrees of freedom 4.303; times the root of 2.
    assert "lie up to 60.8 AP apart" in board_page.trainings([ifc, *seeds])


def test_the_best_clip_of_each_method_is_named_with_its_interval():
    cells = [
        ranked(0.5, "ifc", clip_length=5),
        ranked(0.6, "ifc", clip_length="whole", ap_low=0.55, ap_high=0.65),
        ranked(0.4, "seqformer", clip_length=5),
        ranked(0.3, "seqformer", clip_length=10),
        ranked(0.1, "x"),
    ]
    [text] = clip_lengths_page.clip_findings(cells)
    assert text.endswith("IFC 60.0 (55.0 to 65.0) on whole videos, SeqFormer 40.0 on clips of 5.")
    cells[0] = ranked(0.7, "ifc", clip_length=5)
    [text] = clip_lengths_page.clip_findings(cells)
    assert "IFC 70.0 on clips of 5" in text
    assert clip_lengths_page.clip_findings(cells[-1:]) == []
