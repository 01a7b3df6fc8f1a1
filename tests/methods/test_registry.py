"""The registry of methods, with a plug-in that is really installed."""

import json
import os
import subprocess
import sys

import pytest

from methods import build_method, method_names
from paths import ROOT
from vis_bench.errors import InputError


def test_unknown_method_lists_what_there_is():
    with pytest.raises(InputError, match=r"unknown method 'seqformr'.*color_key"):
        build_method("seqformr", num_classes=3)


def test_unknown_option_lists_the_options():
    with pytest.raises(InputError, match="color_key has no option 'width'; its options are: none"):
        build_method("color_key", num_classes=3, width=4)


@pytest.mark.parametrize("name", ["layers", "training", "weights", "__init__"])
def test_packages_beside_the_methods_are_no_methods(name):
    assert name not in method_names()


@pytest.fixture(scope="module")
def with_plugin(tmp_path_factory):
    """An environment in which tests/plugin is installed, as a user's pip would."""
    target = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source")
    for path in (ROOT / "tests/plugin").glob("*.*"):
        (source / path.name).write_bytes(path.read_bytes())
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps",
         "--no-build-isolation", "--target", target, source],
        check=True, capture_output=True,
    )  # fmt: skip
    return {**os.environ, "PYTHONPATH": str(target)}


def run(arguments, environment):
    return subprocess.run(
        [sys.executable, str(ROOT / "run_bench.py"), *arguments],
        env=environment, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip


def test_installed_plugin_is_listed_with_its_options(with_plugin):
    listed = json.loads(run(["methods", "--json"], with_plugin).stdout)
    assert {"Method": "bright", "Origin": "plug-in", "Options": "threshold=1.0"} in listed


def test_installed_plugin_is_measured(with_plugin, tmp_path):
    config = tmp_path / "bright.yaml"
    config.write_text("method: bright\noptions: {threshold: 0.5}\ndataset: {name: synthetic}\n")
    done = run(
        ["run", str(config), "--limit", "1", "--output", str(tmp_path), "--json",
         "--set", "resolution=native"],
        with_plugin,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(done.stdout)
    assert record["method"] == "bright"
    assert record["options"] == {"threshold": 0.5}
    assert record["ap"] is not None
