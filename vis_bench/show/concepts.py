"""Output of `eval --concepts`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vis_bench.record.metrics import CONCEPT_TITLES
from vis_bench.table.model import ABSENT, Column, Page, Table
from vis_bench.table.number_format import interval_notes, points, range_text
from vis_bench.text import count

if TYPE_CHECKING:
    from vis_bench.metrics.concepts import ConceptEvaluation

_BY_RULE = ("cgf1", "cgf1_50", "cgf1_75", "il_mcc", "positive_micro_f1")
_RULES = (
    "Crowds punished: as SAM 3's evaluator, a track on a crowd is a false positive. Forgiven: such "
    "tracks are left out, and pairs with crowds alone."
)


def concepts_page(evaluation: ConceptEvaluation) -> Page:
    """The numbers in points by both rules for crowds, then phrase AP and pHOTA."""
    numbers = evaluation.numbers()
    forgiven = numbers["forgiven"]
    rows = [
        [f"crowds {name}", *_points(row, _BY_RULE)]
        for name, row in (("punished", numbers), ("forgiven", forgiven))
    ]
    others = [key for key in CONCEPT_TITLES if key not in _BY_RULE]
    intervals = [
        f"{title} {range_text(row[f'{key}_low'], row[f'{key}_high'])}"
        for row, key, title in (
            (numbers, "cgf1", CONCEPT_TITLES["cgf1"]),
            (forgiven, "cgf1", f"{CONCEPT_TITLES['cgf1']} (forgiven)"),
            *((numbers, key, CONCEPT_TITLES[key]) for key in ("phrase_ap", "phota")),
        )
        if row[f"{key}_low"] is not None
    ]
    pairs = count(numbers["num_pairs"], "pair")
    remarks = (
        f"{pairs} of a video and a phrase, {numbers['num_positive']} with objects. {_RULES}",
        *([f"Intervals: {', '.join(intervals)}."] if intervals else []),
        *(interval_notes([evaluation.num_videos]) if intervals else []),
    )
    tables = (
        _table("points", _BY_RULE, rows),
        _table("points", others, [["all pairs", *_points(numbers, others)]]),
    )
    return Page("", tables, {}, remarks)


def _points(numbers: Mapping[str, Any], keys: tuple[str, ...] | list[str]) -> list[str]:
    return [ABSENT if numbers[key] is None else points(numbers[key]) for key in keys]


def _table(head: str, keys: tuple[str, ...] | list[str], rows: list[list[str]]) -> Table:
    columns = [Column(head, numeric=False), *(Column(CONCEPT_TITLES[key]) for key in keys)]
    return Table.of(columns, rows)
