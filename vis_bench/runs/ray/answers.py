"""What a worker answers."""

from __future__ import annotations

from dataclasses import dataclass

from vis_bench.data.results_file import Track


@dataclass(frozen=True)
class Inferred:
    """A shard's tracks; `seconds` is what inference took, without loading the method."""

    tracks: list[Track]
    seconds: float


@dataclass(frozen=True)
class Refused:
    """Why there are none, with the node's name."""

    why: str


@dataclass(frozen=True)
class Died(Refused):
    """A worker's process ended before it answered."""
