"""No command writes its output over what it reads: checked for all of them, before they start."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vis_bench.errors import InputError
from vis_bench.files import never_an_input

# Texts that name files.
_TEXTS = ("config", "results", "overrides")


def check_outputs(options: argparse.Namespace) -> None:
    """Compares the files to write with everything else that was given.

    Raises:
        InputError: for a file to write that is an input, or lies among the frames or records that
            are read from a folder, or that two options name.
    """
    given = dict(vars(options))
    outputs = {name: given.pop(name) for name in given.pop("output_files", ())}
    written = [path for path in outputs.values() if path is not None]
    never_an_input(
        written, [path for name in given for path in _paths(given[name], name in _TEXTS)]
    )
    for path in written:
        _check_folders(path, given)
        if written.count(path) > 1:
            raise InputError(f"two options name the file {path}; expected a file for each")


def _paths(value: Any, is_text: bool) -> Iterator[Path]:
    """The paths that a value means, in a list or after the `=` of NAME=FILE and KEY=FILE too."""
    if isinstance(value, list | tuple):
        for entry in value:
            yield from _paths(entry, is_text)
    elif isinstance(value, Path):
        yield value
    elif isinstance(value, str) and is_text:
        yield from map(Path, (value, value.partition("=")[2]))


def _check_folders(output: Path, given: dict[str, Any]) -> None:
    for kind in ("frames", "records"):
        folder = given.get(kind)
        if isinstance(folder, Path) and _is_read_from(folder, output, kind):
            raise InputError(
                f"cannot write {output}: it is among the {kind} that are read from {folder}; "
                "expected another file"
            )


def _is_read_from(folder: Path, output: Path, kind: str) -> bool:
    try:
        target = output.resolve()
        inside = target.is_file() and target.is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # no name of a file, or a loop
        return False
    return inside and target.suffix.lower() in _suffixes(kind)


def _suffixes(kind: str) -> tuple[str, ...]:
    if kind == "records":
        return (".json", ".gz")
    from vis_bench.data.frames import VIDEO_SUFFIXES
    from vis_bench.data.video import FRAME_SUFFIXES

    return (*FRAME_SUFFIXES, *VIDEO_SUFFIXES)
