"""Tables of groups of categories or videos: of one results file, and of two compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vis_bench.metrics.groups import GroupNumbers
from vis_bench.record.metrics import ACCURACY_TITLES
from vis_bench.table.model import Column, Entry, Page, Table
from vis_bench.table.number_format import interval_notes, points_entry

if TYPE_CHECKING:  # it imports SciPy, which takes longer than evaluating a small file
    from vis_bench.metrics.compare import Difference

SHOWN = ("ap", "ap50", "ap75", "ar100")
TESTED_REMARK = "p: two-sided t test of no difference, Holm's correction over the groups."


def groups_page(groups: Mapping[str, GroupNumbers]) -> Page:
    """A row per group: AP, AP50, AP75 and AR100 with 95 % intervals, in points."""
    columns = [Column("group", numeric=False), Column("of", numeric=False)]
    columns += [Column(ACCURACY_TITLES[key], has_interval=True, interval_title="") for key in SHOWN]
    rows = []
    for name, own in groups.items():
        numbers = own.numbers()
        cells = [points_entry(numbers[key], own.interval(key)) for key in SHOWN]
        rows.append([Entry(name), Entry(own.size), *cells])
    holding = [own.num_holding for own in groups.values() if own.interval("ap")]
    remarks = (*interval_notes(holding), *empty_remarks(groups))
    return Page("", (Table.of(columns, rows),), {}, remarks)


def empty_remarks(groups: Mapping[str, GroupNumbers]) -> list[str]:
    """A sentence for each group without numbers."""
    return [f"Group {name}: {own.reason}." for name, own in groups.items() if own.reason]


def compared_rows(by_group: Mapping[str, Mapping[str, Difference]]) -> dict[str, Difference]:
    """Differences by group and metric, by the titles of their rows."""
    return {
        f"{name}, {ACCURACY_TITLES[key]}": row[key]
        for name, row in by_group.items()
        for key in SHOWN
        if row[key].first is not None
    }
