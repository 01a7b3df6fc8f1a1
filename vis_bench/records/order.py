"""An order of records that does not depend on the order in which they were read."""

from __future__ import annotations

from vis_bench.records.schema import Record


def tie_break(record: Record) -> str:
    """A text that differs wherever two records differ; the last key of every sort of records."""
    return repr(sorted(record.model_dump().items()))
