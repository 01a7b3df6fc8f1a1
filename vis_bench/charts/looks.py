"""One color and one marker for each method in all charts, on light and on dark pages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import lcm
from pathlib import Path

from vis_bench.yaml_text import read_yaml

# Distinguishable with color blindness, at a contrast of 4.5 on their ground.
_LIGHT = {
    "blue": "#0b6bb8", "orange": "#b04f00", "green": "#0f8f6b", "magenta": "#a63d84",
    "olive": "#6b6f0f", "violet": "#6a5acd", "gray": "#57606a",
}  # fmt: skip
_DARK = {
    "blue": "#5aaef0", "orange": "#f0954a", "green": "#3fc69c", "magenta": "#e58cc6",
    "olive": "#c3c653", "violet": "#a99cff", "gray": "#9aa4ae",
}  # fmt: skip
_MARKERS = "os^DvPX<>dp"
_DASHES = "-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)), (0, (9, 1.5))
_FILLS = "full", "none", "left", "right", "top", "bottom"
INK = "ink"  # color of what is of no one method


@dataclass(frozen=True)
class Theme:
    """Colors of a page; without a ground a chart is transparent."""

    colors: Mapping[str, str]
    ink: str
    line: str
    ground: str | None = None


LIGHT = Theme(_LIGHT, "#24292f", "#57606a")
DARK = Theme(_DARK, "#d1d7de", "#8c96a1")
PAPER = Theme(_LIGHT, "#24292f", "#57606a", "#ffffff")


@dataclass(frozen=True)
class Look:
    """The look of a series: its method's color (a name) and marker, and its own dash and fill."""

    color: str
    marker: str
    dash: object = _DASHES[0]
    fill: str = _FILLS[0]


Looks = dict[tuple[str, str], Look]  # of series, by (method, name)


@cache
def look_of(method: str) -> Look:
    """Color and marker of a method, by the letters and digits of its name or title."""
    listed = read_yaml(Path(__file__).with_name("methods.yaml"))
    key = "".join(filter(str.isalnum, method.lower()))
    if key in listed:
        return Look(*listed[key])
    taken = {tuple(look) for look in listed.values()}
    pairs = ((color, marker) for marker in _MARKERS for color in _LIGHT)
    free = [pair for pair in pairs if pair not in taken]
    number = int.from_bytes(hashlib.sha256(method.encode()).digest()[:8], "big")
    return Look(*free[number % len(free)])


def looks_of(panels: Iterable[Sequence[tuple[str, str]]]) -> Looks:
    """The looks of a chart's series by (method, name).

    Variants of a method within a panel differ in dash and fill; series of no one method differ in
    the marker, too. A name has one look in all panels.

    Args:
        panels: (method, name) of each series of each panel.
    """
    looks: Looks = {}
    for series in panels:
        used = [looks[key] for key in series if key in looks]
        for key in series:
            if key not in looks:
                variants = _variants(key[0])
                looks[key] = next((look for look in variants if look not in used), variants[0])
                used.append(looks[key])
    return looks


def _variants(method: str) -> list[Look]:
    """The looks that a method's series can have, the plain one first."""
    number = lcm(len(_DASHES), len(_FILLS))
    own = [look_of(method)] if method else [Look(INK, marker) for marker in _MARKERS]
    return [
        replace(own[n % len(own)], dash=_DASHES[n % len(_DASHES)], fill=_FILLS[n % len(_FILLS)])
        for n in range(number)
    ]
