"""The package's page has links that work elsewhere, and none where no address is known."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager

from paths import ROOT

ADDRESS = "https://example.org/lab/vis-bench"
TARGET = re.compile(r'\]\(([^)]+)\)|(?:src|srcset)="([^"]+)"')


def targets(text: str) -> list[str]:
    """All that the links and pictures of a page point to."""
    return [link or picture for link, picture in TARGET.findall(text)]


def metadata(root: Path, remote: str | None) -> ProjectMetadata:
    """The metadata of a copy of this project whose origin is `remote`."""
    for name in ("pyproject.toml", "README.md", "LICENSE", ".ci/package_page.py"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    if remote is not None:
        subprocess.run(["git", "init", "-q", str(root)], check=True)
        subprocess.run(["git", "-C", str(root), "remote", "add", "origin", remote], check=True)
    return ProjectMetadata(str(root), PluginManager())


@pytest.mark.parametrize(
    "remote",
    [
        f"{ADDRESS}.git",
        "https://somebody:secret@example.org/lab/vis-bench",
        "git@example.org:lab/vis-bench.git",
        "ssh://git@example.org/lab/vis-bench.git/",
    ],
)
def test_every_link_is_absolute(tmp_path, remote):
    core = metadata(tmp_path, remote).core
    assert core.urls["Repository"] == ADDRESS
    assert "secret" not in core.readme + "".join(core.urls.values())
    relative = targets((ROOT / "README.md").read_text(encoding="utf-8"))
    absolute = targets(core.readme)
    assert len(absolute) == len(relative) > 30
    for old, new in zip(relative, absolute, strict=True):
        kind = "raw" if old.endswith((".png", ".svg")) else "blob"
        assert new == (old if old.startswith(("https:", "#")) else f"{ADDRESS}/{kind}/HEAD/{old}")
    for name, address in core.urls.items():
        if name not in ("Repository", "Issues"):
            assert (ROOT / address.removeprefix(f"{ADDRESS}/blob/HEAD/")).exists()


@pytest.mark.parametrize(
    "remote", [None, "/srv/vis-bench", "../vis-bench", "file:///srv/vis-bench"]
)
def test_without_an_address_there_is_no_relative_link(tmp_path, remote):
    core = metadata(tmp_path, remote).core
    assert core.urls == {}
    assert "<picture>" not in core.readme
    assert all(target.startswith("https:") for target in targets(core.readme))
