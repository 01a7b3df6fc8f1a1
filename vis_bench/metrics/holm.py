"""Holm's correction of several tests (Scandinavian Journal of Statistics 6, 1979)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

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
