"""Results files of other code enter the leaderboard and the comparison."""

import hashlib
import json
import sys
from pathlib import Path

import pytest

from paths import GOLDEN
from vis_bench.cli import main
from vis_bench.commands.eval import num_params
from vis_bench.data.categories import CATEGORIES
from vis_bench.data.split import split_annotations
from vis_bench.errors import InputError
from vis_bench.record.names import is_ranked, unmarked_names, with_marks
from vis_bench.record.store import RecordStore, read_record
from vis_bench.runs.external import OtherCode, record_results
from vis_bench.show.curves import cost_curves
from vis_bench.show.leaderboard import leaderboard_text
from vis_bench.show.papers import table_page
from vis_bench.show.speed_chart import speed_panels
from vis_bench.table import render

ANNOTATIONS, PREDICTIONS = GOLDEN / "eval_dense.gt.json", GOLDEN / "eval_dense.preds.json"
EXPECTED = json.loads((GOLDEN / "eval_dense.expected.json").read_text())


@pytest.fixture(scope="module", autouse=True)
def annotations_of_ytvis2019(tmp_path_factory):
    """The golden's annotations under names of YouTube-VIS 2019, which a record names."""
    content = json.loads(ANNOTATIONS.read_text())
    for category in content["categories"]:
        category["name"] = CATEGORIES["ytvis2019"][category["id"]]
    path = tmp_path_factory.mktemp("named") / "eval_dense.gt.json"
    path.write_text(json.dumps(content))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules[__name__], "ANNOTATIONS", path)
        yield


def record(tmp_path, name="VisTR", **changes):
    options = {"dataset": "ytvis2019", "split": "heldout"}
    options |= {key: changes.pop(key) for key in options if key in changes}
    store = RecordStore(tmp_path)
    source = OtherCode(name, **{"backbone": "ResNet-50", **changes})
    _, path = record_results(source, ANNOTATIONS, PREDICTIONS, store, command="eval", **options)
    return read_record(path), path


def test_the_record_holds_the_official_numbers_and_the_files_checksums(tmp_path):
    written, path = record(tmp_path)
    for field, official in (("ap", "AP"), ("ap75", "AP75"), ("ap_l", "APl"), ("ar10", "AR10")):
        assert getattr(written, field) == EXPECTED["stats"][official]
    assert written.annotations_sha256 == hashlib.sha256(ANNOTATIONS.read_bytes()).hexdigest()
    assert (path.parent / written.predictions).read_bytes() == PREDICTIONS.read_bytes()
    assert written.fps is None
    assert list(RecordStore(tmp_path)) == [written]


def test_it_is_ranked_and_marked_as_other_code(tmp_path):
    written, _ = record(tmp_path)
    assert is_ranked(written)
    text = leaderboard_text([written])
    assert "| VisTR (other code) " in text
    assert "backbone ResNet-50" in text
    assert "YouTube-VIS 2019 heldout" in text


def test_it_stands_in_its_row_of_the_comparison(tmp_path):
    written, _ = record(tmp_path)
    lines = render(table_page("comparison", [written])).splitlines()
    place = next(n for n, line in enumerate(lines) if "VisTR" in line)
    assert f"{100 * written.ap:.1f}" in lines[place + 1]


def test_a_data_set_has_any_name(tmp_path):
    written, path = record(tmp_path, dataset="my set")
    assert written.dataset == "my set"
    assert path.name.startswith("VisTR_ResNet-50_my-set_heldout_")


def test_the_same_file_is_one_record_and_another_name_another(tmp_path):
    for name in ("VisTR", "VisTR", "MaskProp"):
        record(tmp_path, name)
    assert len(list(RecordStore(tmp_path))) == 2


