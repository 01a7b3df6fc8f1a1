"""When a figure has moved.

AP, AR and the tracking metrics in points, cost exactly, speed within what noise explains.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from vis_bench.records.metrics import ACCURACY, LEVELS, PARTS, TRACKING, Metric
from vis_bench.show.gate.baseline import COSTS, GatedCell, GatedSpeed

Verdict = Literal["worse", "changed", "missing", "better", "new", "not compared"]
FAILING: tuple[Verdict, ...] = ("worse", "changed", "missing")

# AP and AR, also of short and long videos and of objects that are hard to follow; the AR by area is
# not gated.
_AP_AND_AR = (*ACCURACY[:9], *PARTS, *LEVELS)
_GATED = (*_AP_AND_AR, *TRACKING)

# Differences below this are arithmetic, not accuracy; in points.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Tolerances:
    """How far a figure may move.

    `points`: AP, AR and the tracking metrics may fall by this much, in points (100 = all).
    `speed`, `memory`: FPS may fall and memory grow by this fraction even where repeated runs agree
    perfectly. `spreads`: how many times the recorded spread of either side comes on top. For memory
    no more than `memory_spread` of it counts: how busy a machine is moves times far more than
    memory.
    """

    points: float = 0.1
    speed: float = 0.05
    memory: float = 0.10
    spreads: float = 2.0
    memory_spread: float = 0.05

    def slowdown(self, *spreads: float) -> float:
        """The factor by which FPS may fall."""
        return self._factor(self.speed, spreads)

    def growth(self, *spreads: float) -> float:
        """The factor by which memory may grow."""
        return self._factor(self.memory, [min(spread, self.memory_spread) for spread in spreads])

    def _factor(self, floor: float, spreads: Iterable[float]) -> float:
        return (1 + floor) * math.prod(1 + self.spreads * spread for spread in spreads)


@dataclass(frozen=True)
class Finding:
    """One figure of one cell that moved, or a reason why it was not compared; text as printed."""

    cell: str
    figure: str
    baseline: str
    current: str
    change: str
    verdict: Verdict


@dataclass(frozen=True)
class Pair:
    """The same cell in the baseline and now."""

    name: str
    baseline: GatedCell
    current: GatedCell

    def finding(self, figure: str, texts: tuple[str, str, str], verdict: Verdict) -> Finding:
        """A finding of this cell; `texts` are baseline, current and change."""
        return Finding(self.name, figure, *texts, verdict)

    def lost(self, figure: str, value: str) -> Finding:
        """The finding for a figure that is no longer measured."""
        return self.finding(figure, (value, "-", "no longer measured"), "missing")


def compare_cells(pair: Pair, tolerances: Tolerances) -> Iterator[Finding]:
    """Everything that moved between two measurements of a cell."""
    changed = list(_identity(pair))
    yield from changed
    if not changed:
        yield from _accuracy(pair, tolerances)
    yield from _cost(pair)
    yield from _speed(pair, tolerances)


def _identity(pair: Pair) -> Iterator[Finding]:
    """AP on other videos or other annotations is another measurement."""
    for key in ("num_videos", "annotations_sha256"):
        before, now = getattr(pair.baseline, key), getattr(pair.current, key)
        if before != now:
            texts = str(before)[:12], str(now)[:12], "AP and AR cannot be compared"
            yield pair.finding(key, texts, "changed")


def _accuracy(pair: Pair, tolerances: Tolerances) -> Iterator[Finding]:
    thresholds = pair.baseline.tracking_score_threshold, pair.current.tracking_score_threshold
    gated: Sequence[Metric] = _GATED
    if None not in thresholds and thresholds[0] != thresholds[1]:
        texts = str(thresholds[0]), str(thresholds[1]), "tracking metrics cannot be compared"
        yield pair.finding("tracking_score_threshold", texts, "changed")
        gated = _AP_AND_AR
    for metric in gated:
        before, now = getattr(pair.baseline, metric.field), getattr(pair.current, metric.field)
        if before is None:
            continue
        if now is None:
            yield pair.lost(metric.field, f"{100 * before:.2f}")
            continue
        moved = 100 * (now - before)
        if abs(moved) > tolerances.points + _ROUNDING:
            old, new, change = told_apart(100 * before, 100 * now, digits=2)
            texts = old, new, f"{change} points"
            yield pair.finding(metric.field, texts, "worse" if moved < 0 else "better")


def _cost(pair: Pair) -> Iterator[Finding]:
    before, now = pair.baseline.flop_convention, pair.current.flop_convention
    if before and now and before != now:
        yield pair.finding("flop_convention", (before, now, "another rule of counting"), "changed")
    for figure in COSTS:
        old, new = getattr(pair.baseline, figure), getattr(pair.current, figure)
        if old is None or old == new:
            continue
        if new is None:
            yield pair.lost(figure, f"{old:,.10g}")
            continue
        yield pair.finding(figure, _cost_texts(old, new), "changed")


def _speed(pair: Pair, tolerances: Tolerances) -> Iterator[Finding]:
    timed, now = pair.baseline.timed_regions(), pair.current.timed_regions()
    other, busy = _other_machine(pair), _busy(pair)
    if now and not timed:
        texts = "-", "measured", "no speed in the baseline"
        yield pair.finding("FPS and memory", texts, "not compared")
    if timed and (other or busy):
        what = "FPS and memory" if other else "FPS"
        yield pair.finding(what, other or busy or ("", "", ""), "not compared")
    for region, before in {} if other else timed.items():
        yield from _region(
            pair, region, (before, now.get(region, GatedSpeed())), tolerances, busy=bool(busy)
        )


def _region(
    pair: Pair,
    region: str,
    sides: tuple[GatedSpeed, GatedSpeed],
    tolerances: Tolerances,
    *,
    busy: bool,
) -> Iterator[Finding]:
    spreads = [side.speed_spread for side in sides]
    known = [spread for spread in spreads if spread is not None]
    for field, title, allow in (
        ("fps", "FPS", tolerances.slowdown),
        ("peak_memory_bytes", "peak memory", tolerances.growth),
    ):
        old, new = (getattr(side, field) for side in sides)
        if old is None or (busy and field == "fps" and new is not None):
            continue
        figure = f"{title} ({region})"
        if new is None:
            yield pair.lost(figure, _speed_texts(field, old, old)[0])
            continue
        texts = _speed_texts(field, old, new)
        if field == "fps" and len(known) < len(spreads):
            yield pair.finding(figure, (*texts, "one run only: spread unknown"), "not compared")
            continue
        ratio, factor = new / old, allow(*known)
        if not 1 / factor <= ratio <= factor:
            allowed = factor if ratio > 1 else 1 / factor
            change = f"{_percent(ratio)}, noise explains {_percent(allowed)}"
            worse = (ratio < 1) == (field == "fps")
            yield pair.finding(figure, (*texts, change), "worse" if worse else "better")


def _other_machine(pair: Pair) -> tuple[str, str, str] | None:
    """Both machines and what differs, where their speed says nothing about the code."""
    old, new = pair.baseline, pair.current
    if old.device != new.device:
        return str(old.device), str(new.device), "another device"
    if old.num_threads != new.num_threads:
        return f"{old.num_threads} threads", f"{new.num_threads} threads", "other threads"
    return None


def _busy(pair: Pair) -> tuple[str, str, str] | None:
    """Both loads, where more wanted to run than there are CPUs before either measurement."""
    cells = pair.baseline, pair.current
    if any((cell.load_average or 0) > (cell.num_cpus or math.inf) for cell in cells):
        old, new = (_load_text(cell) for cell in cells)
        return old, new, "the machine was busy"
    return None


def _load_text(cell: GatedCell) -> str:
    load = "unknown" if cell.load_average is None else f"{cell.load_average:.1f}"
    return f"load {load} on {cell.num_cpus} CPUs"


def told_apart(old: float, new: float, digits: int) -> tuple[str, str, str]:
    """Two different figures and their difference, with as many decimals as tell them apart.

    Args:
        digits: decimals at least.
    """
    while True:
        texts = f"{old:,.{digits}f}", f"{new:,.{digits}f}", f"{new - old:+,.{digits}f}"
        if (texts[0] != texts[1] and float(texts[2].replace(",", ""))) or digits >= 15:
            return texts
        digits += 1


def _cost_texts(old: float, new: float) -> tuple[str, str, str]:
    """A count with its difference, any other figure with its ratio where that can be seen."""
    if isinstance(old, int) and isinstance(new, int):
        return told_apart(old, new, digits=0)
    ratio = f"{new / old:.4g}" if old else "1"
    if ratio == "1":
        return told_apart(old, new, digits=2)
    return f"{old:,.10g}", f"{new:,.10g}", f"x {ratio}"


def _speed_texts(field: str, old: float, new: float) -> tuple[str, str]:
    if field == "fps":
        return f"{old:,.1f}", f"{new:,.1f}"
    return f"{old / 2**20:,.0f} MiB", f"{new / 2**20:,.0f} MiB"


def _percent(factor: float) -> str:
    return f"{100 * (factor - 1):+.0f} %"
