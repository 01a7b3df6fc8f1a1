"""Figures of one model trained with several seeds: the mean, the lowest and the highest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from vis_bench.records.metrics import Metric
from vis_bench.records.schema import Record
from vis_bench.show.tables.model import ABSENT, Entry

# Seed -> the record of the model that was trained with it.
BySeed = Mapping[int, Record]


@dataclass(frozen=True)
class OverSeeds:
    """A figure's mean, lowest and highest value, in the record's unit."""

    mean: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> OverSeeds | None:
        """None where there are no values."""
        return cls(fmean(values), min(values), max(values)) if values else None


def over_seeds(records: BySeed, metric: Metric) -> OverSeeds | None:
    """A figure over the seeds that have it; None where none has it."""
    values = (metric.of(record) for record in records.values())
    return OverSeeds.of([value for value in values if value is not None])


def gain_over_seeds(records: BySeed, before: BySeed, metric: Metric) -> OverSeeds | None:
    """How much larger a figure is than before, seed by seed; None where no seed has both."""
    gains = []
    for seed in sorted(records.keys() & before.keys()):
        now, then = metric.of(records[seed]), metric.of(before[seed])
        if now is not None and then is not None:
            gains.append(now - then)
    return OverSeeds.of(gains)


def mean_entry(figure: OverSeeds | None, metric: Metric, *, signed: bool = False) -> Entry:
    """The mean, with the lowest and the highest in brackets where more is printed than one figure.

    Args:
        signed: whether a positive number gets a plus.
    """
    if figure is None:
        return Entry(ABSENT)
    mean, *ends = (
        _signed(text) if signed else text
        for text in map(metric.text, (figure.mean, figure.lowest, figure.highest))
    )
    return Entry(mean, interval=None if {*ends} == {mean} else (ends[0], ends[1]))


def _signed(text: str) -> str:
    """A number with its sign, which zero has not: rounded, a loss may be one too."""
    if float(text) == 0:
        return text.removeprefix("-")
    return text if text.startswith("-") else f"+{text}"
