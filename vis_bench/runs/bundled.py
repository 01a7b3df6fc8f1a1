"""Bundled configs, found by name from any folder."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path

from vis_bench.errors import InputError

_PACKAGE = Path(__file__).resolve().parents[1]
# A wheel carries the configs inside the package; a checkout has them beside it.
_FOLDERS = (_PACKAGE / "bundled_configs", _PACKAGE.parent / "configs")
_PREFIX, _ENDING = "configs/", ".yaml"


def bundled_configs() -> dict[str, Path]:
    """Every bundled config, name -> file, sorted by name.

    A name is the path inside `configs/` without ending, such as `demo` or `tables/ifc-stride`.
    """
    folder = next((folder for folder in _FOLDERS if folder.is_dir()), _FOLDERS[0])
    files = folder.rglob(f"*{_ENDING}")
    return dict(sorted((_name(path.relative_to(folder)), path) for path in files))


def find_config(name: str | Path, folder: str | None = None) -> Path:
    """Find a config's file: an existing path, or the bundled config of that name.

    Args:
        name: a path, or a bundled config's name, with or without its folder (`tables/ifc-stride`
            or `ifc-stride`); `configs/tables/ifc-stride.yaml` works too if there is no such file.
        folder: takes precedence if two configs have the same last name, such as `train`.
    """
    path = Path(name)
    if path.exists() and not path.is_dir():
        return path
    configs = bundled_configs()
    wanted = path.as_posix()
    if wanted.startswith(_PREFIX):
        wanted = wanted.removeprefix(_PREFIX).removesuffix(_ENDING)
    found = [known for known in configs if _last(known) == wanted]
    for candidate in (f"{folder}/{wanted}" if folder else wanted, wanted, *found):
        if candidate in configs:
            return configs[candidate]
    problem = "is a folder" if path.is_dir() else "does not exist"
    raise InputError(
        f"config {name} {problem}, and no bundled config has that name; "
        f"{_similar(path, list(configs))}`vis-bench list configs` lists the bundled ones"
    )


def describe_config(path: Path) -> str:
    """A config's first comment as one line; empty without one."""
    words: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.removeprefix("#").strip()
        if not line.startswith("#") or not text:
            break
        words.append(text)
    return " ".join(words)


def run_command(path: Path) -> str:
    """The `vis-bench run` command in a config's comments; empty without one."""
    found = re.search(r"^# +(vis-bench run .*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else ""


def _name(path: Path) -> str:
    return path.with_suffix("").as_posix()


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _similar(path: Path, names: list[str]) -> str:
    """Bundled configs, and files beside the path, with names close to the path's."""
    names += [str(file) for file in sorted(path.parent.glob(f"*{_ENDING}"))]
    close = get_close_matches(path.stem, {Path(name).stem for name in names}, n=4)
    similar = [name for stem in close for name in names if Path(name).stem == stem]
    return f"similar names: {', '.join(similar)}; " if similar else ""
