"""`compare A B C`: a row each, compared with the first; one table in every format."""

import csv
import io
import json
from dataclasses import replace

import pytest

import vis_bench
from compare_workload import generate
from vis_bench.cli import main
from vis_bench.metrics.scores import adjusted
from vis_bench.progress import Bars
from vis_bench.runs.sources import compared_sources
from vis_bench.show.compare import COMPARED, compare_pair, compare_with_first
from vis_bench.table.number_format import p_text

FEW = replace(COMPARED, num_resamples=40)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Annotations, and results of three methods, the second one better than the others."""
    folder = tmp_path_factory.mktemp("files")
    truth, good, worse = generate(1, 12, 4, 12)
    _, _, worst = generate(1, 12, 4, 12)
    worst = [{**track, "score": track["score"] / 2} for track in worst[::2]]
    paths = [folder / name for name in ("truth.json", "worse.json", "good.json", "worst.json")]
    for path, content in zip(paths, (truth, worse, good, worst), strict=True):
        path.write_text(json.dumps(content))
    return paths


@pytest.fixture(scope="module")
def found(files):
    truth, *results = files
    sources = compared_sources(results, annotations=truth)
    return compare_with_first(sources, Bars(quiet=True), FEW)


def test_every_row_is_the_comparison_of_a_pair(found, files):
    truth, first, *others = files
    assert [row.name for row in found.rows] == ["worse", "good", "worst"]
    assert found.rows[0].against_first == {}
    for row, other in zip(found.rows[1:], others, strict=True):
        sources = compared_sources([first, other], annotations=truth)
        pair = compare_pair(sources, Bars(quiet=True), FEW).comparison
        expected = {**pair.overall, **pair.tracking}
        for key in ("ap", "hota"):
            moved = row.against_first[key]
            assert (moved.first, moved.second, moved.low, moved.high, moved.p_value) == (
                expected[key].first,
                expected[key].second,
                expected[key].low,
                expected[key].high,
                expected[key].p_value,
            )
        assert row.scores["ap50"].value == expected["ap50"].second


def test_p_values_have_holms_correction_over_the_rows(found):
    for key in ("ap", "hota"):
        moved = [row.against_first[key] for row in found.rows[1:]]
        corrected = adjusted(dict(enumerate(row.p_value for row in moved)))
        assert [row.adjusted_p_value for row in moved] == list(corrected.values())
        assert max(row.adjusted_p_value / row.p_value for row in moved) == pytest.approx(2)


def test_the_finding_names_every_row_once(found):
    text = found.finding()
    assert [text.count(f"{name} (") for name in ("good", "worst")] == [1, 1]
    gain = found.rows[1].against_first["ap"]
    assert ("Ahead of worse in AP: good" in text) == (gain.adjusted_p_value <= 0.05)
    low, high = (f"{100 * end:+.1f}" for end in (gain.low, gain.high))
    tested = f"95 %: {low} to {high}, corrected p {p_text(gain.adjusted_p_value)}"
    assert f"good ({100 * gain.difference:+.1f}, {tested})" in text


def call(capsys, files, *more):
    truth, *results = map(str, files)
    code = main(["compare", *results, "--annotations", truth, "--resamples", "40", *more])
    return code, capsys.readouterr()


def test_csv_and_json_hold_everything(found, files, capsys):
    code, printed = call(capsys, files, "--format", "csv")
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(printed.out)))
    assert [row["Name"] for row in rows] == ["worse", "good", "worst"]
    gain = found.rows[1].against_first["ap"]
    assert rows[1]["AP gain"] == f"{100 * gain.difference:+.1f}"
    assert rows[1]["AP gain low"] == f"{100 * gain.low:+.1f}"
    assert rows[0]["AP gain"] == rows[0]["AP p"] == "-"
    code, printed = call(capsys, files, "--json")
    assert json.loads(printed.out) == json.loads(json.dumps(found.as_json()))


def test_latex_has_intervals_and_a_pair_is_one_table_where_a_format_is_named(files, capsys):
    code, printed = call(capsys, files, "--format", "latex")
    assert code == 0
    assert r"\begin{tabular}" in printed.out
    assert "worst" in printed.out
    truth, first, second, _ = map(str, files)
    words = ["compare", first, second, "--annotations", truth, "--resamples", "40"]
    assert main([*words, "--format", "markdown"]) == 0
    assert "AP gain" in capsys.readouterr().out
    assert main(words) == 0
    assert "Where AP is lost" in capsys.readouterr().out


def test_boundaries_and_groups_are_those_of_a_pair(files, tmp_path, capsys):
    """Of every file against the first, with the correction over the rows."""
    groups = tmp_path / "groups.yaml"
    groups.write_text("one & all: [1]\nnobody: []\nvideos: {few: [1, 2, 3, 4, 5]}\n")
    more = ["--boundary", "--groups", str(groups)]
    rows = json.loads(call(capsys, files, *more, "--json")[1].out)["rows"]
    assert [list(row["groups"]) for row in rows] == [["one & all", "nobody", "few"]] * 3
    truth, first, *others = files
    pairs = [
        json.loads(call(capsys, [truth, first, other], *more, "--json")[1].out) for other in others
    ]
    moved = ("first", "second", "difference", "low", "high", "p_value", "standard_error")
    for group, key in (("", "boundary_ap"), ("one & all", "ap"), ("few", "ap")):
        found = []
        for row, pair in zip(rows[1:], pairs, strict=True):
            gain = (row["groups"][group] if group else row)["against_first"][key]
            expected = (pair["by_group"][group] if group else pair["overall"])[key]
            assert [gain[name] for name in moved] == [expected[name] for name in moved]
            found.append(gain)
        corrected = adjusted(dict(enumerate(gain["p_value"] for gain in found)))
        assert [gain["adjusted_p_value"] for gain in found] == list(corrected.values())
    assert rows[1]["values"]["boundary_ap"] == pairs[0]["overall"]["boundary_ap"]["second"]
    assert rows[1]["groups"]["nobody"]["values"]["ap"] is None
    printed = call(capsys, files, *more, "--format", "csv")[1].out
    table = {(row["Name"], row["Group"]): row for row in csv.DictReader(io.StringIO(printed))}
    assert len(table) == 3 * 4
    gain = rows[1]["groups"]["few"]["against_first"]["ap"]
    assert table["good", "few"]["AP gain"] == f"{100 * gain['difference']:+.1f}"
    assert table["worse", "few"]["AP gain"] == table["good", "nobody"]["AP"] == "-"
    boundary = rows[1]["values"]["boundary_ap"]
    assert table["good", "all"]["Boundary AP"] == f"{100 * boundary:.1f}"
    latex = call(capsys, files, *more, "--format", "latex")[1].out
    assert r"good & one \& all & " in latex
    assert "Boundary" in latex
    asked = {"num_resamples": 40, "boundary": True, "groups": groups}
    report = vis_bench.compare(*files[1:], annotations=truth, **asked)
    assert json.loads(json.dumps(report.as_json()))["rows"] == rows
    assert "Group nobody has no object." in report.as_text()


@pytest.mark.parametrize("option", ["--exact", "--power"])
def test_what_is_about_two_refuses_more(files, capsys, option):
    code, printed = call(capsys, files, option)
    assert code == 2
    assert option in printed.err


def test_it_writes_a_file(files, tmp_path, capsys):
    code, printed = call(capsys, files, "--format", "csv", "--output", str(tmp_path / "t.csv"))
    assert (code, printed.out) == (0, "")
    assert (tmp_path / "t.csv").read_text().startswith("Name,")
