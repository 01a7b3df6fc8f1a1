"""Ranks that two rows share where what sets them apart is noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vis_bench.metrics.bootstrap import NUM_RESAMPLES
from vis_bench.metrics.compare import Difference
from vis_bench.records.schema import Record

# The paired difference of AP of two records; None where it cannot be computed.
PairedDifference = Callable[[Record, Record], Difference | None]

SHARED_NOTE = (
    "Rows share a rank where their AP differs from that of the first row of the rank by no more "
    "than noise: the 95 % interval of the difference (paired bootstrap over videos, "
    f"{NUM_RESAMPLES:,} resamples) holds 0. Rows are compared with the first row of the rank above "
    "only, so that neighbors of different ranks can be within noise of each other."
)
ALONE_NOTE = (
    "Ranks go by AP alone, noise or not: the predictions or annotations that tell are not at hand."
)
IMAGES_NOTE = "Ranks go by AP alone, noise or not: AP of single images has no interval here."
ALONE_KEY = "a"
ALONE_FOOTNOTE = (
    "rank by AP alone: the predictions or annotations that tell whether this row differs from the "
    "first row of the rank above are not at hand"
)


@dataclass(frozen=True)
class Rank:
    """A row's rank from 1 up; `by_ap_alone` where it could not be compared with the rank above."""

    number: int
    by_ap_alone: bool = False


def unknown_difference(first: Record, second: Record) -> Difference | None:
    """The paired difference where no predictions are at hand."""
    return None


def shared_ranks(records: Sequence[Record], difference: PairedDifference) -> list[Rank]:
    """The rank of each record.

    A record takes the rank of the one above if its paired difference to the record that opened
    that rank is noise; otherwise it opens a rank of its own, which is its place. So every rank
    holds records that are each within noise of its first, and what two chained steps of noise add
    up to does not count as noise.

    Args:
        records: by falling AP.
    """
    ranks: list[Rank] = []
    opener = 0
    for place, record in enumerate(records):
        found = difference(records[opener], record) if place else None
        is_noise = None if found is None else found.is_noise
        if not is_noise:
            opener = place
        ranks.append(Rank(opener + 1, by_ap_alone=place > 0 and is_noise is None))
    return ranks
