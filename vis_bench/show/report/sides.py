"""The analysed sides of a report: one record, or two that are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from vis_bench.data.video import Video, named_apart
from vis_bench.metrics.analyse import Analysis
from vis_bench.metrics.compare import Comparison, Difference, compare, error_differences

# The two sides of a comparison.
LETTERS = ("A", "B")


@dataclass(frozen=True)
class Sides:
    """Samples of one side, or of A and B."""

    samples: Sequence[Analysis]

    @property
    def is_pair(self) -> bool:
        return len(self.samples) == 2

    @property
    def letters(self) -> Sequence[str]:
        """Letters that tell two sides apart; of one an empty text."""
        return LETTERS if self.is_pair else ("",)

    @cached_property
    def videos(self) -> Sequence[Video]:
        return named_apart(self.samples[0].truth.videos)

    @property
    def num_videos(self) -> int:
        return self.samples[0].num_videos

    @cached_property
    def compared(self) -> Comparison | None:
        """Differences of two sides, and their tests."""
        return compare(*self.samples) if self.is_pair else None

    @cached_property
    def lost(self) -> dict[str, Difference]:
        """Differences of the AP that is lost to each kind of error; empty of one side."""
        if not self.is_pair:
            return {}
        first, second = self.samples
        return error_differences(first.errors, second.errors, self.num_videos)
