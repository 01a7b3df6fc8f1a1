"""The regression gate: compare measurements with a baseline, and name the numbers that moved.

`differences` compares two measurements of a cell; here sets of them become a report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from vis_bench.errors import InputError
from vis_bench.files import write_atomically
from vis_bench.grouping import grouped
from vis_bench.measures.comparison import FAILING, POINTS, UNTESTED_POINTS, Comparison, Verdict
from vis_bench.measures.measure import Need
from vis_bench.measures.registry import MEASURES, with_need
from vis_bench.record.metrics import AP
from vis_bench.record.names import measured_again
from vis_bench.show.gate.baseline import (
    GatedCell,
    distinct_names,
    load_cells_to_gate,
    paired,
    repeated_cells,
    write_baseline,
)
from vis_bench.show.gate.differences import (
    Finding,
    comparisons,
    differences,
    figures_without_rule,
    kind_of,
    moved_entries,
)
from vis_bench.show.gate.paired_test import PairedTest, PairedTests, paired_tests
from vis_bench.table import Part, as_markdown
from vis_bench.table.model import ABSENT, Column, Table
from vis_bench.table.to_markdown import escape_markdown
from vis_bench.text import count, one_line

# Needs of measurements that depend on the machine's speed.
TIMED: tuple[Need, ...] = ("alone", "clip times")
SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"
WHOLE_CELL = "whole cell"
_GONE: tuple[str, str, str, Verdict] = ("measured", ABSENT, "no record", "missing")
_ADDED: tuple[str, str, str, Verdict] = (ABSENT, "measured", "not in the baseline", "new")
ACCEPTED = "accepted.txt"  # beside records: who meant what is worse in them, and why


@dataclass(frozen=True)
class GateReport:
    """All findings.

    Attributes:
        num_compared: cells that were compared, in both the baseline and the current records.
        num_timed: those of them whose speed was measured.
        without_rule: fields of results that nothing compares, with the number of cells that have
            them.
        paired: the paired tests of AP.
        significant: AP fails by these tests alone, and other figures in points by their intervals
            or a wider tolerance.
        require_speed: speed that cannot be compared fails too.
        require_comparison: no cell in common fails too; if `significant`, no cell whose AP is
            the same or was tested.
        updated: the current records have become the baseline.
        history: commits of the records that were compared with, instead of a baseline; None with
            a baseline.
        sides: what tables call the baseline and the current records.
        accepted: who meant what got worse, changed or vanished, which then passes, and why.
        again: a sentence for each record with measurements of another commit or machine.
    """

    findings: Sequence[Finding]
    num_compared: int
    num_timed: int = 0
    without_rule: Mapping[str, int] = field(default_factory=dict)
    paired: PairedTests = field(default_factory=PairedTests)
    significant: bool = False
    require_speed: bool = False
    require_comparison: bool = False
    updated: bool = False
    history: Sequence[str] | None = None
    accepted: str = ""
    sides: tuple[str, str] = ("Baseline", "Current")
    again: Sequence[str] = ()

    @property
    def passed(self) -> bool:
        """True if nothing got worse, changed or vanished, or that was accepted, and what is
        required was compared.

        An update passes: changes are deliberate.
        """
        compared = len(self.paired.judged) if self.significant else self.num_compared
        lacking = (self.require_speed and self._no_speed) or (
            self.require_comparison and not compared
        )
        worse = not self.accepted and (self._moved or self._lost)
        return self.updated or not (worse or lacking)

    def accept(self, text: str, folder: Path) -> GateReport:
        """The report of losses that are meant; the text says by whom and why, also beside the
        records in the folder.
        """
        if self.passed:
            return self
        write_atomically(folder / ACCEPTED, f"{one_line(text)}\n".encode())
        return replace(self, accepted=one_line(text))

    def as_json(self) -> dict[str, Any]:
        """The report in plain types."""
        findings = [asdict(finding) for finding in self.findings]
        return {
            "passed": self.passed,
            "num_compared": self.num_compared,
            "speed_compared": not self._no_speed,
            "findings": findings,
            "paired": [test.as_json() for test in self.paired.tests],
            "not_paired": [
                {"cell": cell, "reason": reason} for cell, reason in self.paired.without.items()
            ],
            "without_rule": dict(self.without_rule),
            "measured_again": list(self.again),
            **({"warnings": list(self.paired.doubts)} if self.paired.doubts else {}),
            **({"accepted": self.accepted} if self.accepted else {}),
        }

    def as_markdown(self) -> str:
        """A heading with the verdict, and the findings, as GitHub shows in a step's summary."""
        heading = self.verdict if self.updated else f"Benchmark gate {self.verdict}"
        return f"## {escape_markdown(heading)}\n\n{self.details()}"

    def details(self) -> str:
        """A table of what moved, and reasons for not comparing other figures."""
        return as_markdown(self.parts(escape_markdown))

    def parts(self, escape: Callable[[str], str] = str) -> list[Part]:
        """The same as paragraphs and tables, what became worse first.

        Args:
            escape: applied to names in paragraphs.
        """
        against = f" with {', '.join(map(escape, self.history))}" if self.history else ""
        parts: list[Part] = [f"{count(self.num_compared, 'cell')} compared{against}."]
        compared = [finding for finding in self.findings if finding not in self._uncompared]
        if compared:
            failing = () if self.updated else FAILING
            parts.append(_findings_table(compared, failing, self.sides))
        if self.paired.tests:
            parts.append(self.paired.table(fails=self.significant))
        for listed in (self.again, _reasons(self._uncompared), _without_test(self.paired)):
            parts += ["\n".join(f"- {escape(text)}" for text in listed)] if listed else []
        parts += [escape(doubt) for doubt in self.paired.doubts]
        if self.without_rule:
            names = ", ".join(f"`{escape(name)}`" for name in self.without_rule)
            parts.append(f"No rule compares these figures: {names}.")
        if not self.updated and not self.accepted and (self._moved or self._lost):
            parts.append(UPDATE_HINT if self.history is None else HISTORY_HINT)
        return parts

    @property
    def _moved(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.verdict in FAILING]

    @property
    def _lost(self) -> list[PairedTest]:
        """Losses of AP that fail."""
        return self.paired.worse if self.significant else []

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
        lost = [f"AP lost in {count(len(self._lost), 'cell')}"] if self._lost else []
        moved = [f"{len(self._moved)} moved"] if self._moved else []
        if not self.passed:
            return f"failed: {'; '.join([*lost, *moved, *self._missing])}"
        meant = (
            f": {'; '.join([*lost, *moved])}, accepted: {self.accepted}" if lost or moved else ""
        )
        return f"passed{meant}{', but ' * bool(self._missing)}{'; '.join(self._missing)}"

    @property
    def _missing(self) -> list[str]:
        """Sentences on what was not compared."""
        if not self.num_compared:
            return ["no cell was compared"]
        no_speed = self._no_speed if self.num_timed or self.require_speed else ""
        return [text for text in (no_speed, self._no_test) if text]

    @property
    def _no_test(self) -> str:
        """AP that was to be tested and was not, in words; empty where all was."""
        if not self.significant or not self.paired.without:
            return ""
        num_cells = len(self.paired.judged) + len(self.paired.without)
        return f"AP was not tested in {len(self.paired.without)} of {count(num_cells, 'cell')}"

    def _update_heading(self) -> str:
        cells = [f.verdict for f in self.findings if f.figure == WHOLE_CELL]
        new, gone = cells.count("new"), cells.count("missing")
        moved = len(self._moved) - gone
        parts = [f"{count(moved, 'figure')} moved"]
        parts += [f"{count(new, 'cell')} new"] if new else []
        parts += [f"{count(gone, 'cell')} gone"] if gone else []
        return f"Baseline refreshed: {', '.join(parts)}"


