"""Intervals of numbers, from resamples of the videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.metrics.analyse import Analysis
from vis_bench.metrics.bootstrap import percentile_interval


@dataclass(frozen=True)
class Interval:
    """A number as a fraction, and its 95 % interval; None where there is nothing to measure."""

    value: float | None
    low: float | None = None
    high: float | None = None


def interval_of(values_S: np.ndarray) -> Interval:
    """The first sample's number, and the percentile interval of the others."""
    if np.isnan(values_S[0]):
        return Interval(None)
    low, high = percentile_interval(values_S[1:]) or (None, None)
    return Interval(float(values_S[0]), low, high)


def same_numbers(samples: Sequence[Analysis]) -> list[str]:
    """The fields that every subject has, in order."""
    return [name for name in samples[0].overall if all(name in s.overall for s in samples)]
