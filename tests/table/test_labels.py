"""Two cells that differ in one field have two rows in every table, two names in every legend."""

from dataclasses import replace

import pytest

from record_example import example_record, memory_fields, streaming_fields
from report_case import write_case
from vis_bench.measures.memory.table import memory_page
from vis_bench.measures.speed.table import speed_page
from vis_bench.measures.streaming.table import streaming_page
from vis_bench.metrics.compare import analyse
from vis_bench.metrics.scores import Asked
from vis_bench.progress import Bars
from vis_bench.record.names import COST_MARKS
from vis_bench.record.schema import IdentityFields
from vis_bench.record.store import read_record, record_json
from vis_bench.runs.sources import compared_sources
from vis_bench.show.compare import COMPARED, compare_pair
from vis_bench.show.curves import cost_curves
from vis_bench.show.gate.baseline import GatedCell, distinct_names
from vis_bench.show.leaderboard import leaderboard_text
from vis_bench.show.measured import measured_page
from vis_bench.show.report.facts import describe_sides
from vis_bench.show.report.sides import Sides
from vis_bench.show.report.verdict import title_of
from vis_bench.show.sweep import Sweep, sweep_page
from vis_bench.table import render
from vis_bench.table.fit import fit_page
from vis_bench.table.labels import CLIP, cell_columns, cell_names, shared_words

REGION = {"fps": 12.3, "latency_ms_p50": 400.0, "stage_ms_per_frame": {"encode": 61.0}}
# A changed value for each field that names a cell, and what goes with it.
CHANGED = {
    "method": {"method": "seqformer"},
    "options": {"options": {"memory_tokens": 4}},
    "backbone": {"backbone": "r101"},
    "dataset": {"dataset": "ytvis2019"},
    "split": {"split": "train"},
    "num_videos": {"num_videos": 12},
    "clip_length": {"clip_length": 10},
    "clip_stride": {"clip_stride": 3},
    "resolution": {"resolution": 192},
    "training": {"training": "clips of 10 frames, seed 1"},
    "annotations_sha256": {"annotations_sha256": "12" * 32},
    "precision": {"precision": "float16"},
    "tf32": {"tf32": True},
    "compile": {"compile": "default"},
    "device": {"device": "a GPU", "streaming_device": "a GPU"},
    "weights_sha256": {"weights_sha256": "34" * 32},
    "weights_source": {"weights_source": "random", "weights_sha256": None},
    "seed": {"seed": 1},
    "note": {"note": "retrained"},
    "external": {"external": True},
    "reconstruction": {"reconstruction": True},
    "contaminated": {"contaminated": True},
    "limited": {"limited": True},
    "num_threads": {"num_threads": 4},
    "kernel_backend": {"kernel_backend": "cpu"},
    "config": {"config_sha256": "56" * 32},
}


def measured(**changes):
    """A cell with every measurement."""
    values = {
        "annotations_sha256": "ef" * 32,
        "tf32": False,
        "compile": "none",
        "fps": 12.3,
        "timed_region": "model+tracker",
        "regions": {"model+tracker": REGION},
        "gflops_per_frame": 3.0,
        **streaming_fields(),
        **memory_fields(),
        **changes,
    }
    return example_record(**values)


def rows_of(page):
    """Texts of all entries and their notes, as shown at the page's width."""
    tables = fit_page(page).tables
    assert tables
    return [
        [tuple((entry.text, entry.notes) for entry in row) for row in table.rows]
        for table in tables
    ]


TABLES = {
    "measured": measured_page,
    "speed": speed_page,
    "streaming": streaming_page,
    "memory": memory_page,
}


def test_every_field_of_the_identity_is_changed():
    # The names of options that say where something lies identify nothing.
    assert set(IdentityFields.model_fields) - {"place_options"} <= set(CHANGED)


@pytest.mark.parametrize("field", CHANGED)
@pytest.mark.parametrize("table", TABLES)
def test_two_cells_have_two_rows(table, field):
    alone = rows_of(TABLES[table]([measured()]))
    both = rows_of(TABLES[table]([measured(), measured(**CHANGED[field])]))
    assert [len(rows) for rows in both] == [2 * len(rows) for rows in alone]
    for rows in both:
        assert len(set(rows)) == len(rows)


@pytest.mark.parametrize("field", CHANGED)
def test_two_cells_have_two_rows_in_the_leaderboard(field):
    text = leaderboard_text([measured(), measured(**CHANGED[field])])
    rows = [line for line in text.splitlines() if line.startswith("|") and "50.0" in line]
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert len(rows) == 2
    assert len({*rows}) == 2 or len({*headings}) == 2


@pytest.mark.parametrize("field", CHANGED)
def test_two_cells_have_two_names(field):
    records = [measured(), measured(**CHANGED[field])]
    for marks in (None, COST_MARKS, ()):
        assert len({*cell_names(records, marks=marks)}) == 2


@pytest.mark.parametrize("field", CHANGED)
def test_two_cells_have_two_curves_or_two_points_of_one(field):
    records = [measured(), measured(**CHANGED[field])]
    places = {(curve.label, length) for curve in cost_curves(records) for length in curve.points}
    assert len(places) == 2


