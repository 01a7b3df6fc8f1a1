"""No name in records, annotations, results or options leads a file that is written elsewhere."""

import json
import re
import shutil
import zipfile

import pytest

from drawing_case import LEFT, RIGHT, annotations, write_frames, write_results
from hostile_text import PARTS, hostile_names
from paths import GOLDEN
from record_example import example_record
from vis_bench.cli import main
from vis_bench.data.categories import CATEGORIES
from vis_bench.record.names import file_stem
from vis_bench.record.store import RecordStore

ESCAPES = [
    "..", "../x", "../../x", "/{tmp}/x", "a/../../x", "x/..", ".", "", "~", "~root/x",
    "a\\..\\..\\x", "C:\\x", "\\\\host\\share", "...", "../" * 30 + "tmp/x", "x" * 300, "中" * 200,
    ".hidden",
]  # fmt: skip


def tree(folder):
    return {path.relative_to(folder) for path in folder.rglob("*")}


@pytest.fixture
def case(tmp_path, monkeypatch):
    """A folder two levels down, with frames, annotations and results of one video."""
    folder = tmp_path / "a/b"
    write_frames(folder / "frames")
    (folder / "gt.json").write_text(json.dumps(annotations((LEFT, 1), (RIGHT, 2))))
    write_results(folder / "r.json", (LEFT, 1, 0.9), (RIGHT, 2, 0.8))
    monkeypatch.chdir(folder)
    return folder


def check_inside(folder, before, output):
    """Asserts that new files of `folder` lie in `output`."""
    new = tree(folder.parents[1]) - before
    place = output.resolve().relative_to(folder.parents[1].resolve())
    assert all(path.is_relative_to(place) for path in new), new


@pytest.mark.parametrize("name", ESCAPES)
def test_records_of_other_code_stay_in_their_folder(case, name, capsys):
    before = tree(case.parents[1])
    output = case / "records"
    named = name.format(tmp=case.parents[1])
    golden = [
        "--annotations",
        str(GOLDEN / "eval_dense.gt.json"),
        "--predictions",
        str(GOLDEN / "eval_dense.preds.json"),
    ]
    code = main(
        [
            "eval",
            *golden,
            "--record",
            named,
            "--backbone",
            named,
            "--split",
            named,
            "--dataset",
            "mine",
            "--output",
            str(output),
        ]
    )
    assert code == (0 if name.strip() else 2), capsys.readouterr().err
    check_inside(case, before, output)
    if code == 0:
        assert sorted(path.suffix for path in output.iterdir()) == [".json", ".json"]
        [record] = RecordStore(output)
        assert (output / record.predictions).is_file()


def test_any_record_has_a_file_name_of_its_own(tmp_path):
    names = [*ESCAPES, *PARTS, *hostile_names(0, 60)]
    store = RecordStore(tmp_path / "in/records")
    for number, name in enumerate(names):
        sha = f"{number:010d}{'ab' * 27}"
        record = example_record(
            method=name, backbone=name, split=name, dataset=name, config_sha256=sha
        )
        path = store.write(record)
        assert path.parent == store.folder
        assert len(f".{path.name}.results.json.gz{'x' * 28}".encode()) <= 255
    assert len(store.paths()) == len(names)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    hostile = example_record(config_sha256="../../../x", method="..")
    assert "/" not in file_stem(hostile)


@pytest.mark.parametrize("name", [name for name in ESCAPES if "=" not in name and name])
def test_rows_and_videos_of_pictures_stay_in_the_folder(case, name, capsys):
    before = tree(case.parents[1])
    output = case / "out"
    named = name.format(tmp=case.parents[1])
    arguments = ["--frames", "frames", "--output", "out", "--side", "32", "--single"]
    assert main(["draw", f"{named}=r.json", *arguments]) == 0, capsys.readouterr().err
    check_inside(case, before, output)
    assert len(list((output / "cats").iterdir())) == 1
    assert len(list((output / "cats").rglob("*.png"))) == 4


@pytest.mark.parametrize(
    "name", ["../cats", "/{tmp}/cats", "a/../../cats", "..", "cats/../../x", "\0"]
)
@pytest.mark.parametrize("command", ["draw", "predict", "validate"])
def test_frames_that_annotations_look_for_elsewhere_are_refused(case, name, command, capsys):
    content = json.loads((case / "gt.json").read_text())
    folder = name.format(tmp=case)
    content["videos"][0]["file_names"] = [f"{folder}/{t:05d}.png" for t in range(4)]
    content["categories"] = [{"id": n, "name": name} for n, name in CATEGORIES["synthetic"].items()]
    (case / "gt.json").write_text(json.dumps(content))
    shutil.copytree(case / "frames/cats", case / "cats")
    before = tree(case.parents[1])
    config = case / "c.yaml"
    config.write_text("method: color_key\ndataset: {name: synthetic}\nclip_length: 2\n")
    arguments = {
        "draw": ["draw", "r.json", "--frames", "frames", "--annotations", "gt.json", "--output",
                 "out"],
        "predict": ["predict", "c.yaml", "--frames", "frames", "--annotations", "gt.json",
                    "--output", "o.json"],
        "validate": ["validate", "gt.json", "--frames", "frames"],
    }  # fmt: skip
    assert main(arguments[command]) == (1 if command == "validate" else 2)
    assert re.search("path (below|inside) the folder", " ".join(capsys.readouterr()))
    config.unlink()
    assert tree(case.parents[1]) == before


def test_the_zip_of_a_submission_holds_one_plain_name(case):
    (case / "..r.json").write_bytes((case / "r.json").read_bytes())
    assert main(["submit", "..r.json", "o.zip"]) == 0
    with zipfile.ZipFile("o.zip") as archive:
        assert archive.namelist() == ["results.json"]
