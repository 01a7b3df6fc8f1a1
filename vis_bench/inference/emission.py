"""Which (track, class) pairs a video's results hold, decided while its tracks end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from vis_bench.method import TrackingRule


class Pair(NamedTuple):
    """A track under one of the classes: `column` of its class probabilities."""

    track: int
    column: int
    score: float


class Emission:
    """The pairs of tracks that have ended, as far as the rule may still let them through.

    A pair that is not among the `top_k` best of the tracks that have ended is not among the best
    of all, so what only such pairs need can be dropped before the video ends.
    """

    def __init__(self, rule: TrackingRule) -> None:
        self._rule = rule
        self._pairs: list[Pair] = []

    def add(self, tracks: Sequence[int], probs_MK: Tensor) -> set[int]:
        """Takes in M tracks, whose class probabilities will not change any more.

        Returns:
            The tracks, of these and of earlier ones, that now have no pair left.
        """
        above_MK = probs_MK > self._rule.min_score
        scores = probs_MK[above_MK].tolist()
        new = [
            Pair(tracks[row], column, score)
            for (row, column), score in zip(above_MK.nonzero().tolist(), scores, strict=True)
        ]
        if self._rule.top_k is None:
            self._pairs += new
            return {*tracks} - {pair.track for pair in new}
        before = {*tracks, *(pair.track for pair in self._pairs)}
        self._pairs = sorted([*self._pairs, *new], key=_best_first)[: self._rule.top_k]
        return before - {pair.track for pair in self._pairs}

    def best_first(self) -> list[Pair]:
        """All pairs that the rule lets through; of equal scores the earlier track's is first."""
        return sorted(self._pairs, key=_best_first)


def _best_first(pair: Pair) -> tuple[float, int, int]:
    return -pair.score, pair.track, pair.column
