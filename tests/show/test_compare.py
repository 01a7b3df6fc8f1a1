"""`compare` from files: what it reads, what it refuses, what it prints."""

import json
import re
from dataclasses import replace

import pytest

import vis_bench
from compare_workload import generate
from record_example import example_record, perfect_tracks, synthetic_record
from vis_bench.cli import main
from vis_bench.data.datasets import load_dataset
from vis_bench.errors import InputError
from vis_bench.metrics.ap import evaluate_files
from vis_bench.metrics.scores import Asked, Difference
from vis_bench.progress import Bars
from vis_bench.record.store import RecordStore, pack_predictions, predictions_path
from vis_bench.runs.external import OtherCode, record_results
from vis_bench.runs.sources import compared_sources, figure_sources
from vis_bench.show.compare import COMPARED, compare_pair, compare_sides
from vis_bench.show.evaluation import EvaluationReport
from vis_bench.table.number_format import p_text

TRACKS = perfect_tracks(2)


def names_of(sources):
    return tuple(side.name for side in sources.sides)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    paths = [folder / name for name in ("annotations.json", "good.json", "worse.json")]
    for path, content in zip(paths, generate(1, 12, 4, 12), strict=True):
        path.write_text(json.dumps(content))
    return paths


@pytest.fixture(scope="module")
def report(files):
    annotations, good, worse = files
    pair = compared_sources([good, worse], annotations=annotations)
    return compare_pair(pair, Bars(quiet=True), replace(COMPARED, num_resamples=60))


def test_two_results_files(report, files):
    annotations, good, worse = files
    assert report.names == ("good", "worse")
    ap = report.comparison.overall["ap"]
    evaluated = EvaluationReport(evaluate_files(annotations, good))
    assert ap.first == pytest.approx(evaluated.summary()["ap"])
    assert evaluated.as_text().startswith(f"{evaluated.finding()}\n")
    assert ap.second == pytest.approx(evaluate_files(annotations, worse).summary()["ap"])


def test_the_text_shows_all_parts(report):
    text = report.as_text()
    parts = (
        "A: good. B: worse.",
        "AP of hard objects and by category",
        "Videos whose own AP changed most",
        "identity",
        "identity: switch",
        "identity: fragment",
        "identity: drift",
    )
    for part in (*parts, "Where AP is lost", "AR100", "kind 3", "paired half-samples"):
        assert part in text
    heads = {line for line in text.splitlines() if " B - A |" in line}
    assert heads
    assert all("| A |" in re.sub(" +", " ", head) for head in heads)
    ap = report.comparison.overall["ap"]
    line = next(line for line in text.splitlines() if line.startswith("| AP "))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[1] == f"{100 * ap.first:.1f}"
    assert cells[3] == f"{100 * ap.difference:+.1f}"
    assert cells[4].replace("\u00a0", " ") == f"{100 * ap.low:+.1f} to {100 * ap.high:+.1f}"
    assert text == report.as_text()


@pytest.mark.parametrize(
    ("ap", "finding"),
    [
        (
            (0.5, 0.424, -0.076, -0.151, -0.013, 0.01),
            "worse is 7.6 AP behind good (95 %: 1.3 to 15.1)",
        ),
        (
            (0.424, 0.5, 0.076, 0.013, 0.151, 0.01),
            "worse is 7.6 AP ahead of good (95 %: 1.3 to 15.1)",
        ),
        ((0.5, 0.497, -0.003, -0.02, 0.01, 0.6), "No measurable difference"),
        ((0.5, 0.4, -0.1, None, None, None), "No interval"),
        ((None,) * 6, "No AP"),
    ],
)
def test_the_text_begins_with_the_finding_and_the_letters(report, ap, finding):
    overall = {**report.comparison.overall, "ap": Difference(*ap)}
    changed = replace(report, comparison=replace(report.comparison, overall=overall))
    first, *lines = changed.as_text().splitlines()
    assert first.startswith(finding)
    assert next(line for line in lines if line) == "A: good. B: worse."


