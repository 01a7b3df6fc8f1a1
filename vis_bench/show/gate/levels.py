"""Levels of FPS and latency: from which record on a machine is faster or slower.

Runs inside one process agree better than processes do, so that one record cannot tell a change from
noise. A level is several records, and the spread between them is the noise: as records come, the
two parts of a level that differ most in the mean of the logarithm are compared by Student's t test,
as Hunter does (Fleming et al., ICPE 2023). docs/gate.md has how often that is right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

FEWEST_RECORDS = 3  # on either side of a change
FEWEST_TO_CHECK = 6  # fewer tell less about one more record than the spread inside both
_SIGNIFICANCE = 0.005  # of the largest of the differences in a level
_SIGNIFICANCE_OF_ONE = 0.01  # of one record against a level


def level_starts(values: Sequence[float], least: float) -> list[int]:
    """Places of the records, in their order, at which another level than before begins.

    Args:
        values: above 0.
        least: fraction by which levels differ at least.
    """
    logs_N = np.log(np.asarray(values, float))
    starts, first = list[int](), 0
    for end in range(1, len(logs_N) + 1):
        place = _change(logs_N[first:end], least)
        if place is not None:
            first += place
            starts.append(first)
    return starts


def leaves_level(level: Sequence[float], value: float, least: float) -> bool:
    """True if one more value is unlike those of a level of at least `FEWEST_TO_CHECK`."""
    logs_N = np.log(np.asarray(level, float))
    moved = math.log(value) - float(logs_N.mean())
    error = float(logs_N.std(ddof=1)) * math.sqrt(1 + 1 / len(logs_N))
    return _differs(moved, error, len(logs_N) - 1, least, _SIGNIFICANCE_OF_ONE)


def _change(logs_N: np.ndarray, least: float) -> int | None:
    """The first record after a change in the middle of a level; None without one.

    A largest difference near either end waits for more records: they show where it is.
    """
    num = len(logs_N)
    if num < 2 * FEWEST_RECORDS:
        return None
    before_K = np.arange(1, num)
    after_K = num - before_K
    sums_K = np.cumsum(logs_N)[:-1]
    moved_K = (logs_N.sum() - sums_K) / after_K - sums_K / before_K
    # Squares around the means of both parts: all squares less those between the parts.
    squares_K = ((logs_N - logs_N.mean()) ** 2).sum() - moved_K**2 * before_K * after_K / num
    error_K = np.sqrt(np.maximum(squares_K, 0) / (num - 2) * (1 / before_K + 1 / after_K))
    place = int(np.argmax(abs(moved_K) / (error_K + 1e-12)))
    if min(before_K[place], after_K[place]) < FEWEST_RECORDS:
        return None
    significance = _SIGNIFICANCE / len(before_K)
    moved, error = float(moved_K[place]), float(error_K[place])
    return place + 1 if _differs(moved, error, num - 2, least, significance) else None


def _differs(moved: float, error: float, freedom: int, least: float, significance: float) -> bool:
    """True if a difference of logarithms is large and significant."""
    from scipy.special import stdtr

    if abs(moved) <= math.log1p(least):
        return False
    return error == 0 or 2 * float(stdtr(freedom, -abs(moved) / error)) <= significance
