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
        **_of_weights_and_videos(record),
        DIRTY: bool(record.git_dirty),
        "unknown version": not (record.git_commit or record.vis_bench_version or record.external),
    }
    return [mark for mark, applies in marks.items() if applies]


def is_ranked(record: Record) -> bool:
    """Whether a record may take a rank: published method, trained weights, known source, and all
    videos of its split, none of which the weights were trained on.
    """
    return not caveats(record)


def is_comparable(record: Record) -> bool:
    """Whether figures of the same split by others may stand beside the record's: trained weights,
    and all videos of the split, none of which they were trained on.
    """
    return not any(_of_weights_and_videos(record).values())


def count(number: int, noun: str) -> str:
    """A number and what it counts: "1 video", "302 videos"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _of_weights_and_videos(record: Record) -> dict[str, bool]:
    few = "" if record.num_videos is None else f" to {count(record.num_videos, 'video')}"
    return {
        "random weights": record.weights_source == "random",
        "trained on these videos": record.contaminated,
        f"limited{few}": record.limited,
    }