# `compare` and `report` refuse records of other videos.
SAME_VIDEOS = CHANGED.keys() - {"num_videos", "annotations_sha256"}


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return write_case(tmp_path_factory.mktemp("case"))


@pytest.mark.parametrize("field", sorted(SAME_VIDEOS))
def test_two_cells_have_two_names_in_the_titles_of_compare_and_report(case, field):
    record = read_record(case["good"])
    other = case["good"].with_name("other.json")
    changes = {**CHANGED[field], "predictions": record.predictions}
    other.write_bytes(record_json(record.model_copy(update=changes)))
    pair = compared_sources([case["good"], other], annotations=case["annotations"])
    first, second = (side.name for side in pair.sides)
    assert first != second
    assert "good" not in (first, second), "the names of files"
    report = compare_pair(pair, Bars(quiet=True), replace(COMPARED, num_resamples=5))
    assert report.as_json()["names"] == [first, second]
    text = report.as_text()
    assert first in text
    assert second in text
    samples = [
        analyse(pair.truth, side.results, Asked(tracking_threshold=0.5, num_resamples=5, seed=0))
        for side in pair.sides
    ]
    title = title_of(Sides(samples), [first, second])
    assert first in title.replace(second, "")
    assert [side["name"] for side in describe_sides(pair.sides)] == [first, second]


# The gate compares them, as figures or conditions of one cell.
SAME_CELL = {"num_threads", "contaminated", "limited", "config"}


@pytest.mark.parametrize("field", sorted(CHANGED.keys() - SAME_CELL))
def test_two_cells_have_two_names_in_gate_and_history(field):
    records = [measured(), measured(**CHANGED[field])]
    cells = [*map(GatedCell, records)]
    assert len({*distinct_names(cells).values()}) == 2


def test_lists_that_tell_cells_apart_are_joined():
    records = [measured(), measured(config={"measure": ["accuracy", "flops"]})]
    cells = [*map(GatedCell, records)]
    plain, other = distinct_names(cells).values()
    assert other == f"{plain} measure=accuracy+flops"


@pytest.mark.parametrize("columns", ["method", "schema_version"])
@pytest.mark.parametrize("field", sorted(CHANGED.keys() - {"clip_length", "config"}))
def test_a_sweep_names_what_varies_beside_rows_and_columns(field, columns):
    def shown(**changes):
        records = [measured(), measured(**{"clip_length": 10, **changes})]
        return sweep_page(Sweep(records, "clip_length", columns, "ap", {}))

    page, plain = shown(**CHANGED[field]), shown()
    assert not plain.footnotes
    named = {*page.footnotes.values(), *(column.title for column in page.tables[0].columns)}
    more = named - {column.title for column in plain.tables[0].columns}
    assert more or page.remarks != plain.remarks
    assert len(page.tables[0].rows) == 2


def test_what_all_cells_share_stands_above_and_not_in_names():
    records = [measured(), measured(clip_length=10)]
    assert cell_names(records) == ["IFC T=5 S=1", "IFC T=10 S=1"]
    assert cell_names(records, leave_out=CLIP) == ["IFC", "IFC"]
    assert shared_words(records) == (
        "ResNet-50",
        "synthetic set val",
        "24 videos",
        "360p",
        "a CPU",
    )
    text = render(measured_page(records))
    assert text.count("synthetic set val") == 1
    assert text.count("a CPU") == 1


def test_a_column_that_tells_rows_apart_is_never_dropped():
    one = [measured(), measured(num_videos=12)]
    assert "12 videos" in render(measured_page(one))
    apart = [measured(), measured(num_videos=12, dataset="ytvis2019")]
    text = render(measured_page(apart))
    assert "12 videos" not in text
    assert "Videos" in text.splitlines()[-1]
    names = [label for column, label in cell_columns(one) if column.title == "Method"]
    assert [entry.text for entry in names[0]] == ["IFC", "IFC"]


def test_the_label_of_a_config_stands_in_the_place_of_the_method_and_its_options():
    def record(label, **options):
        return measured(config={"label": label} if label else {}, options=options)

    base, ours = record("base", num_frames=3), record("ours", num_frames=5)
    assert cell_names([base, ours]) == ["base T=5 S=1", "ours T=5 S=1"]
    plain = record("", num_frames=3)
    assert cell_names([plain, ours])[0].startswith("IFC")
    swept = cell_names([ours, record("ours", num_frames=8)])
    assert all(name.startswith("ours, num_frames=") for name in swept)
    latex = render(measured_page([base, ours]), "latex")
    assert r"\caption{All rows: " in latex
    assert "\nours & " in latex


def test_marks_that_a_run_shares_with_all_others_stand_above():
    limited = [measured(limited=True, clip_length=n) for n in (5, 10)]
    text = render(measured_page(limited))
    assert text.count("limited to the first 24 of the videos") == 1
    assert "(limited" not in "".join(line for line in text.splitlines() if line[:1] == "|")
