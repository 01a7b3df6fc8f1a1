"""Without Ray, or with an old one, nothing changes, but for one sentence where it is asked for."""

import importlib.metadata
import sys

import pytest

from vis_bench.cli import main

CONFIG = "method: color_key\ndataset: {name: synthetic, plain: true}\nresolution: 64\n"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG)
    return path


@pytest.mark.parametrize("option", [("--workers", "2"), ("--ray", "auto")])
def test_the_sentence_names_the_command(config, option, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["run", str(config), *option]) == 2
    assert "install it with pip install 'vis-bench[cluster]'" in capsys.readouterr().err


@pytest.mark.parametrize("version", ["2.56.1", "1.13.0"])
def test_a_version_that_is_too_old_is_refused(config, version, capsys, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    assert main(["run", str(config), "--workers", "2"]) == 2
    error = capsys.readouterr().err
    assert version in error
    assert "2.57" in error


def test_a_plain_run_imports_no_ray(config, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["run", str(config), "--limit", "1", "--output", str(tmp_path / "o")]) == 0


def test_ways_to_spread_exclude_each_other(config, capsys):
    assert main(["run", str(config), "--shard", "1/2", "--workers", "2"]) == 2
    assert "--shard cannot be combined with --workers or --ray" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "message"),
    [(("--shard", "3/2"), "expected I/N"), (("--workers", "0"), "from 1 up"),
     (("--gpus-per-worker", "nan"), "above 0"), (("--retries", "-1"), "whole number"),
     (("--threads-per-worker", "1.5"), "from 1 up")],
)  # fmt: skip
def test_values_that_make_no_sense(config, option, message, capsys):
    assert main(["run", str(config), *option]) == 2
    assert message in capsys.readouterr().err
