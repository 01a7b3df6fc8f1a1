"""Growth of memory over length: a line or a parabola through measured peaks, and the longest video.

A curve is only extrapolated if it predicts measured lengths that it was not drawn through.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Literal

import numpy as np

from vis_bench.record.schema import MemoryFields, MemoryPoint

CurveKind = Literal["line", "parabola", "flat", "irregular"]
# A curve may miss a measured peak by this part of the growth, or by these bytes, by which equal
# runs differ. Less growth than that, or than this part of the peak, is none.
TOLERANCE, NOISE, LITTLE = 0.03, 2 << 20, 0.01
# Nothing is extrapolated beyond so many times the longest measured length.
FARTHEST = 4


@dataclass(frozen=True)
class Longest:
    """The most frames that fit; `more`: longer ones may fit, too, but it is not known."""

    frames: int
    extrapolated: bool = False
    more: bool = False


@dataclass(frozen=True)
class Growth:
    """Memory over length.

    Args:
        kind: `flat` where no growth shows, `irregular` where neither a line nor a parabola fits;
            neither of these is extrapolated.
        coefficients: bytes of no frame, per frame, and per squared frame, of the curve; empty
            without one.
        error: the largest difference, in bytes, from measured lengths that the curve does not go
            through; None where there are none.
        peaks: measured bytes by number of frames.
        most: the most frames that the method takes; None for any number.
        first: the shortest measured length of the curve.
    """

    kind: CurveKind
    coefficients: tuple[float, ...]
    error: float | None
    peaks: Mapping[int, float]
    most: int | None = None
    first: int = 0

    def bytes_at(self, num_frames: int) -> float:
        """The curve's bytes."""
        return sum(c * num_frames**power for power, c in enumerate(self.coefficients))

    def longest(self, limit: float) -> Longest:
        """The most frames whose memory is at most `limit` bytes; 0 where none fit.

        Without a curve, or below its first length where there are shorter ones, it is the longest
        measured length that fits, as are all shorter ones.
        """
        measured = sorted(self.peaks)
        first = self.peaks.get(self.first, math.inf)  # none in a record that was edited
        if not self.coefficients or (self.first > measured[0] and limit < first):
            fitting = list(takewhile(lambda n: self.peaks[n] <= limit, measured))
            frames = fitting[-1] if fitting else 0
            return Longest(frames, more=frames != self.most)
        end = FARTHEST * measured[-1]
        most = end if self.most is None else min(end, self.most)
        low, high = 0, most + 1  # the first fits, or none does; the last is too long
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.bytes_at(middle) <= limit else (low, middle)
        extrapolated = 0 < low < measured[0] or low > measured[-1]
        return Longest(low, extrapolated, more=low == end and low != self.most)


def needed(points: Sequence[MemoryPoint]) -> dict[int, int]:
    """Bytes by number of frames: the rise above a point's start, on top of the highest start."""
    start = max((point.start_bytes or 0 for point in points), default=0)
    return {p.num_frames: p.peak_bytes - (p.start_bytes or 0) + start for p in points}


def growth_of(record: MemoryFields) -> Growth | None:
    """The growth that a record holds; None without one."""
    if record.memory_growth is None:
        return None
    return Growth(
        record.memory_growth,
        record.memory_coefficients,
        record.memory_error_bytes,
        needed(record.memory_points),
        record.memory_max_frames,
        record.memory_curve_from or 0,
    )


def growth(peaks: Mapping[int, float], most: int | None = None) -> Growth:
    """Fit measured peaks: by the line through the first and the last length, or else by the
    parabola through these and a middle one, or by the line through three or more of the longest
    lengths, since memory is the largest of several stages'; the first that predicts the others.

    The line of two lengths alone is not checked by any other, so that its error is None.

    Args:
        peaks: bytes by number of frames, of two lengths or more.
        most: the most frames that the method takes; None for any number.
    """
    lengths = sorted(peaks)
    highest = max(peaks.values())
    if highest - min(peaks.values()) <= max(NOISE, LITTLE * highest):
        return Growth("flat", (), None, peaks, most)
    middle, last = lengths[len(lengths) // 2], lengths[-1]
    tries: list[tuple[CurveKind, list[int]]] = [("line", [lengths[0], last])]
    if len(lengths) > 3:
        tries.append(("parabola", [lengths[0], middle, last]))
    tries += [("line", [first, last]) for first in lengths[1:-2]]
    for kind, through in tries:
        known = {n: peaks[n] for n in lengths if n >= through[0]}
        curve = Growth(kind, _through({n: peaks[n] for n in through}), None, peaks, most)
        errors = [abs(curve.bytes_at(n) - peak) for n, peak in known.items() if n not in through]
        allowed = max(NOISE, TOLERANCE * (peaks[last] - peaks[through[0]]))
        if max(errors, default=0.0) <= allowed and _rises(curve.coefficients, through[0]):
            return replace(curve, error=max(errors, default=None), first=through[0])
    return Growth("irregular", (), None, peaks, most)


def _through(peaks: Mapping[int, float]) -> tuple[float, ...]:
    """Coefficients of the polynomial through some points, from the constant up."""
    powers = np.vander(np.array([*peaks], float), increasing=True)
    return tuple(map(float, np.linalg.solve(powers, np.array([*peaks.values()], float))))


def _rises(coefficients: Sequence[float], shortest: int) -> bool:
    """True if the curve rises from the shortest measured length on, for ever."""
    _, slope, *bend = coefficients
    if not bend:
        return slope > 0
    return bend[0] > 0 and slope + 2 * bend[0] * shortest >= 0
