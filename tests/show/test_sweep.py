"""Any records in a grid of two fields: cells, intervals, order and refusals."""

import csv
import io

import pytest

from record_example import example_record
from vis_bench.errors import InputError
from vis_bench.record.schema import RESULTS
from vis_bench.record.store import RecordStore
from vis_bench.show.sweep import Sweep, sweep_page, sweep_panel
from vis_bench.table import FORMATS, render

ENDS = {"ap_low": 0.4, "ap_high": 0.6}


def records():
    return [
        example_record(
            clip_length=length,
            method=method,
            ap=ap,
            **ENDS,
            resolved_options={"tokens": tokens},
            config_sha256=f"{method}{length}",
        )
        for method, length, ap, tokens in [
            ("a", 5, 0.51, 1),
            ("a", 10, 0.52, 2),
            ("a", "whole", 0.53, 4),
            ("b", 10, 0.54, 8),
        ]
    ]


def test_every_cell_stands_in_its_place():
    page = sweep_page(Sweep(records(), "clip_length", "method", "ap", {}))
    rows = list(csv.reader(io.StringIO(render(page, "csv"))))
    assert rows == [
        ["clip length", "a", "a low", "a high", "b", "b low", "b high"],
        ["5", "51.0", "40.0", "60.0", "-", "-", "-"],
        ["10", "52.0", "40.0", "60.0", "54.0", "40.0", "60.0"],
        ["whole", "53.0", "40.0", "60.0", "-", "-", "-"],
    ]
    assert all(render(page, form) for form in FORMATS)


def test_options_and_other_numbers():
    page = sweep_page(Sweep(records(), "options.tokens", "split", "num_params", {"method": "a"}))
    [table] = page.tables
    assert [row[0].text for row in table.rows] == ["1", "2", "4"]
    assert not page.remarks


def test_two_records_of_a_cell_are_refused_with_what_tells_them_apart():
    with pytest.raises(InputError, match="clip_length") as refused:
        Sweep(records(), "split", "method", "ap", {})
    assert "--where" in str(refused.value)
    for fields in (("tokens", "method", "ap"), ("split", "method", "device"), ("split", "x", "ap")):
        with pytest.raises(InputError):
            Sweep(records()[:1], *fields, {})
    with pytest.raises(InputError, match="no record"):
        Sweep(records(), "split", "method", "ap", {"clip_length": "3"})


def test_the_command_and_its_picture(tmp_path, capsys):
    from vis_bench.cli import main

    for record in records():
        RecordStore(tmp_path / "records").write(record)
    words = ["table", "sweep", str(tmp_path / "records"), "--rows", "clip_length"]
    words += ["--columns", "method", "--value", "ap"]
    assert main(words) == 0
    assert "51.0" in capsys.readouterr().out
    assert main([*words, "--picture", str(tmp_path / "sweep.svg")]) == 0
    assert (tmp_path / "sweep.svg").read_text().count("<svg") == 1
    files = ["--picture", str(tmp_path / "two.svg"), "--output", str(tmp_path / "two.md")]
    assert main([*words, *files]) == 0
    board = ["leaderboard", "--records", str(tmp_path / "records"), "--all"]
    assert main([*board, *(path.replace("two", "three") for path in files)]) == 0
    assert [(tmp_path / f"{n}.md").is_file() for n in ("two", "three")] == [True, True]
    capsys.readouterr()
    assert main([*words[:5]]) == 2
    assert "--columns" in capsys.readouterr().err
    assert main(["table", "fps", "--records", str(tmp_path / "records"), "--value", "ap"]) == 2
    assert "--value" in capsys.readouterr().err


def many(number):
    return [
        example_record(method=f"m{n}", resolution=100 + n // 4, config_sha256=f"{n:064d}", **ENDS)
        for n in range(number)
    ]


def test_the_chart_has_a_series_per_column_with_intervals():
    panel = sweep_panel(Sweep(records(), "clip_length", "method", "ap", {}))
    assert (panel.categories, panel.is_sideways) == (("5", "10", "whole"), False)
    assert [(s.name, s.method, s.x) for s in panel.series] == [
        ("a", "a", (0, 1, 2)),
        ("b", "b", (1,)),
    ]
    assert panel.series[0].y == pytest.approx((51, 52, 53))
    assert panel.series[1].low == (40,)


def test_rows_that_are_names_stand_below_each_other_unjoined():
    panel = sweep_panel(Sweep(records(), "method", "clip_length", "ap", {}))
    assert panel.is_sideways
    assert [s.name for s in panel.series] == ["5", "10", "whole"]
    assert {s.kind for s in panel.series} == {"points"}
    assert [s.method for s in panel.series] == ["a", "", "a"]  # of both methods, of one


def test_more_columns_than_a_chart_holds_are_refused_with_what_narrows_them():
    with pytest.raises(InputError, match="20 series") as refused:
        sweep_panel(Sweep(many(20), "clip_length", "method", "ap", {}))
    key, _, value = str(refused.value).rsplit(" ", 1)[1].partition("=")
    assert key == "resolution"
    assert (
        len(sweep_panel(Sweep(many(20), "clip_length", "method", "ap", {key: value})).series) == 4
    )


def test_every_result_has_a_title_and_a_unit_of_its_own():
    assert not [name for name, m in RESULTS.items() if m.title == name.replace("_", " ")]
