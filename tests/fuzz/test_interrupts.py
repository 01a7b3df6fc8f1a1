"""Ctrl-C and full disks at random moments of every command that writes.

What is left is whole, the exit code tells, and nobody sees a traceback.
"""

import json
import random
import shutil
import signal
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from PIL import Image

from drawing_case import LEFT, RIGHT, annotations, write_frames, write_results
from forked import Case, run_cases
from record_example import example_record
from vis_bench.cli import main
from vis_bench.record.store import RecordStore

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks")

CONFIG = "method: color_key\ndataset: {name: synthetic, plain: true}\nresolution: 40\n"
SWEEP = "clip_length: [10, 20]\nclip_stride: 10\nmeasure: [accuracy, flops]\n"
TRAIN = {
    "method": "ifc", "options": {"variant": "mini"}, "videos": 1, "clips": 1, "clip_frames": [2],
    "resolutions": [64], "steps": 2, "learning_rate": 1e-3, "clip_norm": 1.0,
}  # fmt: skip
MEASURE = ["--limit", "1", "--device", "cpu"]
DRAWN = ["--frames", "frames", "--annotations", "gt.json", "--side", "64"]

# Each writes into `out` only.
COMMANDS = {
    "demo": ["demo", *MEASURE, "--output", "out", "--set", "measure=accuracy", "--set",
             "resolution=64"],
    "list": ["list", "configs"],
    "new-method": ["new-method", "mine", "out/mine"],
    "run": ["run", "sweep.yaml", *MEASURE, "--output", "out"],
    "predict": ["predict", "c.yaml", "--device", "cpu", "--frames", "frames", "--output",
                "out/p.json"],
    "eval": ["eval", "--annotations", "gt.json", "--predictions", "r.json", "--tracking"],
    "flops": ["flops", "c.yaml"],
    "profile-kernels": ["profile-kernels", "--shapes", "decoder_360_T5", "--dtypes", "float32",
                        "--device", "cpu"],
    "compare": ["compare", "r.json", "s.json", "--annotations", "gt.json", "--resamples", "20"],
    "check": ["check", "--update", "--baseline", "out/baseline.json", "--current", "records"],
    "report": ["report", "r.json", "--annotations", "gt.json", "--frames", "frames",
               "--output", "out/r.html"],
    "draw": ["draw", "r.json", "s.json", *DRAWN, "--single", "--output", "out"],
    "figure": ["figure", "failure-cases", "r.json", "--annotations", "gt.json", "--frames",
               "frames", "--output", "out/f.png"],
    "table": ["table", "measured", "--records", "records", "--output", "out/t.md"],
    "leaderboard": ["leaderboard", "--records", "records", "--picture", "out/l.svg"],
    "submit": ["submit", "r.json", "out/r.zip"],
    "synth": ["synth", "out/synth", "--videos", "1", "--split", "val", "--plain"],
    "validate": ["validate", "gt.json", "--frames", "frames"],
    "split": ["split", "two.json", "out", "--fraction", "0.5"],
    "train": ["train", "train.yaml", "--output", "out/train"],
}  # fmt: skip
QUICK = ["new-method", "predict", "check", "draw", "submit", "synth", "split"]
RUNS = pytest.mark.parametrize(
    ("names", "count"),
    [pytest.param(QUICK, 1, id="quick"),
     pytest.param(list(COMMANDS), 4, id="all", marks=pytest.mark.slow)],
)  # fmt: skip


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder with what all commands read."""
    folder = tmp_path_factory.mktemp("inputs")
    truth = annotations((LEFT, 1), (RIGHT, 2))
    (folder / "gt.json").write_text(json.dumps(truth))
    [video] = truth["videos"]
    (folder / "two.json").write_text(
        json.dumps({**truth, "videos": [video, {**video, "id": 2}, {**video, "id": 3}]})
    )
    write_frames(folder / "frames")
    write_results(folder / "r.json", (LEFT, 1, 0.9))
    write_results(folder / "s.json", (RIGHT, 2, 0.8))
    (folder / "c.yaml").write_text(CONFIG + "clip_length: 5\n")
    (folder / "sweep.yaml").write_text(CONFIG + SWEEP)
    (folder / "train.yaml").write_text(yaml.safe_dump(TRAIN))
    RecordStore(folder / "records").write(example_record())
    (folder / "out").mkdir()
    return folder


@pytest.fixture(scope="module")
def complete(inputs, tmp_path_factory):
    """Gives the complete runs of commands, each made once: their folder, and their ends by name."""
    folder, ends = tmp_path_factory.mktemp("complete"), {}

    def runs(names):
        new = [name for name in names if name not in ends]
        cases = [
            Case(str(copied(inputs, folder / name)), COMMANDS[name], counts=True) for name in new
        ]
        for name, end in zip(new, run_cases(cases) if cases else (), strict=True):
            assert end.code == 0, (name, end.err)
            ends[name] = end
        return folder, ends

    return runs


def copied(inputs, folder):
    shutil.copytree(inputs, folder, dirs_exist_ok=True)
    return folder


def check_whole(folder):
    """Every file can be read to its end; none is a temporary one."""
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        assert not path.name.startswith("."), path
        if path.suffix in (".json", ".results.json"):
            json.loads(path.read_text())
        elif path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                assert archive.testzip() is None
        elif path.suffix in (".png", ".webp"):
            with Image.open(path) as image:
                for frame in range(getattr(image, "n_frames", 1)):
                    image.seek(frame)
                    image.load()
        elif path.suffix in (".html", ".svg"):
            assert path.read_text().rstrip().endswith((f"</{path.suffix[1:]}>",)), path
        else:
            assert path.stat().st_size > 0, path


def check_ends(cases):
    """Every case ends with a known exit code and a sentence, and leaves whole files."""
    for case, end in zip(cases, run_cases(cases), strict=True):
        about = (case, end)
        # Outside of the command the signal ends the process, which shells report as 130 and 143.
        stopped = (0, 128 + case.number, -case.number)
        known = stopped if case.interrupt_at else (0, 1, 2)
        assert end.code in known, about
        assert "Traceback" not in end.err, about
        assert "Exception ignored" not in end.err, about
        errors = [line for line in end.err.splitlines() if "error: " in line]
        assert len(errors) == (end.code == 2), about
        check_whole(Path(case.folder) / "out")


@RUNS
def test_ctrl_c_at_any_moment(inputs, complete, tmp_path, names, count):
    _, ends = complete(names)
    draw = random.Random(count)
    check_ends(
        [
            Case(
                str(copied(inputs, tmp_path / f"{name}{n}")),
                COMMANDS[name],
                interrupt_at=draw.randrange(1, ends[name].calls),
                number=draw.choice((signal.SIGINT, signal.SIGTERM)),
            )
            for name in names
            for n in range(count)
        ]
    )


@RUNS
def test_a_disk_that_fills_up(inputs, complete, tmp_path, names, count):
    """New files are missing or whole; files that were there are whole as well."""
    whole, _ = complete(names)
    draw = random.Random(count)
    cases = []
    for name in names:
        written = [path for path in (whole / name / "out").rglob("*") if path.is_file()]
        largest = max((path.stat().st_size for path in written), default=100)
        for n in range(count):
            folder = copied(whole / name if n % 2 else inputs, tmp_path / f"{name}{n}")
            cases.append(Case(str(folder), COMMANDS[name], file_bytes=draw.randrange(largest)))
    check_ends(cases)


@pytest.mark.parametrize("count", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_baselines_that_are_updated_at_once(tmp_path, monkeypatch, count):
    """The baseline is that of one of the writers, whole."""
    monkeypatch.chdir(tmp_path)
    cases = []
    for n in range(count):
        store = RecordStore(tmp_path / f"records{n}")
        for clip_length in range(1, 30 * (n + 1)):
            store.write(
                example_record(
                    ap=n / 50, clip_length=clip_length, config_sha256=f"{clip_length:064x}"
                )
            )
        update = ["check", "--update", "--current", f"records{n}", "--baseline"]
        cases.append(Case(str(tmp_path), [*update, "baseline.json"]))
        assert main([*update, f"{n}.json"]) == 0
    for end in run_cases(cases, together=True):
        assert end.code == 0, end
    expected = [json.loads((tmp_path / f"{n}.json").read_text()) for n in range(count)]
    assert json.loads((tmp_path / "baseline.json").read_text()) in expected
    check_whole(tmp_path)
