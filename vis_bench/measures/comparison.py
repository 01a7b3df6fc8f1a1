"""Comparing figures of two measurements of a cell: outcomes, tolerances and their texts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from vis_bench.record.schema import Record
from vis_bench.table.model import ABSENT
from vis_bench.table.number_format import mebibytes, percent
from vis_bench.table.number_format import points as points_text
from vis_bench.text import one_line

Verdict = Literal[
    "same", "absent", "worse", "changed", "missing", "repeated", "better", "new", "not compared",
    "untested",
]  # fmt: skip
FAILING: tuple[Verdict, ...] = ("worse", "changed", "missing", "repeated")
# Writes a value as printed.
Wording = Callable[[float], str]

# In points; smaller differences are arithmetic.
_ROUNDING = 1e-9
POINTS = 0.1  # that AP, AR and the tracking metrics may fall, of 100
UNTESTED_POINTS = 3.0  # the same where AP is tested and they are not: as far as equal trainings lie
# Ends of an interval.
Ends = tuple[float | None, float | None]
_SPREADS = 2.0  # of a spread of either side, so many times are noise


@dataclass(frozen=True)
class Clock:
    """A figure that depends on the machine's speed.

    Attributes:
        text: writes a value.
        least: the fraction by which it may move if runs agree perfectly.
    """

    text: Wording
    higher_is_better: bool
    least: float

    def verdict(self, old: float, new: float) -> Verdict:
        """Verdict of a value that moved."""
        return better_or_worse((new > old) == self.higher_is_better)


@dataclass(frozen=True)
class Comparison:
    """Outcome for one figure; texts as printed, empty where it is the same or has no older value.

    Attributes:
        fields: those of the record that were looked at, as `figures_of` names them.
        values: the older and the newer number in the record's own units.
        in_points: compared by the tolerance in points.
        explained: how far the value may fall by the intervals of both sides, as a fraction; None
            where one has none.
        clock: set where the value depends on the machine's speed.
    """

    figure: str
    fields: tuple[str, ...]
    baseline: str = ""
    current: str = ""
    change: str = ""
    verdict: Verdict = "same"
    values: tuple[float | None, float | None] = (None, None)
    in_points: bool = False
    explained: float | None = None
    clock: Clock | None = None


def in_points(
    figure: str,
    field: str,
    old: float | None,
    new: float | None,
    points: float,
    after: Record,
    measurement: str,
    noise: tuple[float, float] = (0.0, 0.0),
    ends: tuple[Ends, Ends] = ((None, None), (None, None)),
) -> Comparison:
    """Compare AP or a metric like it, fractions both.

    Args:
        noise: how far AP may fall, and how far it may rise, by the noise of both sides.
        ends: of the 95 % intervals of both sides.
    """
    if old is None:
        return Comparison(figure, (field,), verdict="absent")
    if new is None:
        return lost(figure, old, points_text, after, measurement, (field,))
    beyond = max(new - old - noise[1], old - new - noise[0])
    if 100 * beyond <= points + _ROUNDING:
        return Comparison(figure, (field,), values=(old, new), in_points=True)
    digits = 1 if round(100 * abs(new - old), 1) > points else 2
    was, is_now, change = told_apart(100 * old, 100 * new, digits)
    explained = f"{100 * (noise[1] if new > old else -noise[0]):+.{digits}f}"
    noisy = f", noise explains {explained}" if float(explained) else ""
    return Comparison(
        figure,
        (field,),
        was,
        is_now,
        f"{change} points{noisy}",
        better_or_worse(new > old),
        (old, new),
        in_points=True,
        explained=_explained(old, new, ends),
    )


def _explained(old: float, new: float, ends: tuple[Ends, Ends]) -> float | None:
    """The fall that two independent intervals explain; on the same videos less would do."""
    low, high = ends[0][0], ends[1][1]
    return None if low is None or high is None else math.hypot(old - low, high - new)


def lost(
    figure: str, old: float, text: Wording, new: Record, measurement: str, fields: tuple[str, ...]
) -> Comparison:
    """A value that is gone, with the reason for which its measurement failed."""
    why = new.failures.get(measurement)
    change = "no longer measured" if why is None else f"{measurement} failed: {one_line(why)}"
    return Comparison(figure, fields, text(old), ABSENT, change, "missing", (old, None))


def exactly(
    figure: str,
    old: float | None,
    new: float | None,
    after: Record,
    measurement: str = "",
) -> Comparison:
    """Compare a count, whose field is the figure's name."""
    fields = (figure,)
    if old is None:
        return Comparison(figure, fields, verdict="absent")
    if new is None:
        return lost(figure, old, "{:,.10g}".format, after, measurement, fields)
    if old == new:
        return Comparison(figure, fields, values=(old, new))
    return Comparison(figure, fields, *_count_texts(old, new), "changed", (old, new))


