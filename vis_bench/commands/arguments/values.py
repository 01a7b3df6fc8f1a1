"""Kinds of values: each makes a value of what was typed, or says what was expected."""

from __future__ import annotations

import math
import os
import re
from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from pathlib import Path

LAYER_NAMES = ("first", "second", "last")
_PARAMS = re.compile(r"([0-9]+)|([0-9]+(?:\.[0-9]+)?)([KMB])")
_THOUSANDS = {"K": 10**3, "M": 10**6, "B": 10**9}


def count(text: str) -> int:
    """A whole number from 1 up."""
    if not text.isdecimal() or not text.isascii() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """A kind: a whole number from `low` to `high`."""

    def whole(text: str) -> int:
        digits = text.isdecimal() and text.isascii() and len(text) <= len(str(high))
        if not digits or not low <= int(text) <= high:
            raise ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return whole


# What JSON files and every generator of random numbers hold.
seed = whole_number(0, 2**63 - 1)


def positive(text: str) -> float:
    """A finite number above 0."""
    value = _float(text)
    if not (math.isfinite(value) and value > 0):
        raise ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def names(text: str) -> list[str]:
    """Names with commas between them."""
    return [name.strip() for name in text.split(",")]


def points(text: str) -> float:
    """A number of points, 0..100."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise ArgumentTypeError(f"{text!r} is not a number of points from 0 to 100")
    return value


def finite(text: str) -> float:
    """A finite number."""
    value = _float(text)
    if not math.isfinite(value):
        raise ArgumentTypeError(f"{text!r} is not a finite number")
    return value


def frames_per_second(text: str) -> float:
    """A finite number above 0."""
    value = _float(text)
    if not (math.isfinite(value) and value > 0):
        raise ArgumentTypeError(f"{text!r} is not a number of frames per second above 0")
    return value


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def num_params(text: str) -> int:
    """A whole number, or one with K, M or B for thousands, millions or billions.

    A bare number below 1000 is refused: it is more likely meant in millions.
    """
    found = _PARAMS.fullmatch(text)
    if found is None or (found[1] and 0 < int(found[1]) < 1000):
        raise ArgumentTypeError(
            f"{text!r} is not a number of parameters; expected a whole number, or one such as 39.1M"
        )
    return int(found[1]) if found[1] else round(float(found[2]) * _THOUSANDS[found[3]])


def output_file(text: str) -> Path:
    """A file that can be written: neither a folder nor below a file."""
    path = Path(text)
    if path.is_dir():
        raise ArgumentTypeError(f"{text} is a folder; expected the name of a file to write")
    _check_parents(path)
    return path


def output_folder(text: str) -> Path:
    """A folder, or one that can be made: neither a file nor below one."""
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise ArgumentTypeError(f"{text} is a file; expected a folder")
    _check_parents(path)
    return path


def figure_file(text: str) -> Path:
    """A figure to write, whose ending says its format."""
    from vis_bench.show.charts import PICTURE_FORMATS

    return _ending_in([f".{form}" for form in PICTURE_FORMATS], text)


def arrays_file(text: str) -> Path:
    """A file of arrays to write."""
    return _ending_in((".npz",), text)


def layer(text: str) -> str | int:
    """A layer: a number from 1 up, `first`, `second` or `last`."""
    if text in LAYER_NAMES:
        return text
    if not (text.isdecimal() and text.isascii() and int(text)):
        raise ArgumentTypeError(
            f"{text!r} is not a layer; expected {', '.join(LAYER_NAMES)} or a number from 1 up"
        )
    return int(text)


def layers(text: str) -> list[str | int]:
    """Layers with commas between them."""
    return [layer(name) for name in names(text)]


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
