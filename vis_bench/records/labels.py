"""Labels of measured methods: the name, and what of its options and its weights' training tells
it from others in the same table.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from vis_bench.records.arithmetic import arithmetic_words
from vis_bench.records.caveats import DIRTY, RECONSTRUCTION, caveats
from vis_bench.records.cell_name import named_options
from vis_bench.records.schema import Record

OTHER_CODE = "other code"
COST_MARKS = (RECONSTRUCTION, OTHER_CODE)


def method_labels(records: Sequence[Record]) -> list[str]:
    """Each record's method, with the options in which records of that method differ, its note, and
    how it computed where that is not float32 without TF32 that is not compiled.

    The backbone has a column of its own.
    """
    return [
        " ".join([record.method, *(f"{k}={v}" for k, v in _telling(record, records))])
        + noted(record)
        + "".join(f", {word}" for word in arithmetic_words(record))
        for record in records
    ]


def marked_labels(records: Sequence[Record]) -> list[str]:
    """The same labels, marked where figures say nothing about the published method, or where they
    come from a results file of other code. Uncommitted changes show beside the commit.
    """
    labels = zip(method_labels(records), records, strict=True)
    return [with_marks(label, record) for label, record in labels]


def cost_labels(records: Sequence[Record]) -> list[str]:
    """The labels for figures of speed and cost, marked only where the method or the code is
    another: random weights cost what trained ones do.
    """
    labels = zip(method_labels(records), records, strict=True)
    return [with_marks(label, record, COST_MARKS) for label, record in labels]


def with_marks(label: str, record: Record, wanted: Collection[str] | None = None) -> str:
    """A label with the record's marks, or with those of them that are wanted."""
    marks = [mark for mark in caveats(record) if mark != DIRTY]
    marks += [OTHER_CODE] if record.external else []
    shown = [mark for mark in marks if wanted is None or mark in wanted]
    return label + (f" ({', '.join(shown)})" if shown else "")


def noted(record: Record) -> str:
    """What a record's note adds to its label; empty without one."""
    return "" if record.note is None else f", {record.note}"


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
