"""Ranks that a comparison of all pairs supports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vis_bench.metrics.holm import significant

if TYPE_CHECKING:  # it imports SciPy
    from vis_bench.metrics.compare import Difference


def rank_intervals(
    num_rows: int, differences: Mapping[tuple[int, int], Difference]
) -> Sequence[tuple[int, int]]:
    """Return the best and worst rank of each row, from the tests of all pairs.

    A row's best rank is 1 + the number of rows significantly better, its worst the number of rows
    not significantly worse (Mogstad, Romano, Shaikh, Wilhelm, Review of Economic Studies 91, 2024),
    over all pairs.

    Args:
        differences: second minus first, by the places of both rows.
    """
    better, worse = Counter[int](), Counter[int]()
    for pair in significant({pair: row.p_value for pair, row in differences.items()}):
        first, second = pair if (differences[pair].difference or 0) < 0 else pair[::-1]
        better[second] += 1
        worse[first] += 1
    return [(1 + better[row], num_rows - worse[row]) for row in range(num_rows)]
