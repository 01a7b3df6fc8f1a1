"""An order of records that does not depend on the order in which they were read."""

from __future__ import annotations

import json

from vis_bench.records.record import Record


def tie_break(record: Record) -> str:
    """A text that differs wherever two records differ; the last key of every sort of records."""
    return json.dumps(record, sort_keys=True, default=str)
