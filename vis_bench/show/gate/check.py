"""The regression gate: compare measurements with a baseline, and tell which number moved.

AP, AR and the tracking metrics are compared in points, cost exactly, speed within noise.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from vis_bench.errors import InputError
from vis_bench.records.metrics import ACCURACY, LEVELS, PARTS, TRACKING, Metric
from vis_bench.records.names import full_name
from vis_bench.records.ranking import count
from vis_bench.show.gate.baseline import (
    COSTS,
    GatedCell,
    GatedSpeed,
    cell_key,
    load_cells_to_gate,
    write_baseline,
)
from vis_bench.show.tables import render
from vis_bench.show.tables.model import ABSENT, Column, Entry, Table
from vis_bench.show.tables.to_markdown import escape_markdown

Verdict = Literal["worse", "changed", "missing", "better", "new", "not compared"]
FAILING: tuple[Verdict, ...] = ("worse", "changed", "missing")

# AP and AR, also of short and long videos and of levels, but not AR by area.
_AP_AND_AR = (*ACCURACY[:9], *PARTS, *LEVELS)
_GATED = (*_AP_AND_AR, *TRACKING)

# In points; smaller differences are arithmetic.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Tolerances:
    """Limits on how far a value may move.

    Attributes:
        points: by how much AP, AR and the tracking metrics may fall, in points of 100.
        speed, memory: the fraction by which FPS may fall and memory grow, if runs agree perfectly.
        spreads: how many times the recorded spread of either side comes on top.
        memory_spread: the part of a spread that counts for memory, which a busy machine moves less.
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
    """A value of a cell that moved, or the reason why it was not compared; text as printed."""

    cell: str
    figure: str
    baseline: str
    current: str
    change: str
    verdict: Verdict


@dataclass(frozen=True)
class Pair:
    """A cell in the baseline and now."""

    name: str
    baseline: GatedCell
    current: GatedCell

    def finding(self, figure: str, texts: tuple[str, str, str], verdict: Verdict) -> Finding:
        """A finding; `texts` are baseline, current and change."""
        return Finding(self.name, figure, *texts, verdict)

    def lost(self, figure: str, value: str) -> Finding:
        """A value that is no longer measured."""
        return self.finding(figure, (value, ABSENT, "no longer measured"), "missing")


def compare_cells(pair: Pair, tolerances: Tolerances) -> Iterator[Finding]:
    """All differences between two measurements of a cell."""
    changed = list(_identity(pair))
    yield from changed
    if not changed:
        yield from _accuracy(pair, tolerances)
    yield from _cost(pair)
    yield from _speed(pair, tolerances)


def _identity(pair: Pair) -> Iterator[Finding]:
    """Other videos or annotations, on which AP is another measurement."""
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
    """Both machines and their difference, if their speeds cannot be compared."""
    old, new = pair.baseline, pair.current
    if old.device != new.device:
        return str(old.device), str(new.device), "another device"
    if old.num_threads != new.num_threads:
        return f"{old.num_threads} threads", f"{new.num_threads} threads", "other threads"
    return None


def _busy(pair: Pair) -> tuple[str, str, str] | None:
    """Both load averages, if either exceeds the number of CPUs."""
    cells = pair.baseline, pair.current
    if any((cell.load_average or 0) > (cell.num_cpus or math.inf) for cell in cells):
        old, new = (_load_text(cell) for cell in cells)
        return old, new, "the machine was busy"
    return None


def _load_text(cell: GatedCell) -> str:
    load = "unknown" if cell.load_average is None else f"{cell.load_average:.1f}"
    return f"load {load} on {cell.num_cpus} CPUs"


def told_apart(old: float, new: float, digits: int) -> tuple[str, str, str]:
    """Two values and their difference with the decimals that tell them apart, `digits` at least."""
    while True:
        texts = f"{old:,.{digits}f}", f"{new:,.{digits}f}", f"{new - old:+,.{digits}f}"
        if (texts[0] != texts[1] and float(texts[2].replace(",", ""))) or digits >= 15:
            return texts
        digits += 1


def _cost_texts(old: float, new: float) -> tuple[str, str, str]:
    """A count with its difference, any other value with its ratio if that is visible."""
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


SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"
WHOLE_CELL = "whole cell"
_COLUMNS = ("Cell", "Figure", "Baseline", "Current", "Change", "Verdict")


