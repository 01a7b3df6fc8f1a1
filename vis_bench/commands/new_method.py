"""`new-method NAME DIR`: writes an installable package for a new method, its test and a config."""

from __future__ import annotations

import argparse
import keyword
import re
from importlib.resources import files
from pathlib import Path
from string import Template

from vis_bench.commands.options import Options
from vis_bench.commands.output import print_result
from vis_bench.commands.values import output_folder
from vis_bench.errors import InputError
from vis_bench.files import write_atomically

KINDS = "clip", "online", "video"
_CLIPS = "clip_length: 10\nclip_stride: 5"


def add_arguments(options: Options) -> None:
    options.argument("name", "NAME", "the method's name, such as my_method", str)
    options.argument("folder", "DIR", "folder to write; missing or empty", output_folder)
    options.choice(
        "--kind",
        KINDS,
        "clip: all frames of a clip at once, clips joined into tracks; online: frame by "
        "frame, with its own identities; video: a whole video at once, such as code that you "
        "do not port",
        default="clip",
    )


def run(options: argparse.Namespace) -> None:
    """Write the package and print the next steps."""
    name, folder = options.name, options.folder
    _check_name(name)
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty; expected a new or an empty folder")
    written = [str(path) for path in _write_package(name, folder, options.kind)]
    steps = (
        "Next:",
        f"  cd {folder}",
        "  pip install -e '.[test]'",
        "  pytest",
        f"  vis-bench run {name}.yaml --limit 4",
    )
    print_result(options, written, "\n".join([*written, "", *steps]))


def _check_name(name: str) -> None:
    from methods import method_names

    usable = re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) and len(name) <= 40
    if not usable or keyword.iskeyword(name):
        raise InputError(
            f"{name!r} cannot name a method; expected up to 40 lower-case letters, digits and "
            "single underscores, such as my_method"
        )
    if name in method_names():
        raise InputError(f"method {name!r} exists already; expected another name")


def _write_package(name: str, folder: Path, kind: str) -> list[Path]:
    module = f"vis_bench_{name}"
    whole = kind == "video"
    words = {
        "name": name,
        "dashed": name.replace("_", "-"),
        "module": module,
        "class_name": "".join(part.capitalize() for part in name.split("_")),
        "clips": "clip_length: whole" if whole else _CLIPS,
        "measure": "accuracy, speed" if whole else "accuracy, speed, flops",
    }
    places = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"{kind}.py": f"{module}.py",
        "test_video.py" if whole else "test_method.py": f"tests/test_{name}.py",
        "config.yaml": f"{name}.yaml",
    }
    for template, place in places.items():
        text = (files("vis_bench") / "skeleton" / f"{template}.txt").read_text("utf-8")
        write_atomically(folder / place, Template(text).substitute(words).encode())
    return [folder / place for place in places.values()]
