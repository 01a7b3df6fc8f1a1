"""Why a record's figures say less than they seem to."""

from __future__ import annotations

from vis_bench.records.record import Record

DIRTY = "dirty tree"


def reservations(record: Record) -> list[str]:
    """What keeps a record out of a ranking; empty for a plain measurement."""
    marks = {
        "reconstruction": record["reconstruction"],
        "random weights": record["weights_source"] == "random",
        DIRTY: record["git_dirty"],
    }
    return [mark for mark, applies in marks.items() if applies]
