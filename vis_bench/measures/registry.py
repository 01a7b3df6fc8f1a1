"""All measurements, in the order in which they are made and shown."""

from __future__ import annotations

from importlib import import_module

from vis_bench.measures.figure import Figure
from vis_bench.measures.measure import Measure, Need
from vis_bench.record.schema import Record

# A folder each, whose `facts` have its `MEASURE`.
_FOLDERS = (
    "accuracy",
    "flops",
    "speed",
    "memory",
    "streaming",
)
MEASURES: dict[str, Measure] = {
    name: import_module(f"vis_bench.measures.{name}.facts").MEASURE for name in _FOLDERS
}


def with_need(need: Need) -> list[str]:
    """Names of the measurements that have a need."""
    return [name for name, measure in MEASURES.items() if need in measure.needs]


def figures_of(record: Record) -> list[Figure]:
    """The values of a record that the history follows."""
    return [figure for measure in MEASURES.values() for figure in measure.figures(record)]


def values_text(record: Record) -> str:
    """The main values of a record in a few words: `AP 81.3  HOTA 68.6  1.5 FPS`."""
    return "  ".join(text for measure in MEASURES.values() if (text := measure.words(record)))
