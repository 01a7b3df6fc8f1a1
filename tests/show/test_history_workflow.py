"""The workflow of docs/gate.md, step by step over a repository of its own, without GitHub."""

import os
import re
import shutil
import stat
import subprocess
import sys

import pytest

from paths import ROOT
from vis_bench.yaml_text import parse_yaml

WORKFLOW = re.search(
    r"```yaml\n(name: gate\n.*?)```", (ROOT / "docs" / "gate.md").read_text(), re.DOTALL
)[1]
# `vis-bench` as usual, but that `run` writes a record with the AP that the variable names, of a
# method on a machine of its own.
PROGRAM = f"""#!{sys.executable}
import os, sys
from pathlib import Path
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests" / "support")!r}]
if sys.argv[1] == "run":
    from record_example import example_record
    from vis_bench.record.store import RecordStore
    record = example_record(ap=float(os.environ["AP"]), created_at=os.environ["MEASURED"],
                            method=os.environ["METHOD"], device=os.environ["METHOD"])
    RecordStore(Path("current")).write(record)
    Path("current", record.predictions or "x.results.json").write_text("[]")
else:
    from vis_bench.cli import main
    sys.exit(main())
"""

pytestmark = pytest.mark.skipif(
    not (shutil.which("git") and shutil.which("bash")), reason="needs git and bash"
)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A bare repository with one commit, and the program in PATH."""
    program = tmp_path / "bin" / "vis-bench"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "x")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "x@y")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "README.md").write_text("x")
    for command in ("init -q -b main", "add README.md", "commit -q -m first"):
        subprocess.run(["git", *command.split()], cwd=tmp_path / "work", check=True)
    bare = ["git", "clone", "-q", "--bare", "work", "remote.git"]
    subprocess.run(bare, cwd=tmp_path, check=True)
    return tmp_path


class Runner:
    """Runs the workflow's jobs as GitHub does for one event."""

    def __init__(self, project, number, event, ap, *, origin=None, method="ifc"):
        self.artifacts = project / f"artifacts{number}"
        self.place = project / f"run{number}"
        self.remote = (project / "remote.git").as_uri()
        self.origin = origin or self.remote
        self.sha = f"{number:08x}{'abcdef01' * 4}"
        self.environment = {
            **os.environ,
            "GITHUB_SHA": self.sha,
            "AP": str(ap),
            "METHOD": method,
            "MEASURED": f"2026-01-0{number}T00:00:00+00:00",
        }
        jobs = parse_yaml(WORKFLOW, "workflow")["jobs"]
        self.passed = self.job("gate", jobs["gate"])
        assert jobs["keep"]["if"] == "${{ !cancelled() && github.event_name == 'push' }}"
        self.kept = self.job("keep", jobs["keep"]) if event == "push" else None

    def job(self, name, job):
        folder, passed = self.place / name, True
        for step in job["steps"]:
            if not passed and step.get("if") != "${{ !cancelled() }}":
                continue
            action, options = step.get("uses", "").partition("@")[0], step.get("with", {})
            if "repository" in options:
                assert options["path"] == ".vis-bench", "it is installed from there"
            elif action == "actions/checkout":
                clone = ["git", "clone", "-q", "-b", "main", self.remote, folder]
                subprocess.run(clone, check=True)
                assert options.get("fetch-depth") == 0 or name == "keep"
                origin = ["git", "remote", "set-url", "origin", self.origin]
                subprocess.run(origin, cwd=folder, check=True)
            elif action == "actions/upload-artifact":
                self.upload(folder, **options)
            elif action == "actions/download-artifact":
                shutil.copytree(self.artifacts / options["name"], folder / options["path"])
            elif "run" in step and not step["run"].startswith("pip "):
                command = ["bash", "-e", "-o", "pipefail", "-c", step["run"]]
                done = subprocess.run(command, cwd=folder, env=self.environment)
                passed = passed and done.returncode == 0
        return passed

    def upload(self, folder, name, path):
        """Files of the patterns, but those of patterns behind a `!`."""
        target = self.artifacts / name
        target.mkdir(parents=True)
        patterns = path.split()
        left_out = {file for p in patterns if p[0] == "!" for file in folder.glob(p[1:])}
        for file in {f for p in patterns if p[0] != "!" for f in folder.glob(p)} - left_out:
            shutil.copy(file, target)


def kept(project):
    """Folders and files of the branch."""
    command = ["git", "-C", project / "remote.git", "ls-tree", "-r", "--name-only", "benchmarks"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split("/") for line in done.stdout.splitlines()]


def test_the_workflow_keeps_what_main_measures_and_compares_with_it(project):
    first = Runner(project, 1, "push", 0.5)
    assert first.passed, "there is no history"
    assert first.kept
    assert not Runner(project, 2, "pull_request", 0.48).passed
    assert Runner(project, 3, "pull_request", 0.52).passed
    assert list(dict(kept(project))) == [first.sha]
    merged = Runner(project, 4, "push", 0.48)
    assert (merged.passed, merged.kept) == (False, True), "it is kept, since it is merged"
    assert Runner(project, 5, "pull_request", 0.48).passed
    assert list(dict(kept(project))) == [first.sha, merged.sha]
    assert [name for _, name in kept(project) if name.endswith("results.json")], "for paired tests"
    page = (merged.artifacts / "history" / "history.html").read_text()
    assert f"Moved at {merged.sha[:8]}: 50.0 to 48.0." in page


def test_a_commit_may_say_that_a_loss_is_meant(project):
    Runner(project, 1, "push", 0.5)
    message = "bfloat16\n\nBenchmarks-accepted: half the memory"
    for command in (
        ["commit", "-q", "--allow-empty", "-m", message],
        ["push", "-q", "../remote.git", "main"],
    ):
        subprocess.run(["git", *command], cwd=project / "work", check=True)
    merged = Runner(project, 2, "push", 0.48)
    assert (merged.passed, merged.kept) == (True, True)
    assert [merged.sha, "accepted.txt"] in kept(project)
    page = (merged.artifacts / "history" / "history.html").read_text()
    assert "accepted: x: half the memory" in page


@pytest.mark.parametrize("kept", [False, True], ids=["no branch", "a branch"])
def test_a_history_that_cannot_be_fetched_fails(project, kept):
    if kept:
        assert Runner(project, 1, "push", 0.5).passed
    nowhere = (project / "nowhere.git").as_uri()
    lost = Runner(project, 2, "push", 0.5, origin=nowhere)
    assert (lost.passed, lost.kept) == (False, False)
    assert Runner(project, 3, "pull_request", 0.5).passed


def test_a_history_without_any_of_the_cells_and_machines_fails(project):
    assert Runner(project, 1, "push", 0.5).passed
    assert not Runner(project, 2, "pull_request", 0.5, method="idol").passed
