"""File names in the order in which a person counts: `frame2` before `frame10`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_NUMBERS = re.compile(r"([0-9]+)")


def in_natural_order(paths: Iterable[Path]) -> list[Path]:
    """The paths sorted by name, runs of digits by their value."""
    return sorted(paths, key=lambda path: (_pieces(path.name), path.name))


def _pieces(name: str) -> list[str | int]:
    """Text and numbers in turn, text first, so that two names never compare one with the other."""
    parts = _NUMBERS.split(name)
    return [int(part) if n % 2 else part for n, part in enumerate(parts)]