def _findings_table(
    findings: Sequence[Finding], failing: Collection[str], sides: Sequence[str]
) -> Table:
    """A row per cell and kind of figures that moved together."""
    titles = "Cell", "Figure", *sides, "Verdict", "Change"
    columns = [Column(title, numeric=title in sides) for title in titles]
    together = grouped(findings, lambda f: (f.cell, kind_of(f.figure), f.verdict)).values()
    return Table.of(columns, [[own[0].cell, *moved_entries(own, failing)] for own in together])


UPDATE_HINT = (
    "If every change is meant, refresh the baseline with `check ... --update` and commit it."
)
HISTORY_HINT = (
    "If every change is meant, `check ... --accept 'NAME: reason'` passes, and the history that "
    "keeps these records says so (docs/gate.md)."
)


@dataclass(frozen=True)
class Rules:
    """The rules by which accuracy is judged.

    Attributes:
        points: that AP, AR and the tracking metrics may fall.
        significant: AP fails where the paired interval lies below 0, and what has no test where it
            falls by more than its interval explains, or by more than `UNTESTED_POINTS`.
        annotations, data_root: ground truth of predictions without matches, as for `PairedAP`.
    """

    points: float = POINTS
    significant: bool = False
    annotations: Path | None = None
    data_root: Path | None = None


DEFAULT_RULES = Rules()
# Takes the baseline's cell and a comparison with it.
Judge = Callable[[GatedCell, Comparison], Comparison]


def check(baseline: Path, current: Path, rules: Rules = DEFAULT_RULES) -> GateReport:
    """Compare a baseline with current measurements.

    Each is a record file, a folder of records or a baseline file. A missing cell fails, a new one
    does not.
    """
    if not baseline.exists():
        raise InputError(f"baseline {baseline} does not exist; --update writes it")
    return compare_sets(load_cells_to_gate(baseline), load_cells_to_gate(current), rules)


def update_baseline(baseline: Path, current: Path) -> GateReport:
    """Write the current measurements as the baseline; returns what that changed."""
    cells = load_cells_to_gate(current)
    before = load_cells_to_gate(baseline) if baseline.is_file() else []
    write_baseline(cells, baseline)
    return replace(compare_sets(before, cells), paired=PairedTests(), updated=True)


