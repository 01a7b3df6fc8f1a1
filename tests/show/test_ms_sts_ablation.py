"""The ablation of MS-STS: which record stands in which row, and the figures over the seeds."""

import json

import pytest

from methods import resolve_options
from paths import CONFIGS
from record_example import example_record
from vis_bench.cli import main
from vis_bench.record.metrics import AP, GFLOPS_PER_FRAME
from vis_bench.record.store import RecordStore
from vis_bench.runs.config import load_cells
from vis_bench.show.papers.over_seeds import (
    mean_entry,
    over_seeds_page,
)
from vis_bench.show.tables import render

TITLE = "MS-STS VIS, a reconstruction: what each part adds to SeqFormer"
CELLS = load_cells(CONFIGS / "tables" / "ms-sts-ablation_synthetic.yaml")
LABELS = [
    "SeqFormer",
    "+ attention within scales (reconstruction)",
    "+ attention between scales (reconstruction)",
    "+ temporal attention in the decoder (reconstruction)",
    "+ discriminator (reconstruction)",
]
# AP by variant and seed; the third variant gains on average, but not with seed 2.
APS = [[0.50, 0.53, 0.56], [0.52, 0.55, 0.58], [0.56, 0.57, 0.57], [0.5, 0.5, 0.5], [0.6, 0.6, 0.6]]


def ms_sts_ablation(records):
    return over_seeds_page("ms-sts-ablation", records)


def record_of(place, **changes):
    """The record that a run of the config writes for its cell of that place."""
    cell, variant, seed = CELLS[place], place // 3, place % 3
    ap = APS[variant][seed]
    values = {
        "method": cell.method, "options": cell.options, "backbone": "mini",
        "resolved_options": resolve_options(cell.method, cell.options),
        "reconstruction": cell.method == "ms_sts", "training": cell.training,
        "dataset": "synthetic",
        "clip_length": cell.clip_length, "clip_stride": cell.stride, "resolution": cell.resolution,
        "ap": ap, "ap_low": ap - 0.1, "ap_high": ap + 0.1, "assa": 0.7 + variant / 100,
        "fps": 10.0 + seed - variant, "gflops_per_frame": 1.0 + variant,
        "num_params": 500_000 + 10_000 * variant, "config_sha256": f"{place:02x}" * 32,
    }  # fmt: skip
    return example_record(**{**values, **changes})


RECORDS = [record_of(place) for place in range(len(CELLS))]


def columns(page):
    """The table's columns: title -> the entries, top down."""
    (grid,) = page.tables
    titles = [column.full_title for column in grid.columns]
    return dict(zip(titles, zip(*grid.rows, strict=True), strict=True))


def shown(entry):
    return entry.text + (f" ({' to '.join(entry.interval)})" if entry.interval else "")


def texts(page, title):
    return [shown(entry) for entry in columns(page)[title]]


def test_every_cell_of_the_config_has_its_place():
    page = ms_sts_ablation(RECORDS)
    assert len(CELLS) == 15
    assert texts(page, "Variant") == LABELS
    for seed in range(3):
        wanted = [f"{100 * aps[seed]:.1f}" for aps in APS]
        assert [e.text for e in columns(page)[f"AP seed {seed}"]] == wanted
    assert "-" not in [entry.text for entry in columns(page)["AP gain"]][1:]


def test_means_gains_lowest_and_highest():
    page = ms_sts_ablation(RECORDS)
    assert texts(page, "AP mean") == [
        "53.0 (50.0 to 56.0)", "55.0 (52.0 to 58.0)", "56.7 (56.0 to 57.0)", "50.0", "60.0",
    ]  # fmt: skip
    assert texts(page, "AP gain") == [
        "-", "+2.0", "+1.7 (-1.0 to +4.0)", "-6.7 (-7.0 to -6.0)", "+10.0",
    ]  # fmt: skip
    assert texts(page, "AP seed 1")[0] == "53.0 (43.0 to 63.0)"
    assert texts(page, "AssA") == ["70.0", "71.0", "72.0", "73.0", "74.0"]
    assert texts(page, "FPS")[0] == "11.0 (10.0 to 12.0)"
    assert texts(page, "GFLOPs/frame") == ["1.00", "2.00", "3.00", "4.00", "5.00"]
    assert texts(page, "Params (M)") == ["0.50", "0.51", "0.52", "0.53", "0.54"]


def test_what_does_not_help_is_said_so():
    (verdict,) = ms_sts_ablation(RECORDS).remarks[1:]
    higher, lower = verdict.split("; not with every seed: ")
    names = [label.removeprefix("+ ") for label in LABELS]
    assert all(name in higher for name in (names[1], names[4]))
    assert lower == f"{names[2]}, {names[3]}."
    assert "every seed: none; not" in ms_sts_ablation(RECORDS[6:12]).remarks[1]
    assert len(ms_sts_ablation(RECORDS[:3]).remarks) == 1


