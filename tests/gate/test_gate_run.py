"""The gate over real measurements, through the command line."""

import json
import shutil

import pytest

from vis_bench.cli import main
from vis_bench.gate.verdict import SUMMARY_VARIABLE

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


def change(folder, **changes):
    path = next(p for p in sorted(folder.glob("*.json")) if not p.name.endswith(".results.json"))
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, **{k: edit(record[k]) for k, edit in changes.items()}}))


def test_the_same_code_measured_twice_passes(measured_twice, current, capsys):
    assert gate(measured_twice[0], current) == 0
    assert "Benchmark gate passed" in capsys.readouterr().out


def test_a_loss_of_two_tenths_fails_and_the_summary_says_so(
    measured_twice, current, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv(SUMMARY_VARIABLE, str(tmp_path / "summary.md"))
    change(current, ap=lambda ap: ap - 0.002)
    assert gate(measured_twice[0], current) == 1
    assert "-0.20 points" in capsys.readouterr().out
    assert "-0.20 points" in (tmp_path / "summary.md").read_text()


def test_a_doubled_count_fails(measured_twice, current, capsys):
    change(current, gflops_per_frame=lambda count: 2 * count + 1)
    assert gate(measured_twice[0], current) == 1
    assert "gflops_per_frame" in capsys.readouterr().out


def test_a_vanished_cell_fails(measured_twice, current, capsys):
    for path in current.glob("*T10*"):
        path.unlink()
    assert gate(measured_twice[0], current) == 1
    assert "T=10 S=5 native" in capsys.readouterr().out


def test_a_folder_without_records_is_wrong_input(measured_twice, tmp_path, capsys):
    assert gate(measured_twice[0], tmp_path) == 2
    assert "holds no records" in capsys.readouterr().err