def noisy(
    figure: str,
    fields: tuple[str, ...],
    values: tuple[float, float],
    text: Wording,
    change: str,
    verdict: Verdict,
) -> Comparison:
    """A value with noise, and its change in words, empty where noise explains it."""
    if not change:
        return Comparison(figure, fields, values=values)
    texts = text(values[0]), text(values[1])
    return Comparison(figure, fields, *texts, change, verdict, values)


def timed(
    figure: str,
    fields: tuple[str, ...],
    values: tuple[float, float],
    clock: Clock,
    spreads: Iterable[float | None],
) -> Comparison:
    """Compare a value of the clock within the spreads of both sides, if both are known."""
    known = [spread for spread in spreads if spread is not None]
    if len(known) < 2:
        return one_run(figure, fields, values, clock.text)
    change = beyond_noise(values[1] / values[0], clock.least, known)
    found = noisy(figure, fields, values, clock.text, change, clock.verdict(*values))
    return replace(found, clock=clock)


def one_run(
    figure: str, fields: tuple[str, ...], values: tuple[float, float], text: Wording
) -> Comparison:
    """A value of one run on either side, whose noise nobody knows."""
    texts = text(values[0]), text(values[1])
    change = "one run only: spread unknown"
    return Comparison(figure, fields, *texts, change, "not compared", values)


def better_or_worse(is_better: bool) -> Verdict:
    """Verdict of a value that moved."""
    return "better" if is_better else "worse"


def beyond_noise(ratio: float, floor: float, spreads: Iterable[float]) -> str:
    """The change in words; empty where noise explains it."""
    return beyond_factor(ratio, (1 + floor) * math.prod(1 + _SPREADS * s for s in spreads))


def beyond_factor(ratio: float, factor: float) -> str:
    """The change in words; empty where a factor up or down explains it."""
    if 1 / factor <= ratio <= factor:
        return ""
    explained = percent_of(factor if ratio > 1 else 1 / factor)
    return f"{percent_of(ratio)}, noise explains {explained}"


def other_machine(old: Record, new: Record) -> tuple[str, str, str] | None:
    """Both machines and their difference, if their speeds cannot be compared."""
    if old.device != new.device:
        return str(old.device), str(new.device), "another device"
    if old.num_threads != new.num_threads:
        return f"{old.num_threads} threads", f"{new.num_threads} threads", "other threads"
    if old.kernel_build != new.kernel_build:
        return str(old.kernel_build), str(new.kernel_build), "another build of the kernels"
    return None


def told_apart(old: float, new: float, digits: int) -> tuple[str, str, str]:
    """Two values and their difference with enough decimals to differ, at least `digits`."""
    while True:
        texts = f"{old:,.{digits}f}", f"{new:,.{digits}f}", f"{new - old:+,.{digits}f}"
        if (texts[0] != texts[1] and float(texts[2].replace(",", ""))) or digits >= 15:
            return texts
        digits += 1


def in_mib(value: float) -> str:
    """Bytes as printed with their unit."""
    return f"{mebibytes(value)} MiB"


def percent_of(factor: float) -> str:
    """The change by a factor as printed: 0.8 is `-20 %`."""
    return percent(factor - 1, signed=True)


def _count_texts(old: float, new: float) -> tuple[str, str, str]:
    """A count with its difference, any other value with its ratio if that is visible."""
    if isinstance(old, int) and isinstance(new, int):
        return told_apart(old, new, digits=0)
    was, is_now, change = told_apart(old, new, digits=2)
    ratio = f"{new / old:.4g}" if old else "1"
    return was, is_now, change if ratio == "1" else f"x {ratio}"
