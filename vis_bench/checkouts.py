"""Git checkouts: the commit of the code that they hold."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

# Ends the commit of a checkout whose files differ from it.
DIRTY_ENDING = "-dirty"
# Variables, set in Git's hooks for one, by which git would describe another repository.
_OTHER_REPOSITORY = {
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_GRAFT_FILE", "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE", "GIT_NAMESPACE", "GIT_PREFIX",
}  # fmt: skip


def commit_of(path: Path) -> str | None:
    """Commit of the checkout that tracks a file or files of a folder, `-dirty` if it has changes.

    None outside a checkout, and for what it does not track, such as an environment inside of it.
    """
    folder, name = (path, ".") if path.is_dir() else (path.parent, path.name)
    if not git_output(folder, "ls-files", "--", name):
        return None
    return git_output(folder, "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*")


def git_output(folder: Path, *arguments: str, **variables: str) -> str | None:
    """Output of git in a folder; None where git or a repository is missing."""
    environment = {key: text for key, text in os.environ.items() if key not in _OTHER_REPOSITORY}
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
