"""The regression gate: compare measurements with a baseline, and name the numbers that moved.

AP, AR and the tracking metrics are compared in points, cost exactly, speed within noise.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from vis_bench.errors import InputError
from vis_bench.record.metrics import ACCURACY, LEVELS, PARTS, TRACKING, Metric
from vis_bench.show.gate.baseline import (
    COSTS,
    GatedCell,
    GatedSpeed,
    distinct_names,
    load_cells_to_gate,
    measurement_key,
    paired,
    repeated_cells,
    write_baseline,
)
from vis_bench.show.tables import render
from vis_bench.show.tables.model import ABSENT, Column, Entry, Table
from vis_bench.show.tables.to_markdown import escape_markdown
from vis_bench.text import count, one_line

Verdict = Literal["worse", "changed", "missing", "repeated", "better", "new", "not compared"]
FAILING: tuple[Verdict, ...] = ("worse", "changed", "missing", "repeated")

# AP and AR, also of short and long videos and of levels, but not AR by area.
_AP_AND_AR = (*ACCURACY[:9], *PARTS, *LEVELS)
_GATED = (*_AP_AND_AR, *TRACKING)

# In points; smaller differences are arithmetic.
_ROUNDING = 1e-9
POINTS = 0.1  # that AP, AR and the tracking metrics may fall, of 100
# Fractions by which FPS may fall and memory may grow, if runs agree perfectly. On top comes the
# spread of either side so many times; of a spread a busy machine moves memory by a part only.
_SPEED, _MEMORY, _SPREADS, _MEMORY_SPREAD = 0.05, 0.10, 2.0, 0.05


@dataclass(frozen=True)
class Finding:
    """A value of a cell that moved, or the reason why it was not compared; text as printed."""

    cell: str
    figure: str
    baseline: str
    current: str
    change: str
    verdict: Verdict


# A finding without its cell.
_Moved = tuple[str, str, str, str, Verdict]


def compare_cells(
    name: str, old: GatedCell, new: GatedCell, points: float = POINTS
) -> Iterator[Finding]:
    """All differences between two measurements of the named cell, the baseline's first."""
    changed = list(_data(old, new))
    accuracy = () if changed else _accuracy(old, new, points)
    for moved in (*changed, *accuracy, *_cost(old, new), *_speed(old, new)):
        yield Finding(name, *moved)


def _data(old: GatedCell, new: GatedCell) -> Iterator[_Moved]:
    """Other videos or annotations, on which AP is another measurement."""
    for key in ("num_videos", "annotations_sha256"):
        before, now = getattr(old, key), getattr(new, key)
        if before != now:
            yield key, str(before)[:12], str(now)[:12], "AP and AR cannot be compared", "changed"


def _accuracy(old: GatedCell, new: GatedCell, points: float) -> Iterator[_Moved]:
    thresholds = old.tracking_score_threshold, new.tracking_score_threshold
    gated: Sequence[Metric] = _GATED
    if None not in thresholds and thresholds[0] != thresholds[1]:
        before, now = map(str, thresholds)
        change = "tracking metrics cannot be compared"
        yield "tracking_score_threshold", before, now, change, "changed"
        gated = _AP_AND_AR
    for metric in gated:
        before, now = getattr(old, metric.field), getattr(new, metric.field)
        if before is not None and now is None:
            yield _lost(metric.field, f"{100 * before:.2f}", new, "accuracy")
        elif before is not None and abs(100 * (now - before)) > points + _ROUNDING:
            was, is_now, change = told_apart(100 * before, 100 * now, digits=2)
            yield metric.field, was, is_now, f"{change} points", _verdict(now > before)


def _cost(old: GatedCell, new: GatedCell) -> Iterator[_Moved]:
    before, now = old.flop_convention, new.flop_convention
    if before and now and before != now:
        yield "flop_convention", before, now, "another rule of counting", "changed"
    for figure in COSTS:
        before, now = getattr(old, figure), getattr(new, figure)
        if before is not None and now is None:
            yield _lost(figure, f"{before:,.10g}", new, "flops")
        elif before is not None and before != now:
            yield figure, *_cost_texts(before, now), "changed"