def test_categories_of_one_name_have_a_row_each(files, tmp_path):
    annotations, good, worse = files
    content = json.loads(annotations.read_text())
    for category, name in zip(content["categories"], ("cat", "cat", "cat (id 1)"), strict=False):
        category["name"] = name
    renamed = tmp_path / "renamed.json"
    renamed.write_text(json.dumps(content))
    pair = compared_sources([good, worse], annotations=renamed)
    report = compare_pair(pair, Bars(quiet=True), replace(COMPARED, num_resamples=5))
    rows = report.as_json()["by_category"]
    names = ["cat (id 1) (id 1)", "cat (id 2)", "cat (id 1) (id 3)", "kind 4"]
    assert list(rows) == names
    expected = evaluate_files(renamed, good).per_category()
    assert [row["ap"]["first"] for row in rows.values()] == pytest.approx(
        [row["ap"] for row in expected]
    )
    evaluated = EvaluationReport(evaluate_files(renamed, good)).as_text(per_category=True)
    for text in (report.as_text(), evaluated):
        assert all(f"| {name} " in text for name in names)


def test_plain_types_hold_everything(report):
    plain = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert set(plain) == {
        "names",
        "overall",
        "by_area",
        "by_level",
        "by_category",
        "videos",
        "num_videos",
        "num_resamples",
        "errors",
        "error_differences",
        "tracking",
        "tracking_score_threshold",
    }
    assert set(plain["by_category"]["kind 1"]) == {"ap", "ap50", "ap75", "ar100"}
    for side in plain["errors"]:
        assert sum(side["shares"].values()) == pytest.approx(1)
        assert list(side["identity_gains"]) == ["switch", "fragment", "drift"]
        assert sum(side["identity_gains"].values()) == pytest.approx(side["gains"]["identity"])
        assert sum(side["identity_shares"].values()) == pytest.approx(side["shares"]["identity"])
    for kind, lost in plain["error_differences"].items():
        part = kind.removeprefix("identity: ")
        for name, side in zip(("first", "second"), plain["errors"], strict=True):
            assert lost[name] == {**side["gains"], **side["identity_gains"]}[part]
        assert lost["low"] is None or lost["low"] <= lost["difference"] <= lost["high"]
    assert any(lost["low"] is not None for lost in plain["error_differences"].values())


def test_tracking_metrics_stand_beside_ap(report, files):
    annotations, *predictions = files
    sides = [
        evaluate_files(annotations, path, Asked(tracking_threshold=0.5)) for path in predictions
    ]
    text = report.as_text()
    assert "scores above 0.5" in text
    plain = report.as_json()
    assert plain["tracking_score_threshold"] == 0.5
    for title in ("HOTA", "DetA", "AssA", "LocA", "IDF1", "TETA"):
        found = plain["tracking"][title.lower()]
        expected = [side.tracking.headline()[title.lower()] for side in sides]
        assert [found["first"], found["second"]] == pytest.approx(expected, rel=0, abs=1e-12)
        line = next(line for line in text.splitlines() if line.startswith(f"| {title} "))
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[1:3] == [f"{100 * value:.1f}" for value in expected]
        interval = cells[4].replace("\u00a0", " ")
        assert interval == f"{100 * found['low']:+.1f} to {100 * found['high']:+.1f}"


def test_a_limit_of_both_is_said_once(tmp_path):
    one, two = (
        synthetic_record(tmp_path / name, name, TRACKS, 2, limited=True) for name in ("ifc", "idol")
    )
    pair = compared_sources([one, two])
    assert names_of(pair) == ("IFC T=5 S=1", "IDOL T=5 S=1")
    text = compare_pair(pair, Bars(quiet=True), replace(COMPARED, num_resamples=5)).as_text()
    assert text.count("limited to 2 videos") == 1
    whole = synthetic_record(tmp_path / "c", "idol", TRACKS, 2)
    assert names_of(compared_sources([one, whole]))[0].endswith("(limited to 2 videos)")


def test_small_p_values_are_not_zero():
    assert [p_text(p) for p in (None, 0.5, 0.001, 0.00099, 0.0)] == [
        "-",
        "0.500",
        "0.001",
        "< 0.001",
        "< 0.001",
    ]


def test_the_score_threshold_is_that_of_the_command_line(files, capsys):
    annotations, good, worse = map(str, files)
    common = ["compare", good, worse, "--annotations", annotations, "--resamples", "5", "--json"]
    assert main([*common, "--score-threshold", "0.2"]) == 0
    loose = json.loads(capsys.readouterr().out)
    evaluation = evaluate_files(files[0], files[1], Asked(tracking_threshold=0.2))
    assert loose["tracking_score_threshold"] == 0.2
    expected = evaluation.tracking.headline()["hota"]
    assert loose["tracking"]["hota"]["first"] == pytest.approx(expected, rel=0, abs=1e-12)