@dataclass(frozen=True)
class GateReport:
    """All findings.

    Attributes:
        num_compared: cells in both the baseline and the current records.
        num_timed: those of them whose speed was measured.
        require_speed: speed that cannot be compared fails too.
        updated: the current records have become the baseline.
    """

    findings: Sequence[Finding]
    num_compared: int
    num_timed: int = 0
    require_speed: bool = False
    updated: bool = False

    @property
    def passed(self) -> bool:
        """True if nothing got worse, changed or vanished, and required speed was compared.

        An update passes: changes are deliberate.
        """
        return self.updated or not (self._moved or (self.require_speed and self._no_speed))

    def as_json(self) -> dict[str, Any]:
        """The report in plain types."""
        findings = [asdict(finding) for finding in self.findings]
        return {
            "passed": self.passed, "num_compared": self.num_compared,
            "speed_compared": not self._no_speed, "findings": findings,
        }  # fmt: skip

    def as_markdown(self) -> str:
        """A verdict and a table of findings, as GitHub shows in a step's summary."""
        compared = f"{count(self.num_compared, 'cell')} compared."
        parts = [f"## {self._heading()}\n", f"{compared}\n", *_reasons(self._uncompared)]
        listed = [finding for finding in self.findings if finding not in self._uncompared]
        if listed:
            columns = [Column(t, numeric=t in ("Baseline", "Current")) for t in _COLUMNS]
            failing = () if self.updated else FAILING
            rows: list[list[str | Entry]] = [
                [f.cell, f.figure, f.baseline, f.current, f.change,
                 Entry(f.verdict, "best" if f.verdict in failing else None)]
                for f in listed
            ]  # fmt: skip
            parts.append(render(Table.of(columns, rows)))
        if self._moved and not self.updated:
            parts.append(UPDATE_HINT)
        return "\n".join(parts)

    @property
    def _moved(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.verdict in FAILING]

    @property
    def _uncompared(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.verdict == "not compared"]

    @property
    def _no_speed(self) -> str:
        """Speed that was not compared, in words; empty where all was."""
        cells = {finding.cell for finding in self._uncompared}
        if cells:
            return f"speed was not compared in {len(cells)} of {count(self.num_timed, 'cell')}"
        return "" if self.num_timed else "no speed was measured"

    def _heading(self) -> str:
        if self.updated:
            return self._update_heading()
        missing = self._no_speed if self.num_timed or self.require_speed else ""
        if self.passed:
            return f"Benchmark gate passed{f', but {missing}' if missing else ''}"
        moved = [f"{len(self._moved)} moved"] if self._moved else []
        return f"Benchmark gate failed: {'; '.join([*moved, *([missing] if missing else [])])}"

    def _update_heading(self) -> str:
        cells = [f.verdict for f in self.findings if f.figure == WHOLE_CELL]
        new, gone = cells.count("new"), cells.count("missing")
        moved = len(self._moved) - gone
        parts = [f"{count(moved, 'figure')} moved"]
        parts += [f"{count(new, 'cell')} new"] if new else []
        parts += [f"{count(gone, 'cell')} gone"] if gone else []
        return f"Baseline refreshed: {', '.join(parts)}"


UPDATE_HINT = (
    "If every change is meant, refresh the baseline with `check ... --update` and commit it.\n"
)


def check(
    baseline: Path,
    current: Path,
    tolerances: Tolerances | None = None,
    *,
    require_speed: bool = False,
) -> GateReport:
    """Compare a baseline with current measurements.

    Each is a record file, a folder of records or a baseline file. A missing cell fails, a new one
    does not; speed that could not be compared fails with `require_speed`.
    """
    if not baseline.exists():
        raise InputError(f"baseline {baseline} does not exist; --update writes it")
    report = compare_sets(load_cells_to_gate(baseline), load_cells_to_gate(current), tolerances)
    return replace(report, require_speed=require_speed)


def update_baseline(baseline: Path, current: Path) -> GateReport:
    """Write the current measurements as the baseline; returns what that changed."""
    cells = load_cells_to_gate(current)
    before = load_cells_to_gate(baseline) if baseline.is_file() else []
    write_baseline(cells, baseline)
    return replace(compare_sets(before, cells), updated=True)


def compare_sets(
    baseline: Sequence[GatedCell],
    current: Sequence[GatedCell],
    tolerances: Tolerances | None = None,
) -> GateReport:
    """Compare cells pairwise; failing findings first, then by cell."""
    tolerances = tolerances or Tolerances()
    now: dict[str, list[GatedCell]] = defaultdict(list)
    for cell in current:
        now[cell_key(cell)].append(cell)
    pairs = [
        Pair(full_name(cell), cell, _counterpart(cell, now[cell_key(cell)]))
        for cell in baseline
        if cell_key(cell) in now
    ]
    findings = [finding for pair in pairs for finding in compare_cells(pair, tolerances)]
    findings += [
        Finding(full_name(cell), WHOLE_CELL, "measured", ABSENT, "no record", "missing")
        for cell in baseline
        if cell_key(cell) not in now
    ]
    known = {(cell_key(cell), cell.device) for cell in baseline}
    paired = [pair.current for pair in pairs]
    findings += [
        Finding(full_name(cell), WHOLE_CELL, ABSENT, "measured", "not in the baseline", "new")
        for cell in current
        if (cell_key(cell), cell.device) not in known and cell not in paired
    ]
    findings.sort(key=lambda finding: finding.verdict not in FAILING)
    timed = [p for p in pairs if p.baseline.timed_regions() or p.current.timed_regions()]
    return GateReport(findings, len(pairs), len(timed))


def append_summary(report: GateReport, environment: Mapping[str, str]) -> str | None:
    """Add the report to the step's summary, if GitHub asks for one.

    Returns:
        A sentence if that failed, which does not change the verdict.
    """
    path = environment.get(SUMMARY_VARIABLE)
    if not path:
        return None
    try:
        with Path(path).open("ab") as file:
            file.write(report.as_markdown().encode())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return f"cannot write the step summary {path} ({SUMMARY_VARIABLE}): {reason}"
    return None


def _counterpart(cell: GatedCell, candidates: Sequence[GatedCell]) -> GatedCell:
    """The measurement on the same device, or else on any."""
    same = [other for other in candidates if other.device == cell.device]
    return (same or candidates)[0]


def _reasons(uncompared: Sequence[Finding]) -> list[str]:
    """A line per reason for not comparing speed, with its first cell."""
    grouped: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in uncompared:
        grouped[finding.figure, finding.change].append(finding)
    lines = [
        "- "
        + escape_markdown(
            f"{figure} not compared in {count(len(group), 'cell')}: {reason} "
            f"({group[0].cell}: {group[0].baseline}, now {group[0].current})"
        )
        + "\n"
        for (figure, reason), group in grouped.items()
    ]
    return ["".join(lines)] if lines else []
