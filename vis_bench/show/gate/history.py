"""Records over commits: their order, and where each figure moved.

The gate's own comparison decides what has moved. A record is compared with the beginning of a
figure's level, the record at which it last moved on the same machine, so that slow drift is found
as well as a step, at the record where its sum passes the tolerance. A figure of the clock moves
where several records before and after differ, see `levels`.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import cache, cached_property
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from statistics import median
from typing import Any, Literal

from vis_bench.grouping import grouped
from vis_bench.measures.comparison import POINTS, Clock, Comparison, noisy, percent_of
from vis_bench.record.names import measured_at, measured_code
from vis_bench.record.schema import Record
from vis_bench.record.store import RecordStore, StoredRecords
from vis_bench.show.gate.baseline import GatedCell, distinct_names, load_cells_to_gate, most_alike
from vis_bench.show.gate.check import (
    ACCEPTED,
    DEFAULT_RULES,
    GateReport,
    Judge,
    Rules,
    compare_sets,
)
from vis_bench.show.gate.differences import Finding, comparable_figures, comparisons, differences
from vis_bench.show.gate.levels import FEWEST_RECORDS, FEWEST_TO_CHECK, leaves_level, level_starts
from vis_bench.table.labels import measured_order
from vis_bench.table.model import ABSENT
from vis_bench.text import count, single_line

HOW_FIGURES_MOVE = (
    "A figure moves at the first commit at which it differs by more than the gate's tolerance from "
    "the first record of its level on the machine, so small moves add up. FPS and latency move if "
    f"the machine's records, at least {FEWEST_RECORDS} before and as many from then on, differ by "
    "more than their own spread explains; if processes differ much, the commit may be a neighbor."
)
# With a letter or of full length, or it may be a date.
_COMMIT = re.compile(r"(?=.*[a-f])[0-9a-f]{7,64}|[0-9]{40}|[0-9]{64}")


@dataclass(frozen=True, eq=False, kw_only=True)
class Point(GatedCell):
    """A record at its place in the history.

    Attributes:
        commit: names the measured code; a folder's name where no commit is known.
        is_dirty: files differed from the commit.
        run: names the code that measured it, which is another one than a plug-in's.
        accepted: who meant what is worse, and why; empty where nobody said so.
    """

    commit: str
    is_dirty: bool
    run: str
    accepted: str = ""

    @cached_property
    def series(self) -> Hashable:
        """Measurements of equal series differ by code and noise alone."""
        return self.identity.series

    @property
    def machine(self) -> tuple[Any, ...]:
        """Machine and kernels of the measurement."""
        return self.identity.machine

    @cached_property
    def time(self) -> datetime:
        """Time of the measurement; the earliest of all where it is unknown."""
        return measured_at(self.record)

    @property
    def order(self) -> tuple[datetime, str, str]:
        """The place in the history."""
        return self.time, self.commit, str(self.path)

    @property
    def label(self) -> str:
        """The commit, shortened, and whether files differed from it."""
        short = self.commit[:8] if _COMMIT.fullmatch(self.commit) else self.commit
        return f"{short} (dirty)" if self.is_dirty else short

    @property
    def date(self) -> str | None:
        """Time of the measurement to the minute, in UTC."""
        unknown = self.time == datetime.min.replace(tzinfo=timezone.utc)
        return None if unknown else f"{self.time:%Y-%m-%d %H:%M}"


@dataclass(frozen=True)
class Move:
    """A figure that moved, the record at which its new level begins, and the former one's first."""

    finding: Finding
    since: Point
    at: Point


@dataclass(frozen=True)
class CellHistory:
    """Records of a cell in the order of their measurement, and their moves."""

    name: str
    points: Sequence[Point]
    moves: Sequence[Move]

    @cached_property
    def machines(self) -> dict[tuple[Any, ...], str]:
        """Names of the machines, in order of appearance: device, threads, and what else differs."""
        machines = list(dict.fromkeys(point.machine for point in self.points))
        backends, kernels, _, _ = (set(values) for values in zip(*machines, strict=True))
        names = {}
        for machine in machines:
            backend, kernel, device, threads = machine
            parts = [device or "unknown device"]
            parts += [] if threads is None else [count(threads, "thread")]
            parts += [str(backend)] if len(backends) > 1 else []
            parts += [str(kernel)] if len(kernels) > 1 else []
            names[machine] = ", ".join(parts)
        return names


def read_points(folder: Path) -> tuple[list[Point], StoredRecords]:
    """Read a history's records at any depth, in the order of their measurement.

    Of equal times the commit and the file decide.
    """
    stored = RecordStore(folder).readable()
    points = [
        _point(record, path, folder)
        for record, path in zip(stored.records, stored.paths, strict=True)
    ]
    return sorted(points, key=lambda point: point.order), stored


