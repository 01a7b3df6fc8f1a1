"""Labels of measured subjects: the method, and those of its options that tell it from others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vis_bench.record import Record


def subject_labels(records: Sequence[Record]) -> list[str]:
    """Each record's method, with the options in which records of that method differ.

    The backbone is no such option; it has a column of its own.
    """
    return [
        " ".join([record["method"], *(f"{k}={v}" for k, v in _telling(record, records))])
        for record in records
    ]


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
    return {key: value for key, value in (record["options"] or {}).items() if key != "backbone"}
