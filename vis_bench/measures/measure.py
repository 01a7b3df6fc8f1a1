"""A measurement: all that configs, runs, tables and the gate ask of it, in one object.

The facts import no PyTorch; the runner is imported when it measures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic import BaseModel

from vis_bench.charts import Panel
from vis_bench.measures.comparison import Comparison
from vis_bench.measures.figure import Figure
from vis_bench.record.fields import Fields, Role, fields_with
from vis_bench.record.schema import Record
from vis_bench.table.model import Page

if TYPE_CHECKING:  # a run imports the measurements
    from vis_bench.data.datasets import Dataset
    from vis_bench.runs.attempt import Attempt
    from vis_bench.runs.build import CheckedMethod
    from vis_bench.runs.config import Cell

# frames: files of frames; annotations: of the videos; videos: no single images; tracks: every video
# inferred, by any number of processes; one process: cannot be spread over workers; alone: a machine
# without other work; clip times: can be scheduled by those of `--trace`.
Need = Literal[
    "frames", "annotations", "videos", "tracks", "one process", "alone", "clip times"
]  # fmt: skip


class Runner(Protocol):
    """A module that measures."""

    def check(self, cell: Cell, dataset: Dataset, method: CheckedMethod) -> None:
        """Raise InputError for a cell that cannot be measured."""

    def measure(self, attempt: Attempt, record: Record) -> Fields:
        """Measure a job; the record describes it and has what was measured before."""


def _no_words(record: Record) -> str:
    return ""


def _no_figures(record: Record) -> Sequence[Figure]:
    return ()


@dataclass(frozen=True)
class Measure:
    """One kind of measurement.

    Args:
        name: in a config's `measure`.
        runner: the module that measures, imported when it does.
        fields: of a record; where it was measured, one of its results is set.
        needs: what jobs and workers have to provide.
        compare: outcomes of the gate for the figures of two records, older and newer; the last
            argument is the tolerance of AP in points.
        figures: values that the history follows, those that are unknown, too; the first is the
            main one.
        words: the values behind the progress line; empty for none.
        page: of `run`, of `table NAME` and of the report, without rows where nothing was measured;
            None where columns of the table of all records hold every figure.
        panels: its chart of records that hold it, which `run`, `table NAME --picture`, the report
            and the results pages draw; None for none.
        settings: its section of a config, which the digest of a cell has where it is asked for.
        always_digested: the digest has the section of every cell, since records in results/
            were measured so.
    """

    name: str
    runner: str
    fields: type[Fields]
    needs: frozenset[Need]
    compare: Callable[[Record, Record, float], Iterator[Comparison]]
    figures: Callable[[Record], Sequence[Figure]] = _no_figures
    words: Callable[[Record], str] = _no_words
    page: Callable[[Sequence[Record]], Page] | None = None
    panels: Callable[[Sequence[Record]], list[Panel]] | None = None
    settings: type[BaseModel] | None = None
    always_digested: bool = False

    @cached_property
    def gated(self) -> list[str]:
        """Its fields in baseline files."""
        return fields_with(self.fields, Role.KEPT)

    def is_in(self, record: Record) -> bool:
        """True if a record has any result of this measurement."""
        results = fields_with(self.fields, Role.RESULT)
        return any(getattr(record, name) not in (None, (), {}) for name in results)

    def shown(self, records: Sequence[Record]) -> Page | None:
        """The page of the records that hold this measurement; None where none does."""
        measured = any(map(self.is_in, records))
        return self.page(records) if measured and self.page is not None else None

    def charted(self, records: Sequence[Record]) -> list[Panel]:
        """The chart of the records that hold this measurement; empty where none does."""
        measured = [record for record in records if self.is_in(record)]
        return self.panels(measured) if measured and self.panels is not None else []

    @cached_property
    def run(self) -> Runner:
        """The module that measures."""
        return import_module(self.runner)  # type: ignore[return-value]