def _speed(old: GatedCell, new: GatedCell) -> Iterator[_Moved]:
    timed, now = old.timed_regions(), new.timed_regions()
    if now and not timed:
        change = "no speed in the baseline"
        yield "FPS and memory", ABSENT, "measured", change, "not compared"
    if not timed:
        return
    if now and (other := _other_machine(old, new)):
        yield "FPS and memory", *other, "not compared"
        return
    if now and (busy := _busy(old, new)):
        yield "FPS", *busy, "not compared"
    for region, before in timed.items():
        yield from _region(region, before, now.get(region, GatedSpeed()), old, new)


def _region(
    region: str, old: GatedSpeed, new: GatedSpeed, before: GatedCell, after: GatedCell
) -> Iterator[_Moved]:
    """The differences of a region, timed for the cells `before` and `after`."""
    spreads = [s for s in (old.speed_spread, new.speed_spread) if s is not None]
    figure = f"FPS ({region})"
    if old.fps is not None and new.fps is None:
        yield _lost(figure, f"{old.fps:,.1f}", after, "speed")
    elif old.fps is not None and new.fps is not None and not _busy(before, after):
        texts = f"{old.fps:,.1f}", f"{new.fps:,.1f}"
        if len(spreads) < 2:
            yield figure, *texts, "one run only: spread unknown", "not compared"
        elif change := _beyond_noise(new.fps / old.fps, _SPEED, spreads):
            yield figure, *texts, change, _verdict(new.fps > old.fps)
    figure, was, now = f"peak memory ({region})", old.peak_memory_bytes, new.peak_memory_bytes
    if was is not None and now is None:
        yield _lost(figure, _mebibytes(was), after, "speed")
    elif was is not None and now is not None:
        part = [min(spread, _MEMORY_SPREAD) for spread in spreads]
        if change := _beyond_noise(now / was, _MEMORY, part):
            yield figure, _mebibytes(was), _mebibytes(now), change, _verdict(now < was)


def _lost(figure: str, value: str, new: GatedCell, measurement: str) -> _Moved:
    """A value that is gone, with the reason for which its measurement failed."""
    why = new.failures.get(measurement)
    change = "no longer measured" if why is None else f"{measurement} failed: {one_line(why)}"
    return figure, value, ABSENT, change, "missing"


def _verdict(is_better: bool) -> Verdict:
    return "better" if is_better else "worse"


def _beyond_noise(ratio: float, floor: float, spreads: Iterable[float]) -> str:
    """The change in words; empty where noise explains it."""
    factor = (1 + floor) * math.prod(1 + _SPREADS * spread for spread in spreads)
    if 1 / factor <= ratio <= factor:
        return ""
    return f"{_percent(ratio)}, noise explains {_percent(factor if ratio > 1 else 1 / factor)}"


def _other_machine(old: GatedCell, new: GatedCell) -> tuple[str, str, str] | None:
    """Both machines and their difference, if their speeds cannot be compared."""
    if old.device != new.device:
        return str(old.device), str(new.device), "another device"
    if old.num_threads != new.num_threads:
        return f"{old.num_threads} threads", f"{new.num_threads} threads", "other threads"
    if old.kernel_build != new.kernel_build:
        return str(old.kernel_build), str(new.kernel_build), "another build of the kernels"
    return None


def _busy(old: GatedCell, new: GatedCell) -> tuple[str, str, str] | None:
    """Both load averages, if either exceeds the number of CPUs."""
    if any((cell.load_average or 0) > (cell.num_cpus or math.inf) for cell in (old, new)):
        return _load_text(old), _load_text(new), "the machine was busy"
    return None


