"""Labels of measured methods: the name, and what of its options and its weights' training tells
it from others in the same table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vis_bench.records.caveats import DIRTY, caveats
from vis_bench.records.cell_name import named_options
from vis_bench.records.schema import Record


def method_labels(records: Sequence[Record]) -> list[str]:
    """Each record's method, with the options in which records of that method differ.

    The backbone has a column of its own.
    """
    return [
        " ".join([record.method, *(f"{k}={v}" for k, v in _telling(record, records))])
        for record in records
    ]


def marked_labels(records: Sequence[Record]) -> list[str]:
    """The same labels, marked where figures say nothing about the published method, or where they
    come from a results file of other code. Uncommitted changes show beside the commit.
    """
    labels = zip(method_labels(records), records, strict=True)
    return [_with_marks(label, record) for label, record in labels]


def _with_marks(label: str, record: Record) -> str:
    marks = [mark for mark in caveats(record) if mark != DIRTY]
    marks += ["other code"] if record.external else []
    return label + (f" ({', '.join(marks)})" if marks else "")


def _telling(record: Record, records: Sequence[Record]) -> list[tuple[str, Any]]:
    """The options given to this record that not all records of its method and backbone share."""
    alike = [
        _options(other)
        for other in records
        if (other.method, other.backbone) == (record.method, record.backbone)
    ]
    return [
        (key, value)
        for key, value in sorted(_options(record).items())
        if any(other.get(key) != value for other in alike)
    ]


def _options(record: Record) -> dict[str, Any]:
    options = named_options(record)
    return options if record.training is None else {**options, "training": record.training}