def test_without_ranks_nothing_is_marked():
    shown = columns(ms_sts_ablation(RECORDS))
    assert {entry.mark for column in shown.values() for entry in column} == {None}


def test_seeds_and_variants_that_are_missing_leave_dashes():
    page = ms_sts_ablation([RECORDS[0], RECORDS[2], RECORDS[4], RECORDS[12]])
    assert texts(page, "Variant") == [LABELS[0], LABELS[1], LABELS[4]]
    assert texts(page, "AP mean") == ["53.0 (50.0 to 56.0)", "55.0", "60.0"]
    assert texts(page, "AP gain") == ["-", "-", "-"], "no seed and no row above in common"
    assert [e.text for e in columns(page)["AP seed 1"]] == ["-", "55.0", "-"]


def test_other_records_are_passed_over():
    others = [
        record_of(9, training=None, ap=0.99),
        record_of(9, training="ablation", ap=0.99),
        record_of(9, training="encoder afresh, seed 1", ap=0.99),
        record_of(9, training="ablation, seed two", ap=0.99),
        record_of(9, weights_source="random", ap=0.99),
        record_of(9, method="ifc", ap=0.99),
        record_of(9, ap=0.99, resolved_options={"intra_scale": False}),
    ]
    assert ms_sts_ablation([*RECORDS, *others]) == ms_sts_ablation(RECORDS)


def test_of_one_variant_and_seed_the_latest_clean_measurement_counts():
    dirty = record_of(0, ap=0.1, git_dirty=True, created_at="2999-01-01")
    old = record_of(0, ap=0.2, created_at="2001-01-01")
    for records in ([*RECORDS, dirty, old], [dirty, old, *RECORDS]):
        assert ms_sts_ablation(records) == ms_sts_ablation(RECORDS)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"clip_length": 5}, "T=5 S=5"), ({"resolution": 128}, "short side 128"),
     ({"dataset": "ytvis2019"}, "YouTube-VIS 2019"), ({"num_videos": 3}, "3 videos"),
     ({"precision": "bfloat16"}, "bfloat16"), ({"backbone": "r50"}, "backbone r50"),
     ({"annotations_sha256": "ef" * 32}, "annotations efefefef")],
)  # fmt: skip
def test_figures_of_other_settings_stand_in_a_table_of_their_own(changes, words):
    other = record_of(0, **{**changes, "ap": 0.99})
    page = ms_sts_ablation([*RECORDS, other])
    (alone,) = ms_sts_ablation(RECORDS).tables
    assert len(page.tables) == 2
    (added,) = [grid for grid in page.tables if len(grid.rows) == 1]
    (kept,) = [grid for grid in page.tables if len(grid.rows) == 5]
    assert words in added.data
    assert words not in kept.data
    assert added.rows[0][1].text == "99.0"
    assert [[e.text for e in row] for row in kept.rows] == [
        [e.text for e in row] for row in alone.rows
    ]
    assert page.remarks[-1].startswith(f"{kept.data}: AP is ")


def test_the_title_and_footnotes_name_reconstruction_and_conditions():
    page = ms_sts_ablation(RECORDS)
    assert page.title == TITLE
    rows = page.tables[0].rows
    for row in rows[1:]:
        assert all("reconstruction" in page.footnotes[key] for key in row[0].notes)
    assert all(row[0].notes for row in rows)
    assert not any(key.isdigit() for key in page.footnotes)
    for part in ("24 videos", "short side 160", "clip stride 5", "a CPU", "01234567"):
        assert any(part in text for text in page.footnotes.values())


def test_without_records_the_table_says_what_to_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["table", "ms-sts-ablation"]) == 0
    printed = capsys.readouterr().out
    assert TITLE in printed
    assert "train/ms_sts_ablation_synthetic" in printed
    assert "tables/ms-sts-ablation_synthetic" in printed


def test_the_command_prints_it(tmp_path, capsys):
    store = RecordStore(tmp_path)
    for record in RECORDS:
        store.write(record)
    assert main(["table", "ms-sts-ablation", "--records", str(tmp_path)]) == 0
    assert capsys.readouterr().out == render(ms_sts_ablation(RECORDS))
    assert main(["table", "ms-sts-ablation", "--records", str(tmp_path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["tables"][0]["rows"][4]["AP mean"] == "60.0"


@pytest.mark.parametrize(
    ("values", "signed", "text"),
    [
        ([], True, "-"),
        ([0.0], True, "0.0"),
        ([-0.0003, 0.0001], True, "0.0"),
        ([-0.02, 0.04], True, "+1.0 (-2.0 to +4.0)"),
        ([-0.02, 0.04], False, "1.0 (-2.0 to 4.0)"),
        ([0.01, 0.01004], False, "1.0"),
    ],
)
def test_a_mean_as_printed(values, signed, text):
    entry = mean_entry(values, AP, signed=signed)
    assert shown(entry) == text
    assert mean_entry([1.5], GFLOPS_PER_FRAME).text == "1.50"
