"""Labels of measured subjects: the method, and what of its options and its weights' training tells
it from others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vis_bench.records.record import Record
from vis_bench.records.reservations import DIRTY, reservations


def subject_labels(records: Sequence[Record]) -> list[str]:
    """Each record's method, with the options in which records of that method differ.

    The backbone is no such option; it has a column of its own.
    """
    return [
        " ".join([record["method"], *(f"{k}={v}" for k, v in _telling(record, records))])
        for record in records
    ]


def marked_subjects(records: Sequence[Record]) -> list[str]:
    """The same labels, marked where figures say nothing about the published method, or where they
    come from a results file of other code. A dirty tree shows beside the commit.
    """
    labels = zip(subject_labels(records), records, strict=True)
    return [_with_marks(label, record) for label, record in labels]


def _with_marks(label: str, record: Record) -> str:
    marks = [mark for mark in reservations(record) if mark != DIRTY]
    marks += ["other code"] if record.get("external") else []
    return label + (f" ({', '.join(marks)})" if marks else "")


def _telling(record: Record, records: Sequence[Record]) -> list[tuple[str, Any]]:
    """The options given to this record that not all records of its method and backbone share."""
    same = ("method", "backbone")
    alike = [_options(r) for r in records if all(r[key] == record[key] for key in same)]
    return [
        (key, value)
        for key, value in sorted(_options(record).items())
        if any(other.get(key, None) != value for other in alike)
    ]


def _options(record: Record) -> dict[str, Any]:
    options = {key: value for key, value in (record["options"] or {}).items() if key != "backbone"}
    training = record.get("training")
    return options if training is None else {**options, "training": training}