def history_of(points: Sequence[Point], tolerance: float = POINTS) -> list[CellHistory]:
    """Sort the records by cell, and find the moves of each.

    Args:
        tolerance: points by which AP, AR and the tracking metrics may differ from their level.
    """
    by_cell = grouped(points, lambda point: point.identity.key)
    last = {key: own[-1] for key, own in by_cell.items()}
    names = distinct_names([*last.values()])
    histories = [
        CellHistory(name, own, find_moves(own, name, tolerance))
        for key, own in by_cell.items()
        for name in [names[last[key].identity.measurement]]
    ]
    return sorted(histories, key=lambda own: (measured_order(own.points[-1].record), own.name))


def find_moves(points: Sequence[Point], name: str, tolerance: float = POINTS) -> list[Move]:
    """Find where figures of one cell moved.

    On each machine every figure has a level, which begins with a record. A later record beyond the
    gate's tolerance of it is a move, and begins the next level. The first record on a machine, or
    on other videos, is compared with the last one before it as far as the gate does, and begins
    new levels; so does a record whose figures are measured or counted in another way. A move of
    accuracy or cost that another machine has shown meanwhile is not named again. Figures of the
    clock have the levels of `level_starts`.
    """
    moves: list[Move] = []
    levels: dict[Hashable, dict[str, Point]] = {}
    absent: dict[Hashable, set[str]] = {}
    named: dict[str, Point] = {}
    before: Point | None = None
    for point in points:
        level, gone = levels.setdefault(point.series, {}), absent.setdefault(point.series, set())
        figures = comparable_figures(point.record)
        is_first = not level
        starts = dict(level)
        if is_first and before is not None:
            starts = dict.fromkeys(comparable_figures(before.record), before)
        gone -= figures
        for move in _moved(point, starts, name, tolerance):
            figure = move.finding.figure
            if move.finding.verdict == "missing":
                if is_first or figure in gone:
                    continue
                gone.add(figure)
            elif figure in starts:
                level[figure] = point
            else:  # measured or counted in another way
                level.clear()
            if not _is_known(move, before, named.get(figure), tolerance):
                moves.append(move)
                named[figure] = point
        for figure in figures:
            level.setdefault(figure, point)
        before = point
    moves += [move for series in by_series(points) for move in _clock_moves(series, name)]
    places = {point: place for place, point in enumerate(points)}
    return sorted(moves, key=lambda move: places[move.at])


def by_series(points: Iterable[Point]) -> list[list[Point]]:
    """The records that differ by code and noise alone, together."""
    return list(grouped(points, lambda point: point.series).values())


@dataclass(frozen=True)
class Level:
    """Neighboring records of a series between which a figure of the clock is the same.

    Attributes:
        values: of each record.
        first: the first record.
    """

    clock: Clock
    values: Sequence[float]
    first: Point

    @property
    def median(self) -> float:
        """The median over the records."""
        return median(self.values)


def clock_levels(series: Sequence[Point]) -> dict[str, list[Level]]:
    """Levels of each figure of the clock over the records whose noise is known."""
    known: dict[str, list[tuple[Clock, float, Point]]] = {}
    for point in series:
        # Compared with itself, a record shows the figures that it has, their values and noise.
        for c in comparisons(point.record, point.record):
            if c.clock is not None and c.values[0]:
                known.setdefault(c.figure, []).append((c.clock, c.values[0], point))
    levels: dict[str, list[Level]] = {}
    for figure, measured in known.items():
        clock, values = measured[0][0], [value for _, value, _ in measured]
        starts = [0, *level_starts(values, clock.least)]
        levels[figure] = [
            Level(clock, values[start:end], measured[start][2])
            for start, end in pairwise([*starts, len(values)])
        ]
    return levels


def _clock_moves(series: Sequence[Point], name: str) -> Iterator[Move]:
    """The changes of level in a series."""
    for figure, levels in clock_levels(series).items():
        for old, new in pairwise(levels):
            ratio = percent_of(new.median / old.median)
            change = f"{ratio}, medians of {len(old.values)} and {len(new.values)} records"
            clock, values = new.clock, (old.median, new.median)
            texts = clock.text(old.median), clock.text(new.median)
            finding = Finding(name, figure, *texts, change, clock.verdict(*values), *values)
            yield Move(finding, old.first, new.first)


def _moved(
    point: Point, starts: Mapping[str, Point], name: str, tolerance: float
) -> Iterator[Move]:
    """The figures of a record that moved against the beginnings of their levels."""
    conditions = set[str]()
    for start in dict.fromkeys(starts.values()):
        compared = comparisons(start.record, point.record, tolerance)
        for finding in differences(name, (c for c in compared if c.clock is None)):
            figure = finding.figure
            if finding.verdict == "not compared" or figure in conditions:
                continue
            if figure not in starts:
                conditions.add(figure)
            if starts.get(figure, start) is start:
                yield Move(finding, start, point)