def _load_text(cell: GatedCell) -> str:
    load = "unknown" if cell.load_average is None else f"{cell.load_average:.1f}"
    return f"load {load} on {cell.num_cpus} CPUs"


def told_apart(old: float, new: float, digits: int) -> tuple[str, str, str]:
    """Two values and their difference with enough decimals to differ, at least `digits`."""
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


def _mebibytes(value: int) -> str:
    return f"{value / 2**20:,.0f} MiB"


def _percent(factor: float) -> str:
    return f"{100 * (factor - 1):+.0f} %"


SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"
WHOLE_CELL = "whole cell"
_COLUMNS = ("Cell", "Figure", "Baseline", "Current", "Change", "Verdict")


@dataclass(frozen=True)
class GateReport:
    """All findings.

    Attributes:
        num_compared: cells that were compared, in both the baseline and the current records.
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
        """A heading with the verdict, and the findings, as GitHub shows in a step's summary."""
        heading = self.verdict if self.updated else f"Benchmark gate {self.verdict}"
        return f"## {heading}\n\n{self.details()}"

    def details(self) -> str:
        """Reasons for not comparing speed, and a table of the other findings."""
        parts = [f"{count(self.num_compared, 'cell')} compared.\n", *_reasons(self._uncompared)]
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

    @property
    def verdict(self) -> str:
        """The outcome in a line that begins with `passed` or `failed`, unless it is an update's."""
        if self.updated:
            return self._update_heading()
        missing = self._no_speed if self.num_timed or self.require_speed else ""
        if self.passed:
            return f"passed{f', but {missing}' if missing else ''}"
        moved = [f"{len(self._moved)} moved"] if self._moved else []
        return f"failed: {'; '.join([*moved, *([missing] if missing else [])])}"

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
    points: float = POINTS,
    *,
    require_speed: bool = False,
) -> GateReport:
    """Compare a baseline with current measurements.

    Each is a record file, a folder of records or a baseline file. A missing cell fails, a new one
    does not; speed that could not be compared fails with `require_speed`. AP, AR and the tracking
    metrics may fall by so many `points`.
    """
    if not baseline.exists():
        raise InputError(f"baseline {baseline} does not exist; --update writes it")
    report = compare_sets(load_cells_to_gate(baseline), load_cells_to_gate(current), points)
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
    points: float = POINTS,
) -> GateReport:
    """Compare cells pairwise; failing findings first, then by cell.

    A cell with two records in one set fails, since neither is the measurement rather than the
    other.
    """
    names = distinct_names([*baseline, *current])
    findings, repeated = list[Finding](), set[Hashable]()
    for cells, is_new in ((baseline, False), (current, True)):
        for group in repeated_cells(cells):
            repeated.add(measurement_key(group[0]))
            sources = ", ".join(cell.source for cell in group)
            sides = (ABSENT, sources) if is_new else (sources, ABSENT)
            change = f"{len(group)} records of one cell"
            name = names[measurement_key(group[0])]
            findings.append(Finding(name, WHOLE_CELL, *sides, change, "repeated"))
    pairs, gone, added = paired(
        *([c for c in cells if measurement_key(c) not in repeated] for cells in (baseline, current))
    )
    for old, new in pairs:
        findings += compare_cells(names[measurement_key(old)], old, new, points)
    findings += [
        Finding(
            names[measurement_key(cell)], WHOLE_CELL, "measured", ABSENT, "no record", "missing"
        )
        for cell in gone
    ]
    findings += [
        Finding(
            names[measurement_key(cell)],
            WHOLE_CELL,
            ABSENT,
            "measured",
            "not in the baseline",
            "new",
        )
        for cell in added
    ]
    findings.sort(key=lambda finding: finding.verdict not in FAILING)
    num_timed = sum(bool(old.timed_regions() or new.timed_regions()) for old, new in pairs)
    return GateReport(findings, len(pairs), num_timed)


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
