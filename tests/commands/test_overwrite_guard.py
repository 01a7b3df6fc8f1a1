"""No command writes over a file that it reads, however the two are named."""

import json
import os
import shutil

import pytest

from drawing_case import LEFT, RIGHT, annotations, write_frames, write_results
from paths import GOLDEN
from record_example import example_record
from vis_bench.cli import main
from vis_bench.files import overwrite_guard
from vis_bench.record.store import RecordStore

CONFIG = """
method: color_key
dataset: {name: synthetic, plain: true}
resolution: native
clip_length: 5
measure: flops
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with one of everything that commands read."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(GOLDEN / "eval_quirks.preds.json", "results.json")
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "weights.pth").write_bytes(b"weights")
    (tmp_path / "list.json").write_text(json.dumps(annotations((LEFT, 1), (RIGHT, 2))))
    write_frames(tmp_path / "frames")
    RecordStore(tmp_path / "records").write(example_record()).rename(tmp_path / "records/r.json")
    return tmp_path


PREDICT = ["predict", "config.yaml", "--frames", "frames/cats"]
CASES = [
    (["submit", "results.json", "OUT"], "results.json"),
    (["submit", "results.json", "OUT", "--annotations", "list.json"], "list.json"),
    (["flops", "config.yaml", "--output", "OUT"], "config.yaml"),
    (["flops", "config.yaml", "--set", "weights=weights.pth", "--output", "OUT"], "weights.pth"),
    ([*PREDICT, "--output", "OUT"], "config.yaml"),
    ([*PREDICT, "--output", "OUT"], "frames/cats/00001.png"),
    ([*PREDICT, "--weights", "weights.pth", "--output", "OUT"], "weights.pth"),
    ([*PREDICT, "--set", "weights=weights.pth", "--output", "OUT"], "weights.pth"),
    ([*PREDICT, "--annotations", "list.json", "--output", "OUT"], "list.json"),
    (["table", "measured", "--records", "records", "--output", "OUT"], "records/r.json"),
    (["leaderboard", "--records", "records", "--output", "OUT"], "records/r.json"),
    (["profile-kernels", "--config", "config.yaml", "--trace", "OUT"], "config.yaml"),
    (["check", "--update", "--current", "records/r.json", "--baseline", "OUT"], "records/r.json"),
]  # fmt: skip


@pytest.mark.parametrize("way", ["itself", "another name", "a link", "a hard link"])
@pytest.mark.parametrize(("arguments", "read"), CASES, ids=lambda case: case[0])
def test_an_output_file_is_overwrite_guard(folder, capsys, arguments, read, way):
    output = folder / "link"
    if way == "a link":
        output.symlink_to(folder / read)
    elif way == "a hard link":
        if read.startswith(("frames/", "records/")) and arguments[0] != "check":
            pytest.skip("not among what is read from the folder, and replaced by itself")
        os.link(folder / read, output)
    else:
        output = read if way == "itself" else folder / read
    content = (folder / read).read_bytes()
    assert main([str(output) if word == "OUT" else word for word in arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"error: cannot write {output}: it is ")
    assert printed.err.count("\n") == 1
    assert (folder / read).read_bytes() == content


def test_a_config_that_is_named_and_the_weights_that_it_names(folder, capsys, monkeypatch):
    from vis_bench.runs import bundled

    (folder / "config.yaml").write_text(f"{CONFIG}weights: weights.pth\n")
    assert main([*PREDICT, "--output", "weights.pth"]) == 2
    assert "weights.pth: it is an input" in capsys.readouterr().err
    monkeypatch.setattr(bundled, "_FOLDERS", (folder,))
    for arguments in (["flops", "config"], ["predict", "config", "--frames", "frames/cats"]):
        assert main([*arguments, "--output", "config.yaml"]) == 2
        assert "config.yaml: it is the input" in capsys.readouterr().err


@pytest.mark.parametrize("link", [False, True])
def test_split_keeps_the_file_that_it_cuts(folder, capsys, link):
    content = (GOLDEN / "eval_dense.gt.json").read_bytes()
    for name in ("heldout", "rest"):
        source = folder / f"{name}.json"
        source.write_bytes(content)
        given = source
        if link:
            given = folder / f"link to {name}"
            given.symlink_to(source)
        assert main(["split", str(given), str(folder)]) == 2
        assert f"cannot write {source}: it is" in capsys.readouterr().err
        assert source.read_bytes() == content
        source.unlink()
    assert not list(folder.glob("heldout*"))


def test_no_picture_takes_the_place_of_a_frame(folder, capsys):
    results = write_results(folder / "r.json", (LEFT, 1, 0.9), (RIGHT, 2, 0.8))
    frame = folder / "frames/cats/00000.png"
    frame.rename(folder / "frames/cats/cats.webp")
    arguments = ["draw", str(results), "--frames", "frames/cats", "--output", "frames/cats"]
    assert main(arguments) == 2
    assert "cannot write frames/cats/cats.webp: it is an input" in capsys.readouterr().err
    (folder / "frames/cats/cats.webp").rename(frame)
    (folder / "out/cats").mkdir(parents=True)
    (folder / "out/cats/r").symlink_to(frame.parent)
    before = {path: path.read_bytes() for path in frame.parent.iterdir()}
    arguments = ["draw", str(results), "--frames", "frames", "--output", "out"]
    assert main([*arguments, "--single"]) == 2
    assert "cannot write out/cats/r/00000.png: it is the input" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in frame.parent.iterdir()} == before
    assert [path.name for path in (folder / "out").iterdir()] == ["cats"]
    assert main(arguments) == 0


def test_training_keeps_the_weights_that_it_starts_from(folder, capsys):
    from methods.training.loop import WEIGHTS

    weights = folder / WEIGHTS
    weights.write_bytes(b"weights")
    arguments = ["train", "ifc_mini_synthetic", "--set", f"initial_weights={weights}"]
    assert main([*arguments, "--output", "."]) == 2
    assert f"cannot write {WEIGHTS}: it is the input {weights}" in capsys.readouterr().err
    assert weights.read_bytes() == b"weights"


def test_a_name_that_is_no_path_and_outputs_that_are_written_again_are_let_through(folder, capsys):
    """A value with the name of a file is not an input."""
    for _ in range(2):
        for output in ("measured", "table", "markdown", "records/LEADERBOARD.md"):
            arguments = ["table", "measured", "--records", "records", "--output", output]
            assert main(arguments) == 0, capsys.readouterr().err


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "loop", "missing", "folder", "/dev/null"])
def test_what_is_not_a_file_is_left_to_whoever_writes_it(folder, name):
    (folder / "loop").symlink_to("loop")
    (folder / "folder").mkdir()
    path = folder / name
    overwrite_guard([path], [path, folder / "results.json"])
    overwrite_guard([folder / "results.json"], [path])