def _is_known(move: Move, before: Point | None, named: Point | None, tolerance: float) -> bool:
    """True if another machine has shown the move since the level began.

    Speed and memory of two machines are never the same figure.
    """
    figure = move.finding.figure
    if before is None or named is None:
        return False
    if before.machine == move.at.machine or named.order <= move.since.order:
        return False
    compared = comparisons(before.record, move.at.record, tolerance)
    return any(c.figure == figure and c.verdict == "same" for c in compared)


def check_history(
    folder: Path, current: Path, rules: Rules = DEFAULT_RULES
) -> tuple[GateReport, Sequence[str]]:
    """Compare current measurements with the last ones of the same cells and machines.

    Where a machine is new to the history, the last record of another one takes its place, as in a
    baseline. A cell that the history has never had is new and passes. A cell of the machine's last
    commit that is not measured any more is missing, and fails.

    Args:
        folder: the history; files of `current` in it are left out.
        current: a record, a folder of records or a baseline file.
        rules: how accuracy is judged.

    Returns:
        The report, and a sentence for each file of the history that is not a record.
    """
    cells = load_cells_to_gate(current)
    now = {Path(cell.source).resolve() for cell in cells}
    history, stored = read_points(folder)
    history = [point for point in history if Path(point.source).resolve() not in now]
    chosen = _counterparts(history, cells, "retrained_key" if rules.significant else "key")
    report = compare_sets(chosen, cells, rules, _against_levels(history))
    commits = tuple(dict.fromkeys(point.label for point in chosen))
    return replace(report, history=commits), stored.problems


def _against_levels(history: Sequence[Point]) -> Judge:
    """Compare a figure of the clock with its machine's last level, if that has enough records."""
    series = {points[-1].series: points for points in by_series(history)}
    levels_of = cache(lambda key: clock_levels(series[key]))

    def judge(old: GatedCell, comparison: Comparison) -> Comparison:
        new = comparison.values[1]
        if comparison.clock is None or new is None:
            return comparison
        level = levels_of(old.identity.series)[comparison.figure][-1]
        if len(level.values) < FEWEST_TO_CHECK:
            return comparison
        change = f"{percent_of(new / level.median)}, median of {len(level.values)} records"
        is_moved = leaves_level(level.values, new, level.clock.least)
        return noisy(
            comparison.figure,
            comparison.fields,
            (level.median, new),
            level.clock.text,
            change if is_moved else "",
            level.clock.verdict(level.median, new),
        )

    return judge


def _counterparts(
    history: Sequence[Point], current: Sequence[GatedCell], key: Literal["key", "retrained_key"]
) -> list[Point]:
    """The record that each current cell is compared with, of equally good ones the last, and those
    that should be there again.

    Args:
        key: of identities; equal for cells that may be compared.
    """
    key_of = attrgetter(f"identity.{key}")
    by_cell = grouped(reversed(history), key_of)
    alike = [most_alike(cell, by_cell.get(key_of(cell), ())) for cell in current]
    chosen = dict.fromkeys(point for point in alike if point is not None)
    machines, keys = {cell.identity.machine for cell in current}, set(map(key_of, current))
    here = [point for point in history if point.machine in machines]
    newest = {_origin(point): point.commit for point in here}
    last = [p for p in here if p.run == here[-1].run and p.commit == newest[_origin(p)]]
    return [*chosen, *{p.identity.key: p for p in last if key_of(p) not in keys}.values()]


def _origin(point: Point) -> str | None:
    """The package of a plug-in, or the name of another project's method; None for built-ins."""
    source, method = point.record.method_source, point.record.method
    return None if source is None else source.get("distribution") or method


def _point(record: Record, path: Path, folder: Path) -> Point:
    """The record with its commit.

    It is the name of the folder that the record lies in, if that is a commit, or else that of the
    measured code as recorded, or else the folder's name.
    """
    folders = path.relative_to(folder).parts[:-1]
    code = measured_code(record)
    named = next((name for name in folders if _COMMIT.fullmatch(name)), None)
    place = "/".join(folders) or ABSENT
    commit = named or code.name or place
    is_dirty = code.is_dirty and str(code.name).startswith(commit)
    run = named or record.git_commit or place
    file = path.with_name(ACCEPTED)
    accepted = single_line(file.read_text(errors="replace")) if file.is_file() else ""
    return Point(
        record, str(path), path, commit=commit, is_dirty=is_dirty, run=run, accepted=accepted
    )
