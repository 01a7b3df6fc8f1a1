"""Random draws that are the same on every machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Choice = TypeVar("Choice")


class Draws:
    """Uniform draws from a PCG64 stream of its own.

    Only the generator's integers are used: they are exact, so the same entropy gives the same
    draws on every machine, whatever else has drawn random numbers.
    """

    def __init__(self, entropy: Sequence[int]) -> None:
        seeds = np.random.SeedSequence(list(entropy))
        self.integers = np.random.Generator(np.random.PCG64(seeds)).integers

    def below(self, stop: int) -> int:
        """An integer 0..`stop` - 1."""
        return int(self.integers(0, stop))

    def span(self, start: int, stop: int) -> int:
        """An integer `start`..`stop` - 1."""
        return start + self.below(stop - start)

    def between(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * self.below(1 << 24) / (1 << 24)

    def chance(self, share: float) -> bool:
        """True in `share` of all draws."""
        return self.between(0, 1) < share

    def sign(self) -> int:
        """-1 or 1."""
        return 2 * self.below(2) - 1

    def angle(self) -> float:
        """A direction in radians."""
        return self.between(0, 2 * math.pi)

    def pick(self, items: Sequence[Choice]) -> Choice:
        """One of the items."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[Choice]) -> list[Choice]:
        """All of the items in another order."""
        left = list(items)
        return [left.pop(self.below(len(left))) for _ in range(len(items))]

    def color(self) -> np.ndarray:
        """Any RGB color, uint8 (3,)."""
        return self.integers(0, 256, 3, dtype=np.uint8)

    def noise(self, rows: int, columns: int) -> np.ndarray:
        """Values 0..255, int32 (rows, columns)."""
        return self.integers(0, 256, (rows, columns), dtype=np.int32)
