"""Holm's correction of several tests (Scandinavian Journal of Statistics 6, 1979), and the ranks
that a comparison of all pairs supports.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:  # it imports SciPy
    from vis_bench.metrics.compare import Difference

SIZE = 0.05

Test = TypeVar("Test")


def adjusted(p_values: Mapping[Test, float | None]) -> dict[Test, float | None]:
    """Adjusted p-values: those up to 0.05 reject, with 5 % for any false one among all tests.

    A test without a p-value cannot reject and counts among the tests.
    """
    known = sorted(
        ((test, p) for test, p in p_values.items() if p is not None), key=lambda item: item[1]
    )
    found: dict[Test, float | None] = dict.fromkeys(p_values)
    largest = 0.0
    for place, (test, p) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(p_values) - place)))
        found[test] = largest
    return found


def significant(p_values: Mapping[Test, float | None]) -> list[Test]:
    """Tests that reject at 5 % over all of them, the smallest p-value first."""
    rejected = [(p, test) for test, p in adjusted(p_values).items() if p is not None and p <= SIZE]
    return [test for _, test in sorted(rejected, key=lambda item: (item[0], p_values[item[1]]))]


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
