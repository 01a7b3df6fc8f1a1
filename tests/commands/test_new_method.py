"""`new-method`: what it writes passes its own test and is measured as it stands."""

import json
import os
import subprocess
import sys

import pytest
import tomllib

from paths import ROOT
from plug_in_site import install, vis_bench
from vis_bench.cli import main
from vis_bench.commands.new_method import KINDS


@pytest.fixture(scope="module", params=KINDS)
def package(request, tmp_path_factory):
    """A package just written."""
    folder = tmp_path_factory.mktemp("new") / "package"
    assert main(["new-method", "bright_spots", str(folder), "--kind", request.param]) == 0
    return folder


def test_its_tests_pass_as_written(package):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=package,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{package}{os.pathsep}{ROOT}"},
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_it_is_installed_by_its_entry_point_and_measured_by_its_config(package, tmp_path):
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    points = project["entry-points"]["vis_bench.methods"]
    assert points == {"bright_spots": "vis_bench_bright_spots:build"}
    module = "vis_bench_bright_spots.py"
    install(
        tmp_path / "site",
        f"{project['name']}=={project['version']}",
        {module: (package / module).read_text()},
        **points,
    )
    done = vis_bench(
        tmp_path / "site",
        "run",
        package / "bright_spots.yaml",
        "--limit",
        1,
        "--device",
        "cpu",
        "--output",
        tmp_path / "records",
        "--set",
        "speed={warmup: 0, repetitions: 1, seconds: 0}",
    )
    assert done.returncode == 0, done.stderr
    [record] = [
        json.loads(path.read_text())
        for path in (tmp_path / "records").glob("*.json")
        if not path.name.endswith(".results.json")
    ]
    assert record["method"] == "bright_spots"
    assert record["ap"] is not None
    assert record["fps"] > 0
    assert record["num_params"] == 6


def test_the_sources_pass_the_projects_style(package):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--ignore",
            "I",
            "--config",
            str(ROOT / "pyproject.toml"),
            ".",
        ],
        cwd=package,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["", "My", "a-b", "1a", "class", "a__b", "a_", "../x", "x" * 41])
def test_names_that_no_method_can_have(name, tmp_path, capsys):
    assert main(["new-method", name, str(tmp_path / "p")]) == 2
    assert "lower-case letters" in capsys.readouterr().err
    assert not (tmp_path / "p").exists()


def test_names_that_are_taken(tmp_path, capsys):
    assert main(["new-method", "ifc", str(tmp_path / "p")]) == 2
    assert "method 'ifc' exists already" in capsys.readouterr().err


def test_a_folder_that_holds_something_is_left_alone(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    assert main(["new-method", "fresh", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_json_lists_the_files(tmp_path, capsys):
    assert main(["new-method", "fresh", str(tmp_path / "p"), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert len(listed) == 5
    assert all((tmp_path / "p").as_posix() in path for path in listed)
