"""The gate over real measurements, through the command line."""

import json
import shutil
import subprocess
import sys

import pytest

from paths import CONFIGS, ROOT
from vis_bench.cli import main
from vis_bench.measures.speed.facts import ENOUGH_PROCESSES
from vis_bench.runs.config import load_cells
from vis_bench.show.gate.check import SUMMARY_VARIABLE

NUM_MOVED = 300
CONFIG = """
method: color_key
dataset: {name: synthetic, split: val, plain: true}
resolution: native
clip_length: [whole, 10]
clip_stride: 5
measure: [accuracy, flops]
"""


@pytest.fixture(scope="module")
def measured_twice(tmp_path_factory):
    """Two folders of records of the same code, and the baseline file of the first."""
    folder = tmp_path_factory.mktemp("gate")
    config = folder / "plain.yaml"
    config.write_text(CONFIG)
    for name in ("first", "second"):
        arguments = ["--limit", "2", "--device", "cpu", "--output", str(folder / name)]
        assert main(["run", str(config), *arguments]) == 0
    baseline = folder / "baseline.json"
    assert gate(baseline, folder / "first", "--update") == 0
    return baseline, folder / "second"


def gate(baseline, current, *options):
    return main(["check", "--baseline", str(baseline), "--current", str(current), *options])


@pytest.fixture
def current(measured_twice, tmp_path):
    """A copy of the second folder that a test may change."""
    return shutil.copytree(measured_twice[1], tmp_path / "current")


def record_files(folder):
    return [p for p in sorted(folder.glob("*.json")) if not p.name.endswith(".results.json")]


def change(folder, **changes):
    path = record_files(folder)[0]
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, **{k: edit(record[k]) for k, edit in changes.items()}}))


def test_the_same_code_measured_twice_passes(measured_twice, current, capsys):
    assert gate(measured_twice[0], current) == 0
    assert capsys.readouterr().out.startswith("passed\n")


def test_both_sides_may_have_names(measured_twice, current, capsys):
    change(current, ap=lambda ap: ap - 0.002)
    named = [f"--baseline=main={measured_twice[0]}", f"--current=o=urs={current}"]
    assert main(["check", *named]) == 1
    head = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("| Cell"))
    assert [cell.strip() for cell in head.split("|")[2:5]] == ["Figure", "main", "o=urs"]
    assert main(["check", f"--baseline=gone={current / 'gone.json'}", named[1]]) == 2


def test_a_loss_of_two_tenths_fails_and_the_summary_says_so(
    measured_twice, current, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv(SUMMARY_VARIABLE, str(tmp_path / "summary.md"))
    change(current, ap=lambda ap: ap - 0.002)
    assert gate(measured_twice[0], current) == 1
    assert "-0.2 points" in capsys.readouterr().out
    assert "-0.2 points" in (tmp_path / "summary.md").read_text()


def test_wrong_input_is_exit_code_2(measured_twice, current, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    change(current, ap=lambda ap: float("nan"))
    for folder, words in ((tmp_path / "empty", "holds no records"), (current, "NaN")):
        assert gate(measured_twice[0], folder) == 2
        printed = capsys.readouterr()
        assert words in printed.err
        assert (printed.out, printed.err.count("\n")) == ("", 1)


def test_a_reader_of_the_first_line_alone_does_not_make_it_pass(measured_twice, tmp_path):
    """`check | head -1`, with more to print than a pipe holds."""
    record = json.loads(record_files(measured_twice[1])[0].read_text())
    for name, ap in (("before", 0.5), ("after", 0.4)):
        (tmp_path / name).mkdir()
        for number in range(NUM_MOVED):
            changed = {**record, "ap": ap, "options": {"number": f"{number} {'of many ' * 40}"}}
            (tmp_path / name / f"{number}.json").write_text(json.dumps(changed))
    arguments = ["--baseline", str(tmp_path / "before"), "--current", str(tmp_path / "after")]
    command = [sys.executable, str(ROOT / "run_bench.py"), "check", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout.readline() == f"failed: {NUM_MOVED} moved\n"
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 1


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    """A cell measured as the gate's config times it, on what then was a quiet machine."""
    folder = tmp_path_factory.mktemp("timed")
    config = folder / "timed.yaml"
    speed = load_cells(CONFIGS / "gate.yaml")[0].speed
    config.write_text(CONFIG.replace("[whole, 10]", "10").replace("accuracy", "speed"))
    timing = ["--set", f"speed={{warmup: 0, repetitions: {speed.repetitions}, seconds: 0}}"]
    arguments = [str(config), "--limit", "1", "--device", "cpu", "--output", str(folder / "first")]
    assert main(["run", *arguments, *timing]) == 0
    (path,) = record_files(folder / "first")
    record = json.loads(path.read_text())
    assert record["speed_spread"] is not None
    record["load_average"] = 0.0
    record["speed_spread"] = min(record["speed_spread"], 0.2)
    record["regions"]["model+tracker"]["speed_spread"] = record["speed_spread"]
    path.write_text(json.dumps(record))
    return folder / "first"


def test_a_tenth_of_the_speed_fails(timed, tmp_path, capsys):
    current = shutil.copytree(timed, tmp_path / "current")
    assert gate(timed, current, "--require-speed") == 0
    slow = {"model+tracker": lambda region: {**region, "fps": region["fps"] / 10}}
    change(current, regions=lambda regions: {k: slow[k](v) for k, v in regions.items()})
    assert gate(timed, current) == 1
    assert "-90 %, noise explains" in capsys.readouterr().out


def test_required_speed_of_a_busy_machine_fails(timed, tmp_path, capsys):
    current = shutil.copytree(timed, tmp_path / "current")
    change(current, load_average=lambda load: 99.0)
    assert gate(timed, current) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first == "passed, but speed was not compared in 1 of 1 cell"
    assert gate(timed, current, "--require-speed") == 1


def test_the_bundled_config_times_every_cell_often_enough_to_know_its_spread():
    for cell in load_cells(CONFIGS / "gate.yaml"):
        assert cell.speed.repetitions >= 3
        assert cell.speed.processes >= ENOUGH_PROCESSES
        assert set(cell.measure) == {"accuracy", "speed", "flops"}
