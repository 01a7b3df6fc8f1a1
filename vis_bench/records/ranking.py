"""Eligibility for rankings: caveats of a record, ablations, and the last key of every order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from vis_bench.records.schema import Record

DIRTY = "uncommitted changes"
RECONSTRUCTION = "reconstruction"

# Options that choose one of a method's published sizes.
_SIZES = ("backbone", "variant")


def caveats(record: Record) -> list[str]:
    """Reasons to keep a record out of a ranking; empty for a plain measurement.

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
    """True if a record may take a rank: published method, trained weights, known source, and all
    videos of its split, none of which the weights were trained on.
    """
    return not caveats(record)


def is_comparable(record: Record) -> bool:
    """True if published values of the same split may stand beside the record's: trained weights,
    and all videos of the split, none of which they were trained on.
    """
    return not any(_of_weights_and_videos(record).values())


def count(number: int, noun: str) -> str:
    """A number and its noun: "1 video", "302 videos"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def split_ablations(records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """Separate published methods from ablations; both in the order given.

    A record belongs to an ablation if it has a `training` label, or if its options go beyond those
    of another record of the same method and backbone that leaves them to the variant. Options
    spelled out with the variant's own values change nothing.
    """
    plain: dict[tuple[str, str | None], list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        if record.training is None and not _changed_options(record):
            plain[record.method, record.backbone].append(record.resolved_options)
    methods, ablations = list[Record](), list[Record]()
    for record in records:
        published = plain[record.method, record.backbone]
        changed = bool(published and _changed_options(record))
        same = bool(record.resolved_options) and record.resolved_options in published
        is_ablation = record.training is not None or (changed and not same)
        (ablations if is_ablation else methods).append(record)
    return methods, ablations


def tie_break(record: Record) -> str:
    """A text that differs wherever two records differ; the last key of every sort of records."""
    return repr(sorted(record.model_dump().items()))


def _of_weights_and_videos(record: Record) -> dict[str, bool]:
    few = "" if record.num_videos is None else f" to {count(record.num_videos, 'video')}"
    return {
        "random weights": record.weights_source == "random",
        "trained on these videos": record.contaminated,
        f"limited{few}": record.limited,
    }


def _changed_options(record: Record) -> dict[str, Any]:
    return {key: value for key, value in record.options.items() if key not in _SIZES}
