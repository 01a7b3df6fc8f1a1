"""`compare A B C`: a row each, compared with the first; one table in every format."""

import csv
import io
import json

import pytest

from compare_workload import generate
from vis_bench.cli import main
from vis_bench.metrics.holm import adjusted
from vis_bench.progress import Bars
from vis_bench.runs.sources import compared_sources
from vis_bench.show.against_first import compare_with_first
from vis_bench.show.compare import compare_pair

RESAMPLES = 40


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
    return compare_with_first(sources, Bars(quiet=True), num_resamples=RESAMPLES)


def test_every_row_is_the_comparison_of_a_pair(found, files):
    truth, first, *others = files
    assert [row.name for row in found.rows] == ["worse", "good", "worst"]
    assert found.rows[0].against_first == {}
    for row, other in zip(found.rows[1:], others, strict=True):
        pair = compare_pair(
            compared_sources([first, other], annotations=truth),
            Bars(quiet=True),
            num_resamples=RESAMPLES,
        ).comparison
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
        assert row.values["ap50"] == expected["ap50"].second


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
    assert f"good ({100 * gain.difference:+.1f}, 95 %: {low} to {high})" in text


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


@pytest.mark.parametrize("option", ["--exact", "--power"])
def test_what_is_about_two_refuses_more(files, capsys, option):
    code, printed = call(capsys, files, option)
    assert code == 2
    assert option in printed.err


def test_it_writes_a_file(files, tmp_path, capsys):
    code, printed = call(capsys, files, "--format", "csv", "--output", str(tmp_path / "t.csv"))
    assert (code, printed.out) == (0, "")
    assert (tmp_path / "t.csv").read_text().startswith("Name,")