def test_power_is_printed_where_asked_for(files, capsys):
    annotations, good, worse = map(str, files)
    common = ["compare", good, worse, "--annotations", annotations, "--resamples", "20"]
    assert main([*common, "--json"]) == 0
    assert "power" not in json.loads(capsys.readouterr().out)
    assert main([*common, "--json", "--power"]) == 0
    power = json.loads(capsys.readouterr().out)["power"]
    assert list(power) == [
        "num_videos",
        "standard_deviation",
        "smallest_difference",
        "num_videos_for_one_point",
        "fewest_videos_for_one_point",
        "most_videos_for_one_point",
    ]
    assert main([*common, "--power"]) == 0
    text = capsys.readouterr().out
    assert f"{100 * power['smallest_difference']:.1f} AP" in text
    fewest, most = re.search(r"some ([\d,]+) to ([\d,]+) videos", text).groups()
    assert fewest.strip("0,").isdigit()
    assert len(fewest.strip("0,")) == len(most.strip("0,")) == 1
    assert int(fewest.replace(",", "")) == pytest.approx(
        power["num_videos_for_one_point"] / 2, rel=0.5
    )
    assert int(most.replace(",", "")) == pytest.approx(
        3 * power["num_videos_for_one_point"], rel=0.5
    )
    assert main([*common[:2], good, *common[3:], "--json", "--power"]) == 0
    assert json.loads(capsys.readouterr().out)["power"] is None


def test_results_files_need_annotations(files):
    with pytest.raises(InputError, match="results files need their annotations"):
        compared_sources([files[1], files[2]])


def test_records_of_other_code_with_their_annotations(files, tmp_path):
    annotations, good, worse = files
    store = RecordStore(tmp_path)
    paths = [
        record_results(OtherCode(name), annotations, file, store, command="eval", dataset="mine")[1]
        for name, file in (("A", good), ("B", worse))
    ]
    assert names_of(compared_sources(paths, annotations=annotations)) == (
        "A (other code)",
        "B (other code)",
    )
    with pytest.raises(InputError, match="expected annotations"):
        compared_sources(paths)
    other = tmp_path / "other.json"
    other.write_text(annotations.read_text() + "\n")
    with pytest.raises(InputError, match="checksum"):
        compared_sources(paths, annotations=other)


def test_two_records_find_their_data_set_and_videos(tmp_path):
    one = synthetic_record(tmp_path / "a", "ifc", TRACKS, 2)
    two = synthetic_record(tmp_path / "b", "color_key", TRACKS[1:], 2)
    pair = compared_sources([one, two])
    assert len(pair.truth.videos) == 2
    result = compare_pair(pair, Bars(quiet=True), replace(COMPARED, num_resamples=10))
    assert result.names == ("IFC T=5 S=1", "color key T=5 S=1")
    assert result.comparison.overall["ap"].first == pytest.approx(1)
    assert result.comparison.overall["ap"].difference < 0
    assert result.errors[1].shares()["missed"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_videos": 3}, "differ in num_videos"),
        ({"annotations_sha256": "0" * 64}, "differ in annotations_sha256"),
        ({"predictions": None}, "no predictions"),
        (
            {"predictions": "gone.json"},
            r"not next to it \(gone.json\).*so measure again with: run_bench",
        ),
        ({"predictions": "/etc/passwd"}, "expected a file in the record's folder"),
        ({"predictions": "../a/ifc.results.json"}, "expected a file in the record's folder"),
        ({"predictions": r"..\\a\\x.json"}, "expected a file in the record's folder"),
        ({"predictions": r"C:\\x.json"}, "expected a file in the record's folder"),
    ],
)
def test_records_that_cannot_be_compared_are_refused(tmp_path, changes, message):
    one = synthetic_record(tmp_path / "a", "ifc", TRACKS, 2)
    values = {"num_videos": 2, **changes}
    two = synthetic_record(tmp_path / "b", "color_key", TRACKS, values.pop("num_videos"), **values)
    with pytest.raises(InputError, match=message):
        compared_sources([one, two])


def test_records_of_the_same_method_are_told_apart(tmp_path):
    one = synthetic_record(tmp_path / "a", "ifc", TRACKS, 2)
    two = synthetic_record(tmp_path / "b", "ifc", TRACKS, 2)
    assert names_of(compared_sources([one, two])) == (str(one), str(two))


