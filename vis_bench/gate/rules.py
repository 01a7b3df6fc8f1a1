"""When a figure has moved: AP and AR in points, cost exactly, speed within what noise explains."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from vis_bench.gate.baseline import COSTS, GatedCell
from vis_bench.records.record import METRICS

Verdict = Literal["worse", "changed", "missing", "better", "new", "not compared"]
FAILING: tuple[Verdict, ...] = ("worse", "changed", "missing")

# Differences below this are arithmetic, not accuracy; in points.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Tolerances:
    """How far a figure may move.

    `points`: AP and AR may fall by this much, in points (100 = all). `speed`, `memory`: FPS may
    fall and memory grow by this fraction even where repeated runs agree perfectly. `spreads`: how
    many times the recorded spread of either side comes on top. For memory no more than
    `memory_spread` of it counts: how busy a machine is moves times far more than memory.
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
        before, now = pair.baseline.get(key), pair.current.get(key)
        if before != now:
            texts = str(before)[:12], str(now)[:12], "AP and AR cannot be compared"
            yield pair.finding(key, texts, "changed")


def _accuracy(pair: Pair, tolerances: Tolerances) -> Iterator[Finding]:
    for metric in METRICS:
        before, now = pair.baseline.get(metric), pair.current.get(metric)
        if before is None:
            continue
        if now is None:
            yield pair.lost(metric, f"{100 * before:.2f}")
            continue
        moved = 100 * (now - before)
        if abs(moved) > tolerances.points + _ROUNDING:
            texts = f"{100 * before:.2f}", f"{100 * now:.2f}", f"{moved:+.2f} points"
            yield pair.finding(metric, texts, "worse" if moved < 0 else "better")


def _cost(pair: Pair) -> Iterator[Finding]:
    before, now = pair.baseline.get("flop_convention"), pair.current.get("flop_convention")
    if before and now and before != now:
        yield pair.finding("flop_convention", (before, now, "another rule of counting"), "changed")
    for figure in COSTS:
        old, new = pair.baseline.get(figure), pair.current.get(figure)
        if old is None or old == new:
            continue
        if new is None:
            yield pair.lost(figure, f"{old:.10g}")
            continue
        texts = f"{old:.10g}", f"{new:.10g}", _ratio(old, new)
        yield pair.finding(figure, texts, "changed")


def _speed(pair: Pair, tolerances: Tolerances) -> Iterator[Finding]:
    timed, now = _timed_regions(pair.baseline), _timed_regions(pair.current)
    other, busy = _other_machine(pair), _busy(pair)
    if timed and (other or busy):
        what = "FPS and memory" if other else "FPS"
        texts = str(pair.baseline.get("device")), str(pair.current.get("device"))
        yield pair.finding(what, (*texts, str(other or busy)), "not compared")
    for region, before in {} if other else timed.items():
        yield from _region(pair, region, (before, now.get(region, {})), tolerances, busy=bool(busy))


def _region(
    pair: Pair,
    region: str,
    sides: tuple[Mapping[str, Any], Mapping[str, Any]],
    tolerances: Tolerances,
    *,
    busy: bool,
) -> Iterator[Finding]:
    spreads = [side.get("speed_spread") for side in sides]
    known = [spread for spread in spreads if spread is not None]
    for field, title, allow in (
        ("fps", "FPS", tolerances.slowdown),
        ("peak_memory_bytes", "peak memory", tolerances.growth),
    ):
        old, new = (side.get(field) for side in sides)
        if old is None or (busy and field == "fps" and new is not None):
            continue
        figure, text = f"{title} ({region})", _speed_text(field, old)
        if new is None:
            yield pair.lost(figure, text)
        elif field == "fps" and len(known) < len(spreads):
            texts = text, _speed_text(field, new), "one run only: spread unknown"
            yield pair.finding(figure, texts, "not compared")
        else:
            worse, factor = (old / new if field == "fps" else new / old), allow(*known)
            if not 1 / factor <= worse <= factor:
                texts = text, _speed_text(field, new), _allowed(worse, factor)
                yield pair.finding(figure, texts, "worse" if worse > 1 else "better")


def _timed_regions(cell: GatedCell) -> dict[str, Mapping[str, Any]]:
    """The timed regions by name; the record's own fields where it names no regions."""
    if cell.get("regions"):
        return cell["regions"]
    return {str(cell["timed_region"]): cell} if cell.get("fps") is not None else {}


def _other_machine(pair: Pair) -> str | None:
    for key, text in (("device", "another device"), ("num_threads", "other number of threads")):
        if pair.baseline.get(key) != pair.current.get(key):
            return text
    return None


def _busy(pair: Pair) -> str | None:
    """Whether more wanted to run than there are CPUs, before either measurement."""
    for cell, which in ((pair.baseline, "baseline"), (pair.current, "current")):
        load, cpus = cell.get("load_average"), cell.get("num_cpus")
        if load is not None and cpus and load > cpus:
            return f"the machine was busy ({which}: load {load:.1f} on {cpus} CPUs)"
    return None


def _speed_text(field: str, value: float) -> str:
    return f"{value:.1f}" if field == "fps" else f"{value / 2**20:.0f} MiB"


def _allowed(worse: float, factor: float) -> str:
    return f"{_percent(worse)}, noise explains {_percent(factor)}"


def _percent(factor: float) -> str:
    return f"{100 * (factor - 1):+.0f} %"


def _ratio(old: float, new: float) -> str:
    return f"x {new / old:.4g}" if old else "was 0"