def test_a_held_out_part_says_its_own_split(tmp_path):
    part, _ = split_annotations(ANNOTATIONS, tmp_path / "split", fraction=0.5)
    written = Path(part["path"])
    kept = {video["id"] for video in json.loads(written.read_text())["videos"]}
    results = tmp_path / "results.json"
    tracks = json.loads(PREDICTIONS.read_text())
    results.write_text(json.dumps([track for track in tracks if track["video_id"] in kept]))
    renamed = written.rename(tmp_path / "mine.json")
    _, path = record_results(
        OtherCode("VisTR"),
        renamed,
        results,
        RecordStore(tmp_path / "r"),
        command="eval",
        dataset="ytvis2019",
    )
    written = read_record(path)
    assert written.split == "heldout"
    assert written.annotations_sha256 == part["sha256"]
    assert written.num_videos == len(kept)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": " "}, "name for --record is empty"),
        ({"note": " "}, "note is ' '; expected a line of text"),
        ({"note": "a\x1b[0m"}, "note is .*; expected a line of text"),
        ({"url": "vistr.html"}, "expected one that starts with https://"),
        ({"fps": 30.0}, "fps is 30.0 without device; FPS mean something only together"),
        ({"device": "one V100"}, "device is 'one V100' without fps"),
        ({"fps": float("nan"), "device": "one V100"}, "fps is nan; expected a number above 0"),
        ({"fps": -1.0, "device": "one V100"}, "fps is -1.0; expected a number above 0"),
        ({"num_params": -1}, "num_params is -1; expected a number from 0 up"),
        ({"dataset": "ovis"}, "ovis calls it"),
        ({"dataset": " "}, "--dataset is ' '"),
        ({"dataset": None}, "expected --dataset"),
    ],
)
def test_wrong_options_are_refused_and_nothing_is_written(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        record(tmp_path / "r", **changes)
    assert not (tmp_path / "r").exists()


def test_a_file_name_says_what_it_is(tmp_path):
    _, path = record(tmp_path)
    assert path.name.startswith("VisTR_ResNet-50_ytvis2019_heldout_")
    _, path = record(tmp_path, "a/b: c|d ..", backbone=None)
    assert path.name.startswith("a-b-c-d_ytvis2019_heldout_")
    _, path = record(tmp_path, 300 * "x")
    assert path.exists()


def test_two_results_of_one_method_stay_apart_by_their_notes(tmp_path):
    for note in ("36 frames", "18  frames"):
        record(tmp_path, note=note)
    both = list(RecordStore(tmp_path))
    assert {written.note for written in both} == {"36 frames", "18 frames"}
    assert len({written.predictions for written in both}) == 2
    labels = list(map(with_marks, unmarked_names(both), both))
    assert sorted(labels) == ["VisTR, 18 frames (other code)", "VisTR, 36 frames (other code)"]
    text = leaderboard_text(both)
    assert all(label in text for label in labels)


def test_speed_and_size_enter_the_record(tmp_path):
    known = {
        "url": "https://example.org/vistr",
        "fps": 27.7,
        "device": "one V100",
        "num_params": 57_200_000,
    }
    written, _ = record(tmp_path, **known)
    assert {key: getattr(written, key) for key in known} == known
    record(tmp_path, **{**known, "fps": 30.0})
    [again] = RecordStore(tmp_path)
    assert again.fps == 30.0
    panels = speed_panels([again])
    [series] = panels[0].series
    assert (series.method, series.x) == ("VisTR", (30.0,))
    assert series.name.startswith("VisTR (other code)")
    assert "None" not in f"{series.name} {series.labels}"
    assert cost_curves([again]) == []


def command(*more):
    return ["eval", "--annotations", str(ANNOTATIONS), "--predictions", str(PREDICTIONS), *more]


def test_the_command_takes_all_of_it(tmp_path, capsys):
    code = main(
        command(
            "--record",
            "VisTR",
            "--output",
            str(tmp_path),
            "--dataset",
            "ytvis2019",
            "--note",
            "a",
            "--url",
            "http://x",
            "--fps",
            "27.7",
            "--device",
            "one V100",
            "--params",
            "57.2M",
        )
    )
    assert code == 0, capsys.readouterr().err
    [written] = RecordStore(tmp_path)
    assert (written.note, written.fps, written.device) == ("a", 27.7, "one V100")
    assert written.num_params == 57_200_000


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--fps", "nan"], "'nan' is not a number above 0"),
        (["--fps", "-3"], "'-3' is not a number above 0"),
        (["--params", "39.1"], "'39.1' is not a number of parameters; expected"),
        (["--params", "-39M"], "--params"),
        (["--note", "a"], "--note is a field of a record; give --record"),
    ],
)
def test_wrong_options_of_the_command(tmp_path, capsys, more, message):
    assert main(command("--output", str(tmp_path / "r"), *more)) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("text", "number"),
    [("39148009", 39148009), ("39.1M", 39_100_000), ("1.2B", 1_200_000_000), ("927.911K", 927_911),
     ("0", 0)],
)  # fmt: skip
def test_numbers_of_parameters(text, number):
    assert num_params(text) == number
