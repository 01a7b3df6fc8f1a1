"""Why a record's figures say less than they seem to."""

from __future__ import annotations

from vis_bench.records.schema import Record

DIRTY = "uncommitted changes"
RECONSTRUCTION = "reconstruction"


def caveats(record: Record) -> list[str]:
    """What keeps a record out of a ranking; empty for a plain measurement.

    A record without a commit comes from an installed package, and counts by its version.
    """
    marks = {
        RECONSTRUCTION: record.reconstruction,
        "random weights": record.weights_source == "random",
        DIRTY: bool(record.git_dirty),
        "unknown version": not (record.git_commit or record.vis_bench_version or record.external),
    }
    return [mark for mark, applies in marks.items() if applies]


def is_ranked(record: Record) -> bool:
    """Whether a record may take a rank: published method, trained weights, known source."""
    return not caveats(record)
