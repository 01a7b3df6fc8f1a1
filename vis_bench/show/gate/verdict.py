"""The gate: compares what is measured now with a baseline, and says which number moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from vis_bench.errors import InputError
from vis_bench.records.names import full_name
from vis_bench.show.gate.baseline import GatedCell, cell_key, load_cells_to_gate, write_baseline
from vis_bench.show.gate.rules import FAILING, Finding, Pair, Tolerances, compare_cells
from vis_bench.show.tables import render
from vis_bench.show.tables.model import Column, Entry, Table
from vis_bench.show.tables.to_markdown import escape_markdown

SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"
WHOLE_CELL = "whole cell"
_COLUMNS = ("Cell", "Figure", "Baseline", "Current", "Change", "Verdict")


@dataclass(frozen=True)
class GateReport:
    """What moved. `num_compared`: cells that are in both the baseline and the current records.

    `num_timed`: those of them whose speed was measured. `require_speed`: speed that cannot be
    compared fails too. `updated`: the current records have become the baseline.
    """

    findings: Sequence[Finding]
    num_compared: int
    num_timed: int = 0
    require_speed: bool = False
    updated: bool = False

    @property
    def passed(self) -> bool:
        """Whether nothing got worse, changed or vanished, and speed was compared if it has to be.

        An update passes: whatever moved was meant to.
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
        """A verdict, then a table of what moved; GitHub renders it as a step's summary."""
        compared = f"{counted(self.num_compared, 'cell')} compared."
        parts = [f"## {self._heading()}\n", f"{compared}\n", *_reasons(self._uncompared)]
        listed = [finding for finding in self.findings if finding not in self._uncompared]
        if listed:
            parts.append(_table(listed, mark_failing=not self.updated))
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
        """Which speed was not compared, in words; empty where all of it was."""
        cells = {finding.cell for finding in self._uncompared}
        if cells:
            return f"speed was not compared in {len(cells)} of {counted(self.num_timed, 'cell')}"
        return "" if self.num_timed else "no speed was measured"

    def _heading(self) -> str:
        if self.updated:
            return self._update_heading()
        said = self._no_speed if self.num_timed or self.require_speed else ""
        if self.passed:
            return f"Benchmark gate passed, but {said}" if said else "Benchmark gate passed"
        moved = [f"{len(self._moved)} moved"] if self._moved else []
        return f"Benchmark gate failed: {'; '.join([*moved, *([said] if said else [])])}"

    def _update_heading(self) -> str:
        cells = [f.verdict for f in self.findings if f.figure == WHOLE_CELL]
        new, gone = cells.count("new"), cells.count("missing")
        moved = len(self._moved) - gone
        parts = [f"{counted(moved, 'figure')} moved"]
        parts += [f"{counted(new, 'cell')} new"] if new else []
        parts += [f"{counted(gone, 'cell')} gone"] if gone else []
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
    """Compares a baseline with current measurements.

    Each is a record file, a folder of records or a baseline file. A cell of the baseline that is
    gone fails; one that is new is named and does not. Speed that could not be compared is named,
    and fails with `require_speed`.

    Raises:
        InputError: for a path that does not exist or holds no records.
    """
    if not baseline.exists():
        raise InputError(f"baseline {baseline} does not exist; --update writes it")
    report = compare_sets(load_cells_to_gate(baseline), load_cells_to_gate(current), tolerances)
    return replace(report, require_speed=require_speed)


def update_baseline(baseline: Path, current: Path) -> GateReport:
    """Writes the current measurements as the baseline; returns what that changed.

    Raises:
        InputError: as `check`, and where `baseline` exists and is not a baseline file.
    """
    cells = load_cells_to_gate(current)
    before = load_cells_to_gate(baseline) if baseline.is_file() else []
    write_baseline(cells, baseline)
    return replace(compare_sets(before, cells), updated=True)


def compare_sets(
    baseline: Sequence[GatedCell],
    current: Sequence[GatedCell],
    tolerances: Tolerances | None = None,
) -> GateReport:
    """Pairs the cells and compares each pair; worst findings first, then by cell."""
    tolerances = tolerances or Tolerances()
    now = _by_key(current)
    pairs = [
        Pair(full_name(cell), cell, _counterpart(cell, now[cell_key(cell)]))
        for cell in baseline
        if cell_key(cell) in now
    ]
    findings = [finding for pair in pairs for finding in compare_cells(pair, tolerances)]
    findings += [_gone(cell) for cell in baseline if cell_key(cell) not in now]
    known = {(cell_key(cell), cell.device) for cell in baseline}
    paired = [pair.current for pair in pairs]
    findings += [
        _new(cell)
        for cell in current
        if (cell_key(cell), cell.device) not in known and cell not in paired
    ]
    findings.sort(key=lambda finding: finding.verdict not in FAILING)
    timed = [p for p in pairs if p.baseline.timed_regions() or p.current.timed_regions()]
    return GateReport(findings, len(pairs), len(timed))


def append_summary(report: GateReport, environment: Mapping[str, str]) -> str | None:
    """Adds the report to the step's summary where GitHub asks for one.

    Returns:
        A sentence where that failed, which changes nothing about what the gate found; else None.
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


def _by_key(cells: Sequence[GatedCell]) -> dict[str, list[GatedCell]]:
    grouped: dict[str, list[GatedCell]] = defaultdict(list)
    for cell in cells:
        grouped[cell_key(cell)].append(cell)
    return grouped


def _counterpart(cell: GatedCell, candidates: Sequence[GatedCell]) -> GatedCell:
    """The measurement on the same device, or on any."""
    same = [other for other in candidates if other.device == cell.device]
    return (same or candidates)[0]


def _gone(cell: GatedCell) -> Finding:
    return Finding(full_name(cell), WHOLE_CELL, "measured", "-", "no record", "missing")


def _new(cell: GatedCell) -> Finding:
    return Finding(full_name(cell), WHOLE_CELL, "-", "measured", "not in the baseline", "new")


def _reasons(uncompared: Sequence[Finding]) -> list[str]:
    """A line for each reason why speed was not compared, with its first cell."""
    grouped: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in uncompared:
        grouped[finding.figure, finding.change].append(finding)
    lines = [
        "- "
        + escape_markdown(
            f"{figure} not compared in {counted(len(group), 'cell')}: {reason} "
            f"({group[0].cell}: {group[0].baseline}, now {group[0].current})"
        )
        + "\n"
        for (figure, reason), group in grouped.items()
    ]
    return ["".join(lines)] if lines else []


def _table(findings: Sequence[Finding], *, mark_failing: bool) -> str:
    columns = [Column(title, numeric=title in ("Baseline", "Current")) for title in _COLUMNS]
    rows: list[list[str | Entry]] = [
        [f.cell, f.figure, f.baseline, f.current, f.change,
         Entry(f.verdict, "best" if mark_failing and f.verdict in FAILING else None)]
        for f in findings
    ]  # fmt: skip
    return render(Table.of(columns, rows))


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 cell`, `2 cells`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
