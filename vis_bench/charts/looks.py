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
    "blue": "#0b6bb8", "orange": "#b04f00", "green": "#0a7d5c", "magenta": "#a63d84",
    "olive": "#6b6f0f", "violet": "#6a5acd", "gray": "#57606a", "red": "#b42335",
    "teal": "#0b7285", "brown": "#7d5a3c", "navy": "#27408b",
}  # fmt: skip
_DARK = {
    "blue": "#5aaef0", "orange": "#f0954a", "green": "#3fc69c", "magenta": "#e58cc6",
    "olive": "#c3c653", "violet": "#a99cff", "gray": "#9aa4ae", "red": "#ff7b86",
    "teal": "#4fd0e0", "brown": "#d3ab86", "navy": "#8fb0ff",
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
def _listed() -> Mapping[str, Sequence[str]]:
    return read_yaml(Path(__file__).with_name("methods.yaml"))


def _key(method: str) -> str:
    return "".join(filter(str.isalnum, method.lower()))


@cache
def look_of(method: str) -> Look:
    """Color and marker of a method, by the letters and digits of its name or title."""
    listed, key = _listed(), _key(method)
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
    the marker, too. A name has one look in all panels, and a method its own color while there are
    enough: a listed one keeps its color, others take one that is left.

    Args:
        panels: (method, name) of each series of each panel.
    """
    looks: Looks = {}
    panels = list(panels)
    colors = _colors_of(method for series in panels for method, _ in series if method)
    for series in panels:
        used = [looks[key] for key in series if key in looks]
        for key in series:
            if key not in looks:
                variants = _variants(key[0], colors)
                looks[key] = next((look for look in variants if look not in used), variants[0])
                used.append(looks[key])
    return looks


def _colors_of(methods: Iterable[str]) -> dict[str, str]:
    """The color of each method by its key, no two alike while there are enough."""
    named = {_key(method): look_of(method).color for method in methods}
    colors: dict[str, str] = {}
    for key in sorted(named, key=lambda key: key not in _listed()):
        free = [color for color in _LIGHT if color not in colors.values()]
        colors[key] = named[key] if named[key] in free or not free else free[0]
    return colors


def _variants(method: str, colors: Mapping[str, str]) -> list[Look]:
    """The looks that a method's series can have, the plain one first."""
    number = lcm(len(_DASHES), len(_FILLS))
    own = [Look(INK, marker) for marker in _MARKERS]
    if method:
        own = [replace(look_of(method), color=colors[_key(method)])]
    return [
        replace(own[n % len(own)], dash=_DASHES[n % len(_DASHES)], fill=_FILLS[n % len(_FILLS)])
        for n in range(number)
    ]
