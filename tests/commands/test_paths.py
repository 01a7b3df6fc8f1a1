"""Paths that cannot be used, in every option of every command that takes one: a sentence each.

The options are read off the parsers, so that a new command or option is tested as it is added.
"""

import argparse
import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hostile_calls import call
from mutations import one_sentence
from paths import ROOT
from record_example import example_record
from vis_bench.cli import COMMANDS, command_module
from vis_bench.commands.options import Options
from vis_bench.commands.values import named_file
from vis_bench.data.synthetic import write_dataset
from vis_bench.progress import Bars
from vis_bench.record.store import RecordStore

SUPPORT, FUZZ = ROOT / "tests" / "support", ROOT / "tests" / "fuzz"
LIBC = ctypes.CDLL(None)

# What a command needs beside the path that is tested; a command that is not listed is given the
# path that is tested wherever it requires something.
VALID = {
    "check": {"--baseline": "records", "--current": "records"},
    "compare": {"first": "r.json", "second": "r.json", "--annotations": "val.json"},
    "draw": {"results": "r.json", "--frames": "val/JPEGImages", "--output": "out",
             "--annotations": "val.json"},
    "eval": {"--annotations": "val.json", "--predictions": "r.json", "--record": "=x",
             "--output": "out"},
    "flops": {"config": "c.yaml"},
    "leaderboard": {"--records": "records"},
    "predict": {"config": "c.yaml", "--frames": "val/JPEGImages", "--output": "out/r.json"},
    "profile-kernels": {"--config": "c.yaml", "--trace": "out/t.json", "--device": "=cpu"},
    "run": {"config": "c.yaml", "--output": "out", "--limit": "=1", "--device": "=cpu"},
    "split": {"annotations": "train.json", "folder": "out"},
    "submit": {"results": "r.json", "zip": "out/s.zip"},
    "synth": {"directory": "out", "--videos": "=1", "--split": "=val"},
    "table": {"name": "=measured", "--records": "records"},
    "train": {"config": "t.yaml", "--output": "out", "--set": "=steps=1"},
    "validate": {"annotations": "val.json"},
}  # fmt: skip
# Options that are read in some cases only, and what makes it so.
IN_CASE = {
    ("run", "--data-root"): ["--set", "dataset={name: ytvis2019}"],
    ("predict", "--annotations"): ["--set", "dataset={name: synthetic}"],
}
# Options that stand in for another one.
INSTEAD = {("check", "--history"): "--baseline"}
# Options whose files are read only where records ask for them, which the example's does not.
UNREAD = {("check", "--annotations"), ("check", "--data-root"), ("compare", "--data-root"),
          ("leaderboard", "--annotations"), ("leaderboard", "--data-root")}  # fmt: skip


def path_options(command):
    """The actions of a command's parser whose values are paths."""
    return [action for action in actions_of(command) if _is_path(action)]


def actions_of(command):
    """The arguments of a command's parser."""
    parser = argparse.ArgumentParser()
    command_module(command).add_arguments(Options(parser))
    return parser._actions


def _is_path(action):
    kind = action.type
    makes_path = kind is Path or getattr(kind, "__annotations__", {}).get("return") == "Path"
    return makes_path or kind is named_file


def name_of(action):
    return action.option_strings[0] if action.option_strings else action.dest


