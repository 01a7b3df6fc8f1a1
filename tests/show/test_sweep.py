"""Any records in a grid of two fields: cells, intervals, order and refusals."""

import csv
import io
import re

import pytest

from record_example import example_record
from vis_bench.errors import InputError
from vis_bench.record.schema import RESULTS
from vis_bench.record.store import RecordStore
from vis_bench.show.sweep import Sweep, sweep_of_run, sweep_page
from vis_bench.show.sweep_panels import sweep_panels
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
    assert main(words[:5]) == 2
    assert "--where" in capsys.readouterr().err, "the columns are the usual ones"
    assert main([*words[:3], "--value", "flops"]) == 2
    assert "gflops_per_frame" in capsys.readouterr().err
    assert main(["table", "fps", "--records", str(tmp_path / "records"), "--value", "ap"]) == 2
    assert "--value" in capsys.readouterr().err


def many(number):
    return [
        example_record(method=f"m{n}", resolution=100 + n // 4, config_sha256=f"{n:064d}", **ENDS)
        for n in range(number)
    ]


def test_the_chart_has_a_series_per_column_with_intervals():
    [panel] = sweep_panels(Sweep(records(), "clip_length", "method", "ap", {}))
    assert (panel.categories, panel.is_sideways) == (("5", "10", "whole"), False)
    assert [(s.name, s.method, s.x) for s in panel.series] == [
        ("a", "a", (0, 1, 2)),
        ("b", "b", (1,)),
    ]
    assert panel.series[0].y == pytest.approx((51, 52, 53))
    assert panel.series[1].low == (40,)


def test_rows_that_are_names_stand_below_each_other_unjoined():
    [panel] = sweep_panels(Sweep(records(), "method", "clip_length", "ap", {}))
    assert panel.is_sideways
    assert [s.name for s in panel.series] == ["5", "10", "whole"]
    assert {s.kind for s in panel.series} == {"points"}
    assert [s.method for s in panel.series] == ["a", "", "a"]  # of both methods, of one


def test_deta_and_assa_share_a_panel_with_curves_of_equal_hota():
    ends = ((5, 0.4, 0.9), (10, 0.5, 0.8), ("whole", 0.6, 0.85))
    found = [
        example_record(clip_length=clip, config_sha256=f"{n:064d}", deta=deta, assa=assa)
        for n, (clip, deta, assa) in enumerate(ends)
    ]
    [panel] = sweep_panels(Sweep(found, "clip_length", "method", "deta,assa", {}))
    [line], curves = panel.named, [own for own in panel.series if own.kind == "dotted"]
    assert line.x == pytest.approx((40, 50, 60))
    assert line.y == pytest.approx((90, 80, 85))
    assert line.labels == ("5", "10", "whole")
    assert "DetA +20.0, AssA -5.0" in panel.title
    assert len(curves) > 2
    for curve in curves:
        hota = float(curve.labels[0])
        assert [x * y for x, y in zip(curve.x, curve.y, strict=True)] == pytest.approx(
            [hota**2] * len(curve.x)
        )
        assert panel.ylim[0] <= min(curve.y) + 1e-9
        assert max(curve.y) <= panel.ylim[1] + 1e-9


def test_a_title_names_the_best_row_of_each_line():
    [panel] = sweep_panels(Sweep(records(), "clip_length", "method", "ap", {}))
    assert re.search(r"\ba 53\.0 .*at whole, b \S+ .*at 10$", panel.title)


def test_more_columns_than_a_chart_holds_are_refused_with_what_narrows_them():
    with pytest.raises(InputError, match="20 series") as refused:
        sweep_panels(Sweep(many(20), "clip_length", "method", "ap", {}))
    key, _, value = str(refused.value).rsplit(" ", 1)[1].partition("=")
    assert key == "resolution"
    [panel] = sweep_panels(Sweep(many(20), "clip_length", "method", "ap", {key: value}))
    assert len(panel.series) == 4


def test_every_result_has_a_title_and_a_unit_of_its_own():
    assert not [name for name, m in RESULTS.items() if m.title == name.replace("_", " ")]


def swept():
    """Records of every clip at every resolution, in no order; AP tells which is which."""
    return [
        example_record(
            clip_length=length,
            clip_stride=stride,
            resolution=size,
            ap=(size + place) / 1000,
            **ENDS,
            fps=float(size - place),
            gflops_per_frame=None,
            config_sha256=f"{size}{length}",
        )
        for size in (360, 96)
        for place, (length, stride) in enumerate([("whole", None), (10, 5), (5, 3), (15, 8)])
    ]


def test_clip_stride_and_resolution_stand_together_where_nothing_was_asked_for():
    page = sweep_page(sweep := Sweep(swept(), "", "", "", {}))
    rows = list(csv.DictReader(io.StringIO(render(page, "csv"))))
    assert [(r["clip length"], r["clip stride"]) for r in rows] == [
        ("5", "3"),
        ("10", "5"),
        ("15", "8"),
        ("whole", "-"),
    ]
    assert [(r["96p AP"], r["360p AP"]) for r in rows] == [
        ("9.8", "36.2"),
        ("9.7", "36.1"),
        ("9.9", "36.3"),
        ("9.6", "36.0"),
    ]
    assert [float(r["360p FPS"]) for r in rows] == [358, 359, 357, 360]
    assert not [title for title in rows[0] if "GMACs" in title]
    assert list(dict.fromkeys(c.group for c in page.tables[0].columns)) == [
        "",
        "96p",
        "360p",
    ]
    assert all("360" in render(page, form) for form in FORMATS)
    panels = sweep_panels(sweep)
    assert [panel.ylabel.partition(",")[0] for panel in panels] == ["AP", "FPS"]
    for panel in panels:
        assert panel.categories == ("5/3", "10/5", "15/8", "whole")
        assert [series.name for series in panel.series] == ["96p", "360p"]
    assert panels[0].series[1].y == pytest.approx((36.2, 36.1, 36.3, 36.0))


def test_several_methods_have_rows_and_lines_of_their_own():
    others = [record.model_copy(update={"method": "b"}) for record in swept()]
    page = sweep_page(sweep := Sweep([*swept(), *others], "", "", "", {}))
    [table] = page.tables
    assert [column.key for column in table.columns[:3]] == ["method", "clip_length", "clip_stride"]
    assert (len(table.rows), table.num_labels) == (8, 3)
    assert all(len(panel.series) == 4 for panel in sweep_panels(sweep))
    asked = Sweep(swept(), "clip_length,clip_stride", "resolution", "ap,fps", {})
    assert render(sweep_page(asked), "csv") == render(
        sweep_page(Sweep(swept(), "", "", "", {})), "csv"
    )


def test_the_page_of_a_sweep_holds_its_chart_and_no_bars(tmp_path):
    from vis_bench.cli import main

    for record in swept():
        RecordStore(tmp_path / "records").write(record)
    words = ["table", "sweep", str(tmp_path / "records"), "--format", "html"]
    assert main([*words, "--output", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg") == 2  # a panel for AP, one for FPS
    assert '<td class="bar">' not in page


def test_a_run_over_resolutions_is_shown_as_a_sweep():
    assert sweep_of_run(swept()).rows == ("clip_length", "clip_stride")
    assert sweep_of_run([record for record in swept() if record.resolution == 96]) is None
    assert sweep_of_run([*swept(), swept()[0]]) is None
