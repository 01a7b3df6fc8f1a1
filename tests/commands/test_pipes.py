"""Inputs from a pipe (`/dev/stdin`, `<(...)`), which can be read once only."""

import json
import os
from contextlib import contextmanager
from pathlib import Path

import pytest

from record_example import example_record
from vis_bench.cli import main
from vis_bench.data.synthetic import write_dataset
from vis_bench.progress import Bars
from vis_bench.record.store import RecordStore

COMMANDS = {
    "eval": ["eval", "--annotations", "val.json", "--predictions", "r.json", "--json"],
    "eval --record": ["eval", "--annotations", "val.json", "--predictions", "r.json", "--record",
                      "x", "--output", "out", "--json"],
    "validate": ["validate", "val.json", "--json"],
    "split": ["split", "val.json", "out", "--fraction", "0.5", "--json"],
    "submit": ["submit", "r.json", "out/s.zip", "--annotations", "val.json", "--json"],
    "compare": ["compare", "r.json", "r2.json", "--annotations", "val.json", "--resamples", "5",
                "--json"],
    "check": ["check", "--baseline", "record.json", "--current", "record2.json", "--json"],
    "draw": ["draw", "r.json", "--frames", "val/JPEGImages", "--annotations", "val.json",
             "--output", "out", "--videos", "1"],
    "flops": ["flops", "c.yaml", "--json"],
    "run": ["run", "c.yaml", "--limit", "1", "--output", "out", "--device", "cpu"],
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Small files of every kind."""
    root = tmp_path_factory.mktemp("data")
    write_dataset(root, Bars(quiet=True), plain=True, num_videos={"val": 2})
    content = json.loads((root / "val.json").read_text())
    content["annotations"] = content["annotations"][:2] + content["annotations"][-1:]
    (root / "val.json").write_text(json.dumps(content))
    keys = ("video_id", "category_id", "segmentations")
    tracks = [{key: entry[key] for key in keys} for entry in content["annotations"]]
    for name, score in (("r.json", 0.5), ("r2.json", 0.75)):
        (root / name).write_text(json.dumps([{**track, "score": score} for track in tracks]))
    path = RecordStore(root).write(example_record())
    path.rename(root / "record.json")
    (root / "record2.json").write_bytes((root / "record.json").read_bytes())
    (root / "c.yaml").write_text(
        "method: color_key\ndataset: {name: synthetic, plain: true}\nresolution: native\n"
        "clip_length: 2\n"
    )
    return root


@contextmanager
def piped(words, data):
    """The words of a command with a pipe in the place of every input file."""
    opened = []

    def pipe(word):
        if not (data / word).is_file():
            return str(data / word) if (data / word).is_dir() else word
        read, write = os.pipe()
        opened.append(read)
        content = (data / word).read_bytes()
        assert os.write(write, content) == len(content)  # fits the pipe's buffer
        os.close(write)
        return f"/dev/fd/{read}"

    try:
        yield [words[0], *map(pipe, words[1:])]
    finally:
        for descriptor in opened:
            os.close(descriptor)


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="pipes have no names here")
@pytest.mark.parametrize("name", COMMANDS)
def test_pipes_give_what_files_give(data, tmp_path, monkeypatch, capsys, name):
    words = COMMANDS[name]
    texts = []
    for folder in ("piped", "plain"):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        if folder == "piped":
            with piped(words, data) as given:
                code = main(given)
        else:
            code = main(
                [words[0], *(str(data / w) if (data / w).exists() else w for w in words[1:])]
            )
        printed = capsys.readouterr()
        assert code in (0, 1), printed.err
        texts.append((code, printed.out.count("\n")))
    assert texts[0] == texts[1]
    if name in ("eval", "split"):
        files = [sorted((tmp_path / folder).rglob("*.json")) for folder in ("piped", "plain")]
        for one, other in zip(*files, strict=True):
            assert one.read_bytes() == other.read_bytes()