CASES = [
    (command, name_of(action))
    for command in COMMANDS
    if command != "demo"  # takes what `run` takes, see the test below
    for action in path_options(command)
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with a valid one of everything."""
    root = tmp_path_factory.mktemp("data")
    write_dataset(root, Bars(quiet=True), plain=True, num_videos={"val": 1, "train": 4})
    (root / "c.yaml").write_text("method: color_key\ndataset: {name: synthetic, plain: true}\n")
    (root / "t.yaml").write_text(
        "method: ifc\noptions: {variant: mini}\nsteps: 1\nlearning_rate: 1\nclip_norm: 1\n"
    )
    entry = json.loads((root / "val.json").read_text())["annotations"][0]
    track = {key: entry[key] for key in ("video_id", "category_id", "segmentations")}
    (root / "r.json").write_text(json.dumps([{**track, "score": 0.5}]))
    RecordStore(root / "records").write(example_record())
    return root


def arguments(command, name, path, root):
    """A command line with a path in one place and what is valid in all others."""
    given = dict(VALID.get(command, {}))
    if command not in VALID:
        required = [action for action in actions_of(command) if action.required]
        others = {name_of(a): f"={next(iter(a.choices or 'x'))}" for a in required}
        given = {**others, **{name_of(a): str(path) for a in required if _is_path(a)}}
    given[name] = str(path)
    given.pop(INSTEAD.get((command, name)), None)
    positional, options = [], []
    for key, value in given.items():
        text = value if key == name else value[1:] if value[:1] == "=" else str(root / value)
        if key.startswith("--"):
            options += [key, text]
        else:
            positional.append((key, text))
    order = [name_of(action) for action in _positionals(command)]
    positional.sort(key=lambda pair: order.index(pair[0]))
    words = [text for _, text in positional]
    return [command, *words, *options, *IN_CASE.get((command, name), [])]


def _positionals(command):
    return [action for action in actions_of(command) if not action.option_strings]


def hostile_paths(folder):
    """Paths of which no command can make anything."""
    (folder / "loop").symlink_to("loop")
    (folder / "one").symlink_to("two")
    (folder / "two").symlink_to("one")
    (folder / "file").touch()
    return {
        "loop": folder / "loop",
        "loop of two": folder / "one" / "x",
        "long name": folder / ("x" * 300),
        "long name as a folder": folder / ("x" * 300) / "y",
        "long path": folder / "/".join(["x" * 200] * 30),
        "below a file": folder / "file" / "x",
        "bytes": folder / os.fsdecode(b"\xff\xfe" * 200),
    }


def test_demo_takes_what_run_takes():
    taken = {"config", "--trace", *map(name_of, path_options("demo"))}  # it measures no streaming
    assert taken == set(map(name_of, path_options("run")))


def test_paths_are_found_in_the_parsers():
    assert ("run", "--data-root") in CASES
    assert ("check", "--baseline") in CASES
    assert ("draw", "results") in CASES
    assert ("train", "config") in CASES
    assert len(CASES) > 40


@pytest.mark.parametrize(("command", "name"), CASES)
def test_paths_that_cannot_be_used(data, tmp_path, monkeypatch, command, name):
    monkeypatch.chdir(tmp_path)
    for kind, path in hostile_paths(tmp_path).items():
        code, said = run(arguments(command, name, path, data))
        assert one_sentence(code, said), (kind, code, said)
        assert code == 2 or (command, name) in UNREAD, (kind, code, said)


def run(words):
    code, _, err = call(*words)
    return code, err


# Linux lets root read and write everything by these capabilities (capabilities(7), prctl(2)).
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2


def obey_permissions():
    """Takes from the process that is about to start what would let it pass over permissions."""
    if os.getuid() == 0:
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise PermissionError("prctl")


def obediently(cases, folder, closed):
    """Exit codes and messages of a process that obeys permissions; `closed` has none meanwhile."""
    (folder / "cases.json").write_text(json.dumps([[str(word) for word in case] for case in cases]))
    closed.chmod(0)
    try:
        process = subprocess.run(
            [sys.executable, __file__, str(folder / "cases.json")],
            capture_output=True,
            text=True,
            cwd=folder,
            preexec_fn=obey_permissions,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, SUPPORT, FUZZ)))},
        )
    except subprocess.SubprocessError as error:
        pytest.skip(f"root cannot be made to obey permissions here: {error}")
    finally:
        closed.chmod(0o700)
    assert process.returncode == 0, process.stderr
    return [tuple(done) for done in json.loads(process.stdout)]


@pytest.mark.skipif(sys.platform != "linux", reason="root obeys no permissions")
def test_paths_without_permission(data, tmp_path):
    closed = tmp_path / "closed"
    (closed / "inner").mkdir(parents=True)
    for path in (closed / "file.json", closed / "inner" / "file.json"):
        path.write_text("{}")
    targets = (closed, closed / "file.json", closed / "inner" / "x.json")
    read = [case for case in CASES if case not in UNREAD]
    cases = [arguments(command, name, path, data) for command, name in read for path in targets]
    done = list(zip(cases, obediently(cases, tmp_path, closed), strict=True))
    assert [each for each in done if each[1][0] != 2 or not one_sentence(*each[1])] == []
    reasons = ("ermission denied", "is a folder", "Is a directory", "is not a regular file")
    assert [each for each in done if not any(reason in each[1][1] for reason in reasons)] == []


@pytest.mark.skipif(sys.platform != "linux", reason="root obeys no permissions")
def test_folders_inside_that_cannot_be_read_are_named(data, tmp_path):
    closed = tmp_path / "folder" / "closed"
    closed.mkdir(parents=True)
    RecordStore(tmp_path / "folder").write(example_record())
    cases = [
        ["leaderboard", "--records", tmp_path / "folder"],
        ["table", "measured", "--records", tmp_path / "folder"],
        ["check", "--baseline", tmp_path / "folder", "--current", data / "records"],
        ["predict", data / "c.yaml", "--frames", tmp_path / "folder", "--output", tmp_path / "r"],
        ["draw", data / "r.json", "--frames", tmp_path / "folder", "--output", tmp_path / "d"],
    ]
    done = obediently(cases, tmp_path, closed)
    assert [code for code, _ in done] == [1, 1, 2, 2, 2]
    for code, said in done:
        assert one_sentence(code, said)
        assert f"folder {closed} cannot be read: Permission denied" in said


@pytest.mark.parametrize(
    ("command", "key"),
    [("run", "weights"), ("run", "annotations"), ("run", "frames"), ("run", "base"),
     ("train", "initial_weights"), ("train", "evaluate")],
)  # fmt: skip
def test_paths_in_configs_that_cannot_be_used(data, tmp_path, monkeypatch, command, key):
    monkeypatch.chdir(tmp_path)
    hostile = {**hostile_paths(tmp_path), "nul": "a\0b"}
    del hostile["bytes"]
    settings = yaml.safe_load((data / ("t.yaml" if command == "train" else "c.yaml")).read_text())
    files = {"annotations": str(data / "val.json"), "frames": str(data / "val" / "JPEGImages")}
    more = ["--limit", "1"] if command == "run" else []
    for kind, path in hostile.items():
        changed = {**settings, key: str(path)}
        if key in files:
            changed = {**settings, "dataset": {"name": "synthetic", **files, key: str(path)}}
        (tmp_path / "c.yaml").write_text(json.dumps(changed))
        code, said = run([command, "c.yaml", "--output", "out", *more])
        assert (code, one_sentence(code, said)) == (2, True), (kind, code, said)


if __name__ == "__main__":
    results = [run(words) for words in json.loads(Path(sys.argv[1]).read_text())]
    sys.stdout.write(json.dumps(results))
