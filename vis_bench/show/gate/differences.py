"""Differences between two measurements of a cell, as its measurements compare them.

Every comparison names the fields of a record that it has seen, so that a figure which nothing
compares is found by looking at the records.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from vis_bench.measures.comparison import FAILING, POINTS, Comparison, Verdict, exactly
from vis_bench.measures.measure import Measure
from vis_bench.measures.registry import MEASURES
from vis_bench.record.fields import Role, fields_with, fields_without
from vis_bench.record.metrics import title_of
from vis_bench.record.schema import Record, SizeFields
from vis_bench.table.model import Entry

_KINDS = {figure: name for name, measure in MEASURES.items() for figure in measure.gated}
_SILENT: tuple[Verdict, ...] = ("same", "absent")
# Fields that nothing has to compare, nested ones as `streaming.rate`.
NO_RESULTS = fields_without(Record, Role.RESULT)


@dataclass(frozen=True)
class Finding:
    """A value of a cell that moved, or the reason why it was not compared; text as printed.

    Attributes:
        baseline_value, current_value: the numbers in the record's own units; None where there is
            none.
    """

    cell: str
    figure: str
    baseline: str
    current: str
    change: str
    verdict: Verdict
    baseline_value: float | None = None
    current_value: float | None = None


def differences(name: str, compared: Iterable[Comparison]) -> Iterator[Finding]:
    """Findings of the named cell: comparisons of what moved or could not be compared."""
    for c in compared:
        if c.verdict not in _SILENT:
            yield Finding(name, c.figure, c.baseline, c.current, c.change, c.verdict, *c.values)


def moved_entries(
    together: Sequence[Finding], failing: Collection[str] = FAILING
) -> list[str | Entry]:
    """Figure, both values, verdict and change of the first of findings of one kind; the change
    names the others.
    """
    first, *others = together
    titles = ", ".join(title_of(finding.figure) for finding in others)
    verdict = Entry(first.verdict, "best" if first.verdict in failing else None)
    change = f"{first.change}; {titles} too" if titles else first.change
    return [title_of(first.figure), first.baseline, first.current, verdict, change]


def kind_of(figure: str) -> str:
    """The measurement whose figures have one row where they move together, or the figure itself."""
    return _KINDS.get(figure, figure)


def comparisons(old: Record, new: Record, points: float = POINTS) -> Iterator[Comparison]:
    """Outcomes for every figure of the older measurement.

    Args:
        points: by which AP, AR and the tracking metrics may differ.
    """
    on_data = [measure for measure in MEASURES.values() if "annotations" in measure.needs]
    other_data = list(_other_data(old, new, on_data))
    yield from other_data
    for size in SizeFields.model_fields:
        before, now = getattr(old, size), getattr(new, size)
        # Records of vis-bench 0.2.0 have 0 for parameters that are unknown.
        yield exactly(size, (before or None) if now is None else before, now, new)
    for measure in MEASURES.values():
        if not (other_data and measure in on_data):
            yield from measure.compare(old, new, points)


def _other_data(old: Record, new: Record, on_data: Sequence[Measure]) -> Iterator[Comparison]:
    """Data that changed, so that nothing measured on them can be compared."""
    fields = tuple(field for measure in on_data for field in measure.gated)
    for key in fields_with(Record, Role.DATA):
        values = getattr(old, key), getattr(new, key)
        if values[0] != values[1]:
            before, now = (str(value)[:12] for value in values)
            change = "AP and AR cannot be compared"
            numbers = values if key == "num_videos" else (None, None)
            yield Comparison(key, fields, before, now, change, "changed", numbers)


def comparable_figures(cell: Record) -> set[str]:
    """Return the figures in which a later measurement can differ from this one.

    FPS of a busy machine, or of one run, is none of them: nobody knows its noise.
    """
    return {same.figure for same in comparisons(cell, cell) if same.verdict == "same"}


def figures_without_rule(old: Record, new: Record, compared: Iterable[Comparison]) -> set[str]:
    """Results in either record, by their fields, that no comparison has looked at."""
    seen = {field for comparison in compared for field in comparison.fields}
    return {
        field
        for field in figures_of(old) | figures_of(new)
        if not {field, field.partition(".")[0]} & (seen | NO_RESULTS)
    }


def figures_of(value: Any, path: str = "") -> set[str]:
    """Fields of a record that hold numbers, unknown ones too; nested ones as `streaming.ap`.

    The members of a list or a mapping have the name of their field.
    """
    if isinstance(value, BaseModel):
        return {
            name
            for field, inner in value
            for name in figures_of(inner, f"{path}.{field}" if path else field)
        }
    if isinstance(value, Mapping | list | tuple):
        members = value.values() if isinstance(value, Mapping) else value
        return {name for inner in members for name in figures_of(inner, path)}
    return {path} if type(value) in (int, float) else set()
