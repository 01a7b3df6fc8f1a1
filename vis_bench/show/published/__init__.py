"""Published figures of the methods this field compares, with their sources.

They are read from a data file of their own and never mixed with records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from vis_bench.files import parse_yaml

FIGURES_FILE = Path(__file__).with_name("figures.yaml")
SYSTEMS_FILE = Path(__file__).with_name("other_systems.yaml")


@cache
def published_figures() -> Mapping[str, Any]:
    """The whole data file: `sources` by key, then one entry per table."""
    return parse_yaml(FIGURES_FILE.read_bytes(), FIGURES_FILE.name)


def source_text(key: str) -> str:
    """A source as it stands in a footnote."""
    return published_figures()["sources"][key]


@cache
def other_systems() -> Mapping[str, Any]:
    """What is known of the code of systems without code here, and of their results files."""
    return parse_yaml(SYSTEMS_FILE.read_bytes(), SYSTEMS_FILE.name)


def published_speeds() -> list[tuple[str, str, str, float, float]]:
    """(method, variant, clip, FPS, AP) of every published row with both figures; AP in points.

    The variant is the backbone, with the training or the source where they tell rows apart; the
    clip is empty where a row states none.
    """
    rows = [row for row in published_figures()["comparison"] if "fps" in row]
    return [(row["method"], _variant(row, rows), _clip(row), row["fps"], row["ap"]) for row in rows]


def _variant(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    sources = {other["source"] for other in rows if other["method"] == row["method"]}
    source = [row["source"].rpartition("-")[2]] if len(sources) > 1 else []
    training = [row["training"]] if "training" in row else []
    return ", ".join([row["backbone"], *training, *source])


def _clip(row: Mapping[str, Any]) -> str:
    return f"T={row['clip_length']}" if "clip_length" in row else ""