def compare_sets(
    baseline: Sequence[GatedCell],
    current: Sequence[GatedCell],
    rules: Rules = DEFAULT_RULES,
    judge: Judge = lambda old, comparison: comparison,
) -> GateReport:
    """Compare cells pairwise; failing findings first, then by cell.

    A cell with two records in one set fails, since neither is the measurement rather than the
    other.

    Args:
        judge: replaces a comparison with a baseline's cell by a better one.
    """
    names = distinct_names([*baseline, *current])
    findings, (baseline, current) = _without_repeated(names, baseline, current)
    pairs, gone, added = paired(baseline, current, retrained=rules.significant)
    named = [(names[old.identity.measurement], old, new) for old, new in pairs]
    tests = paired_tests(named, rules.annotations, rules.data_root)
    without_rule = Counter[str]()
    for name, old, new in named:
        records = old.record, new.record
        compared = [judge(old, c) for c in comparisons(*records, rules.points)]
        without_rule.update(figures_without_rule(*records, compared))
        if rules.significant:
            compared = _by_test(compared, rules.points, is_tested=name in tests.judged)
        findings += differences(name, compared)
    findings += [Finding(names[cell.identity.measurement], WHOLE_CELL, *_GONE) for cell in gone]
    findings += [Finding(names[cell.identity.measurement], WHOLE_CELL, *_ADDED) for cell in added]
    findings.sort(key=lambda finding: finding.verdict not in FAILING)
    return GateReport(
        findings,
        len(pairs),
        _num_timed(pairs),
        dict(sorted(without_rule.items())),
        tests,
        rules.significant,
        again=[
            f"{side} of {name} was measured again: {again}"
            for name, *both in named
            for side, cell in zip(("Baseline", "Current"), both, strict=True)
            if (again := measured_again(cell.record))
        ],
    )


def _without_repeated(
    names: Mapping[Hashable, str], baseline: Sequence[GatedCell], current: Sequence[GatedCell]
) -> tuple[list[Finding], tuple[list[GatedCell], list[GatedCell]]]:
    """A finding for each cell with two records in one set, and both sets without these cells."""
    twice = [(group, False) for group in repeated_cells(baseline)]
    twice += [(group, True) for group in repeated_cells(current)]
    ambiguous = {group[0].identity.measurement for group, _ in twice}

    def clear(cells: Sequence[GatedCell]) -> list[GatedCell]:
        return [cell for cell in cells if cell.identity.measurement not in ambiguous]

    findings = [_repeated(names, group, is_new) for group, is_new in twice]
    return findings, (clear(baseline), clear(current))


def _repeated(names: Mapping[Hashable, str], group: Sequence[GatedCell], is_new: bool) -> Finding:
    """Several records of one cell, in the baseline or among the current ones."""
    sources = ", ".join(cell.source for cell in group)
    sides = (ABSENT, sources) if is_new else (sources, ABSENT)
    change = f"{len(group)} records of one cell"
    return Finding(names[group[0].identity.measurement], WHOLE_CELL, *sides, change, "repeated")


def _num_timed(pairs: Sequence[tuple[GatedCell, GatedCell]]) -> int:
    timed = [MEASURES[name] for need in TIMED for name in with_need(need)]
    return sum(any(m.is_in(cell.record) for m in timed for cell in pair) for pair in pairs)


def _by_test(compared: Sequence[Comparison], points: float, *, is_tested: bool) -> list[Comparison]:
    """The comparisons without an AP that was tested; of other figures in points, those fail that
    fell by more than their intervals explain, or, without these, than a tolerance.
    """
    kept = [c for c in compared if not (is_tested and c.figure == AP.field and c.in_points)]
    return [_by_interval(c, points) if c.in_points and c.verdict != "same" else c for c in kept]


def _by_interval(c: Comparison, points: float) -> Comparison:
    old, new = c.values
    allowed = c.explained
    if allowed is None:
        allowed = max(points, UNTESTED_POINTS) / 100
    if old is not None and new is not None and old - new > allowed:
        return replace(c, change=f"{c.change}, of which {100 * allowed:.1f} are allowed")
    return replace(c, verdict="untested")


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


def _without_test(paired: PairedTests) -> list[str]:
    """A sentence per reason for which no paired test of AP was possible, with its first cell."""
    return [
        f"No paired test of AP in {count(len(of), 'cell')}: {reason} ({of[0]})"
        for reason, of in grouped(paired.without, paired.without.__getitem__).items()
    ]


def _reasons(uncompared: Sequence[Finding]) -> list[str]:
    """A sentence per reason for not comparing speed, with its first cell."""
    groups = grouped(uncompared, lambda finding: (finding.figure, finding.change))
    return [
        f"{figure} not compared in {count(len(group), 'cell')}: {reason} "
        f"({group[0].cell}: {group[0].baseline}, now {group[0].current})"
        for (figure, reason), group in groups.items()
    ]
