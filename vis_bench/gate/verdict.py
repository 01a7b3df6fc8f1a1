"""The gate: compares what is measured now with a baseline, and says which number moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from vis_bench.errors import InputError
from vis_bench.gate.baseline import GatedCell, cell_key, load_cells_to_gate, write_baseline
from vis_bench.gate.rules import FAILING, Finding, Pair, Tolerances, compare_cells
from vis_bench.records.cell_name import full_name
from vis_bench.tables.grid import Column, Entry, grid_of
from vis_bench.tables.text import render

SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"
_COLUMNS = ("Cell", "Figure", "Baseline", "Current", "Change", "Verdict")


@dataclass(frozen=True)
class GateReport:
    """What moved. `num_compared`: cells that are in both the baseline and the current records.

    `updated`: the current records have become the baseline.
    """

    findings: Sequence[Finding]
    num_compared: int
    updated: bool = False

    @property
    def passed(self) -> bool:
        """Whether nothing got worse, changed or vanished."""
        return not any(finding.verdict in FAILING for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """The report in plain types."""
        findings = [asdict(finding) for finding in self.findings]
        return {"passed": self.passed, "num_compared": self.num_compared, "findings": findings}

    def as_markdown(self) -> str:
        """A verdict, then a table of what moved; GitHub renders it as a step's summary."""
        parts = [f"## {self._heading()}\n", f"{self.num_compared} cells compared.\n"]
        if self.findings:
            parts.append(_table(self.findings))
        if not (self.passed or self.updated):
            parts.append(UPDATE_HINT)
        return "\n".join(parts)

    def _heading(self) -> str:
        failing = sum(finding.verdict in FAILING for finding in self.findings)
        if self.updated:
            return f"Baseline refreshed: {failing} figures had moved"
        return "Benchmark gate passed" if self.passed else f"Benchmark gate failed: {failing} moved"


UPDATE_HINT = (
    "If every change is meant, refresh the baseline with `check ... --update` and commit it.\n"
)


def check(baseline: Path, current: Path, tolerances: Tolerances | None = None) -> GateReport:
    """Compares a baseline with current measurements.

    Each is a record file, a folder of records or a baseline file. A cell of the baseline that is
    gone fails; one that is new is named and does not.

    Raises:
        InputError: for a path that does not exist or holds no records.
    """
    if not baseline.exists():
        raise InputError(f"baseline {baseline} does not exist; --update writes it")
    return compare_sets(load_cells_to_gate(baseline), load_cells_to_gate(current), tolerances)


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
    known = {cell_key(cell) for cell in baseline}
    findings += [_gone(cell) for cell in baseline if cell_key(cell) not in now]
    findings += [_new(cell) for cell in current if cell_key(cell) not in known]
    findings.sort(key=lambda finding: finding.verdict not in FAILING)
    return GateReport(findings, len(pairs))


def append_summary(report: GateReport, environment: Mapping[str, str]) -> None:
    """Adds the report to the step's summary where GitHub asks for one."""
    path = environment.get(SUMMARY_VARIABLE)
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(report.as_markdown())


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
    return Finding(full_name(cell), "whole cell", "measured", "-", "no record", "missing")


def _new(cell: GatedCell) -> Finding:
    return Finding(full_name(cell), "whole cell", "-", "measured", "not in the baseline", "new")


def _table(findings: Sequence[Finding]) -> str:
    columns = [Column(title, numeric=title in ("Baseline", "Current")) for title in _COLUMNS]
    rows: list[list[str | Entry]] = [
        [f.cell, f.figure, f.baseline, f.current, f.change,
         Entry(f.verdict, "best" if f.verdict in FAILING else None)]
        for f in findings
    ]  # fmt: skip
    return render(grid_of(columns, rows))
