"""Types of arguments: each converts what was typed, or raises a sentence with what is expected."""

from __future__ import annotations

import math
import os
from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from pathlib import Path

from vis_bench.arguments import COUNT, PATH, SEED, THRESHOLD, RealRange, Whole
from vis_bench.errors import InputError
from vis_bench.runs.bundled import find_config


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Type of a whole number from `low` to `high`."""
    return whole(Whole(low, high))


def whole(numbers: Whole) -> Callable[[str], int]:
    """Type of whole numbers of a range from 0 up."""

    def convert(text: str) -> int:
        value = int(text) if text.isdecimal() and text.isascii() and len(text) < 20 else -1
        if value not in numbers:
            raise ArgumentTypeError(f"{text!r} is not {numbers.expected}")
        return value

    return convert


def number(numbers: RealRange) -> Callable[[str], float]:
    """Type of numbers of a range."""

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if value not in numbers:
            raise ArgumentTypeError(f"{text!r} is not {numbers.expected}")
        return value

    return convert


def column_width(text: str) -> float:
    """Width of a paper's column in inches, such as 3.3in."""
    amount = text.removesuffix("in")
    try:
        inches = float(amount) if amount != text else math.nan
    except ValueError:
        inches = math.nan
    if not 2 <= inches <= 12:
        raise ArgumentTypeError(
            f"{text!r} is not a width; expected inches from 2in to 12in, such as 3.3in or 6.9in"
        )
    return inches


count = whole(COUNT)
seed = whole(SEED)
score = number(RealRange("a score; expected a finite number, such as 0.5"))
score_threshold = number(THRESHOLD)
positive = number(RealRange("a number above 0", above=0))


def names(text: str) -> list[str]:
    """Names with commas between them."""
    return [name.strip() for name in text.split(",")]


def config_file(text: str) -> Path:
    """File of a config: a path, or the name of a bundled config."""
    return _find_config(text, None)


def training_config_file(text: str) -> Path:
    """File of a training config: a path, or the name of a bundled config."""
    return _find_config(text, "train")


def pair(text: str) -> tuple[str, str]:
    """KEY=VALUE."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


def named_file(text: str) -> str:
    """FILE or NAME=FILE, as typed."""
    return text


def any_path(text: str) -> Path:
    """Path of a file or folder."""
    if not text:
        raise ArgumentTypeError(f"{text!r} is not {PATH}")
    return Path(text)


def frames_path(text: str) -> Path:
    """Folder of frames or of folders of frames, or a video file."""
    return any_path(text)


def records_path(text: str) -> Path:
    """Folder of records to read."""
    return any_path(text)


def output_file(text: str) -> Path:
    """File to write: neither a folder nor below a file."""
    path = any_path(text)
    if path.is_dir():
        raise ArgumentTypeError(f"{text} is a folder; expected the name of a file to write")
    _check_parents(path)
    return path


def picture_file(text: str) -> Path:
    """Picture to write; its ending gives the format."""
    return _ending_in((".png", ".svg", ".pdf"), text)


def arrays_file(text: str) -> Path:
    """File of NumPy arrays to write."""
    return _ending_in((".npz",), text)


def output_path(text: str) -> Path:
    """File or folder to write: not below a file."""
    path = any_path(text)
    _check_parents(path)
    return path


def output_folder(text: str) -> Path:
    """Folder to write, which may not exist yet: neither a file nor below one."""
    path = any_path(text)
    if path.exists() and not path.is_dir():
        raise ArgumentTypeError(f"{text} is a file; expected a folder")
    _check_parents(path)
    return path


def _find_config(text: str, folder: str | None) -> Path:
    try:
        return find_config(text, folder)
    except InputError as error:
        raise ArgumentTypeError(str(error)) from None


def _ending_in(endings: Sequence[str], text: str) -> Path:
    path = output_file(text)
    if path.suffix.lower() not in endings:
        raise ArgumentTypeError(f"{text} does not end in {' or '.join(endings)}")
    return path


def _check_parents(path: Path) -> None:
    nearest = next((parent for parent in path.parents if parent.exists()), None)
    if nearest is not None and not nearest.is_dir():
        raise ArgumentTypeError(f"cannot write {path}, because {nearest} is a file")
    replaced = path.is_file() or not path.exists()
    if nearest is not None and replaced and not os.access(nearest, os.W_OK):
        raise ArgumentTypeError(f"cannot write {path}, because {nearest} cannot be written to")
