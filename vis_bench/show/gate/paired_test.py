"""Paired test of AP between two measurements of a cell, from the predictions beside both records.

`differences` compares the printed numbers of the same videos; here the videos are a sample, and a
loss is one that other videos would show too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vis_bench.record.metrics import same_ap
from vis_bench.record.store import StoredRecords
from vis_bench.show.gate.baseline import GatedCell
from vis_bench.table.model import Column, Entry, Page, Table
from vis_bench.table.number_format import interval_notes, p_text, points, range_text

if TYPE_CHECKING:  # it imports SciPy, which a gate without a difference does not need
    from vis_bench.metrics.scores import Difference

TestedChange = Literal["worse", "better", "within noise"]
_COLUMNS = (
    Column("Cell", numeric=False), Column("AP before"), Column("AP now"), Column("Difference"),
    Column("95 %"), Column("p"), Column("Verdict", numeric=False),
)  # fmt: skip
_METHOD = "AP on the same videos, in points, with a paired t test by half-samples of the videos."


@dataclass(frozen=True)
class PairedTest:
    """AP of a cell's current record minus that of its baseline, with its interval."""

    cell: str
    num_videos: int
    difference: Difference

    @property
    def outcome(self) -> TestedChange:
        """`worse` or `better` where the interval lies on one side of 0."""
        if self.difference.is_noise:
            return "within noise"
        return "worse" if (self.difference.difference or 0) < 0 else "better"

    def as_json(self) -> dict[str, Any]:
        """Plain types, AP as fractions."""
        moved = self.difference
        return {
            "cell": self.cell,
            "num_videos": self.num_videos,
            "baseline_value": moved.first,
            "current_value": moved.second,
            "difference": moved.difference,
            "low": moved.low,
            "high": moved.high,
            "p_value": moved.p_value,
            "verdict": self.outcome,
        }


@dataclass(frozen=True)
class PairedTests:
    """Tests of the cells whose AP differs, and the others.

    Attributes:
        equal: names of the cells whose AP is the same, in which there is nothing to test.
        without: reasons for which no test was possible, by cell.
        doubts: sentences about predictions of cells whose AP differs.
    """

    tests: tuple[PairedTest, ...] = ()
    equal: tuple[str, ...] = ()
    without: Mapping[str, str] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()

    @property
    def worse(self) -> list[PairedTest]:
        """Tests that found a loss."""
        return [test for test in self.tests if test.outcome == "worse"]

    @property
    def judged(self) -> set[str]:
        """Names of the cells whose AP is the same or was tested."""
        return {*self.equal, *(test.cell for test in self.tests)}

    def table(self, *, fails: bool) -> Page:
        """A row per test.

        Args:
            fails: a loss fails, and is bold.
        """
        rows: list[list[str | Entry]] = [
            [
                test.cell,
                points(test.difference.first),
                points(test.difference.second),
                points(test.difference.difference, signed=True),
                range_text(test.difference.low, test.difference.high, signed=True),
                p_text(test.difference.p_value),
                Entry(test.outcome, "best" if fails and test.outcome == "worse" else None),
            ]
            for test in self.tests
        ]
        notes = interval_notes(test.num_videos for test in self.tests)
        return Page("", (Table.of(_COLUMNS, rows),), {}, (_METHOD, *notes))


def paired_tests(
    pairs: Iterable[tuple[str, GatedCell, GatedCell]],
    annotations: Path | None = None,
    data_root: Path | None = None,
) -> PairedTests:
    """Test the difference in AP of the named pairs, the baseline's cell first.

    Args:
        annotations, data_root: as for `PairedAP`.
    """
    tests, equal, without = list[PairedTest](), list[str](), dict[str, str]()
    doubts: dict[str, None] = {}
    for name, old, new in pairs:
        before, now = old.record, new.record
        if before.ap is None or now.ap is None:
            continue
        if same_ap(before.ap, now.ap) and old.identity.data == new.identity.data:
            equal.append(name)
            continue
        found = _difference(old, new, annotations, data_root, doubts)
        if isinstance(found, str):
            without[name] = found
        else:
            tests.append(PairedTest(name, now.num_videos or 0, found))
    return PairedTests(tuple(tests), tuple(equal), without, tuple(doubts))


def _difference(
    old: GatedCell,
    new: GatedCell,
    annotations: Path | None,
    data_root: Path | None,
    doubts: dict[str, None],
) -> Difference | str:
    """The difference, or the reason why there is none; adds sentences to `doubts`."""
    before, now = old.record, new.record
    if old.identity.data != new.identity.data:
        return "the videos differ"
    if old.path is None or new.path is None:
        return "a baseline file holds no predictions; expected a folder of records"
    from vis_bench.show.paired_ap import PairedAP

    stored = StoredRecords((before, now), (), (old.path, new.path))
    paired = PairedAP(stored, annotations, data_root)
    for cell, path in ((old, old.path), (new, new.path)):
        if paired.matches(cell.record) is None:
            lacks = f"no predictions with their annotations in {path.parent}"
            return next(iter(paired.problems), lacks)
        doubts |= dict.fromkeys(paired.doubts(cell.record))
    difference = paired(before, now)
    if difference is None or difference.low is None:
        return f"the difference has no interval over {now.num_videos} videos"
    return difference
