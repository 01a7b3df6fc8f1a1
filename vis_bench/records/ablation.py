"""Which records belong to an ablation: a method changed, or trained differently, to compare it
with itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from vis_bench.records.schema import Record

# Options that choose one of a method's published sizes.
_SIZES = ("backbone", "variant")


def split_ablations(records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """The methods as they are, and the ablations; both in the order given.

    A record belongs to an ablation if it has a `training` label, or if its options go beyond those
    of another record of the same method and backbone that leaves them to the variant. Options
    spelled out with the variant's own values change nothing.
    """
    unlabeled = [record for record in records if record.training is None]
    plain: dict[tuple[str, str | None], list[dict[str, Any]]] = defaultdict(list)
    for record in unlabeled:
        if not _changed_options(record):
            plain[record.method, record.backbone].append(record.resolved_options)

    def is_ablation(record: Record) -> bool:
        published = plain[record.method, record.backbone]
        changed = bool(published and _changed_options(record))
        same = bool(record.resolved_options) and record.resolved_options in published
        return record.training is not None or (changed and not same)

    ablations = [is_ablation(record) for record in records]
    return (
        [record for record, other in zip(records, ablations, strict=True) if not other],
        [record for record, other in zip(records, ablations, strict=True) if other],
    )


def _changed_options(record: Record) -> dict[str, Any]:
    """The options given beside the method's size."""
    return {key: value for key, value in record.options.items() if key not in _SIZES}
