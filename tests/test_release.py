"""What a tag publishes: notes of the changelog, and links that lead to the repository."""

import re
import runpy
import subprocess

import pytest
import tomllib
import yaml

from paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def notes(tag):
    return subprocess.run([ROOT / ".ci" / "notes", tag], capture_output=True, text=True)


def test_notes_are_the_changelogs_of_that_version():
    done = notes(f"v{PROJECT['version']}")
    assert done.returncode == 0, done.stderr
    changelog = (ROOT / "CHANGELOG.md").read_text()
    dated = re.search(
        rf"^## {re.escape(PROJECT['version'])} \(\d{{4}}-\d\d-\d\d\)\n(.*?)(?=^## |\Z)",
        changelog,
        re.MULTILINE | re.DOTALL,
    )
    assert done.stdout.strip() == dated[1].strip() != ""


def test_another_version_has_no_notes():
    done = notes("v9.9.9")
    assert (done.returncode, done.stdout) == (1, "")
    assert "9.9.9" in done.stderr


def test_only_a_wheel_that_was_tried_is_published():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
    needs = {name: job.get("needs") for name, job in jobs.items()}
    assert needs == {"build": None, "wheels": "build", "wheel": "wheels", "publish": "wheel"}
    assert jobs["publish"]["permissions"]["id-token"] == "write"
    for job in jobs.values():
        for step in job["steps"]:
            for program in re.findall(r"\.ci/\w+", step.get("run", "")):
                assert (ROOT / program).is_file()


def test_the_package_will_have_links():
    command = ["git", "-C", str(ROOT), "remote", "get-url", "origin"]
    origin = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    if not origin or (ROOT / origin).is_dir():
        pytest.skip("git's origin has no address on the web yet: a package would have no links")
    page = runpy.run_path(str(ROOT / ".ci" / "package_page.py"))
    assert page["repository"](origin) is not None