def test_a_record_and_the_predictions_it_names_are_one_side(tmp_path):
    one = synthetic_record(tmp_path / "a", "ifc", TRACKS, 2)
    two = synthetic_record(tmp_path / "b", "color_key", TRACKS[1:], 2)
    failed = two.with_name(f"{two.stem}.failed.json")
    failed.write_text("{}")
    given = sorted([*one.parent.iterdir(), *two.parent.iterdir()])
    assert len(given) == 5
    sources = compared_sources(given)
    assert names_of(sources) == ("IFC T=5 S=1", "color key T=5 S=1")
    drawn = figure_sources([str(path) for path in given])
    assert [side.results.tracks for side in drawn.sides] == [TRACKS, TRACKS[1:]]
    assert main(["report", *map(str, given[:2]), "--output", str(tmp_path / "r.html")]) == 0
    with pytest.raises(InputError, match="to one run"):
        compare_sides(compared_sources(given[:2]), Bars(quiet=True))
    assert main(["report", *map(str, [one, two, two]), "--output", str(tmp_path / "r.html")]) == 2


def test_predictions_alone_are_those_of_the_record_beside_them_without_annotations(tmp_path):
    record = synthetic_record(tmp_path / "a", "ifc", TRACKS, 2)
    results = tmp_path / "a" / "ifc.results.json"
    moved = results.rename(results.with_name(f"{record.stem}.results.json"))
    content = json.loads(record.read_text())
    record.write_text(json.dumps({**content, "predictions": moved.name}))
    assert names_of(compared_sources([moved])) == ("IFC T=5 S=1",)
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps(load_dataset("synthetic", "val", plain=True).content()))
    named = compared_sources([moved], annotations=truth)
    assert names_of(named) == (record.stem,)
    assert len(named.truth.videos) > 2


def test_names_are_given_before_the_file(tmp_path, capsys):
    one = synthetic_record(tmp_path / "a", "ifc", TRACKS, 2)
    two = synthetic_record(tmp_path / "b", "ifc", TRACKS[1:], 2)
    results = two.with_name("ifc.results.json")
    given = [f"base={one}", two, f"our=s={results}"]
    assert names_of(compared_sources(given)) == ("base", "our=s")
    found = vis_bench.compare(*given, num_resamples=5)
    assert found.names == ("base", "our=s")
    assert main(["compare", *map(str, given), "--resamples", "5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["names"] == ["base", "our=s"]
    latex = vis_bench.compare(*given, f"other={one}", num_resamples=5).as_text("latex")
    assert "our=s & " in latex
    assert re.search(r"\\caption\{.*base", latex)


def test_videos_that_lost_most_stand_before_those_that_gained_most(report):
    shown = [[e.text for e in row] for row in report.pages()[-2].tables[0].rows]
    changes = [float(row[-1]) for row in shown]
    lost, gained = ([c for c in changes if sign * c > 0] for sign in (-1, 1))
    assert changes == [*sorted(lost), *sorted(gained, reverse=True)]
    everything = [100 * video.difference for video in report.comparison.videos]
    assert 0 < len(lost) <= 3
    assert min(everything) == pytest.approx(lost[0], abs=0.06)
    assert max(everything) <= (gained or [0])[0] + 0.06


def test_a_name_carries_note_and_marks(tmp_path):
    one = synthetic_record(tmp_path / "a", "ms_sts", TRACKS, 2, reconstruction=True)
    two = synthetic_record(tmp_path / "b", "ms_sts", TRACKS, 2, note="retrained")
    pair = compared_sources([one, two])
    assert names_of(pair) == ("MS-STS T=5 S=1 (reconstruction)", "MS-STS, retrained T=5 S=1")
    same = compared_sources([one, one])
    assert names_of(same) == (f"{one} (reconstruction)", f"{one} (reconstruction)")
    text = compare_pair(pair, Bars(quiet=True), replace(COMPARED, num_resamples=10)).as_text()
    assert "MS-STS T=5 S=1 (reconstruction)" in text


def test_packed_predictions_are_read(tmp_path):
    plain = synthetic_record(tmp_path / "a", "ifc", TRACKS, 2)
    packed = synthetic_record(tmp_path / "b", "color_key", TRACKS, 2)
    assert pack_predictions(packed).name == "color_key.results.json.gz"
    pair = compared_sources([plain, packed])
    assert list(pair.sides[0].results.tracks) == list(pair.sides[1].results.tracks)


def test_the_way_to_missing_predictions_measures_anew(tmp_path):
    record = example_record(predictions="gone.json", command="vis-bench run c --resume --limit 2")
    with pytest.raises(InputError, match=r"measure again with: vis-bench run c --limit 2$"):
        predictions_path(record, tmp_path / "r.json")
