"""Which source a record comes from: the version, and the commit where it runs from a checkout."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from vis_bench.records.schema import SourceFields

# The checkout, or the folder that the packages are installed in.
SOURCE_ROOT = Path(__file__).resolve().parents[2]


def find_file(named: Path) -> Path | None:
    """A file that a config names, relative to the working directory or else to `SOURCE_ROOT`."""
    return next((path for path in (named, SOURCE_ROOT / named) if path.is_file()), None)


def package_version() -> str | None:
    """The installed version of this package; None where it runs without being installed."""
    try:
        return version("vis-bench")
    except PackageNotFoundError:
        return None


def describe_source(seed: int | None = None) -> SourceFields:
    """The commit, and whether files differ from it; both None outside a checkout."""
    commit = _git("rev-parse", "HEAD")
    status = _git("status", "--porcelain", "--untracked-files=no")
    dirty = None if commit is None else bool(status)
    return SourceFields(git_commit=commit, git_dirty=dirty, seed=seed)


def _git(*arguments: str) -> str | None:
    if not (SOURCE_ROOT / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=SOURCE_ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
