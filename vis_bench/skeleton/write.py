"""Writes the package that a new method starts from."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection
from importlib.resources import files
from pathlib import Path
from string import Template

from vis_bench.errors import InputError
from vis_bench.files import write_atomically

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def write_skeleton(name: str, folder: Path, taken: Collection[str]) -> list[Path]:
    """Writes an installable package with a method, its contract test and a config.

    Args:
        name: of the method; the module is called `vis_bench_<name>`.
        folder: to write; missing or empty.
        taken: names of methods that are registered already.

    Returns:
        The files.

    Raises:
        InputError: for a name that cannot be a method's or is taken, or a folder that is not empty.
    """
    _check_name(name, taken)
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty; expected a folder to make, or an empty one")
    module = f"vis_bench_{name}"
    words = {
        "name": name,
        "dashed": name.replace("_", "-"),
        "module": module,
        "class_name": "".join(part.capitalize() for part in name.split("_")),
    }
    places = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        "method.py": f"{module}.py",
        "test_method.py": f"tests/test_{name}.py",
        "config.yaml": f"{name}.yaml",
    }
    templates = files(__package__) / "templates"
    written = []
    for template, place in places.items():
        text = Template((templates / f"{template}.txt").read_text("utf-8")).substitute(words)
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode())
        written.append(path)
    return written


def _check_name(name: str, taken: Collection[str]) -> None:
    usable = _NAME.fullmatch(name) and not name.endswith("_") and "__" not in name
    if not usable or keyword.iskeyword(name):
        raise InputError(
            f"{name!r} cannot name a method; expected lower-case letters, digits and single "
            "underscores, such as my_method"
        )
    if name in taken:
        raise InputError(f"there is a method {name!r} already; expected another name")
