"""Ranks that a comparison of all pairs supports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from vis_bench.metrics.compare import Difference

SIZE = 0.05


def rank_intervals(
    num_rows: int, differences: Mapping[tuple[int, int], Difference]
) -> Sequence[tuple[int, int]]:
    """Return the best and worst rank of each row, from the tests of all pairs.

    A row's best rank is 1 + the number of rows significantly better, its worst the number of rows
    not significantly worse (Mogstad, Romano, Shaikh, Wilhelm, Review of Economic Studies 91, 2024),
    with Holm's correction (Scandinavian Journal of Statistics 6, 1979) at 5 % over all pairs.

    Args:
        differences: second minus first, by the places of both rows.
    """
    tests = sorted(
        (row.p_value, pair) for pair, row in differences.items() if row.p_value is not None
    )
    better, worse = Counter[int](), Counter[int]()
    for place, (p_value, pair) in enumerate(tests):
        if p_value > SIZE / (len(differences) - place):
            break
        first, second = pair if (differences[pair].difference or 0) < 0 else pair[::-1]
        better[second] += 1
        worse[first] += 1
    return [(1 + better[row], num_rows - worse[row]) for row in range(num_rows)]
