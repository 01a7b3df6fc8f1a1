"""Run lengths of many compressed COCO masks at once, checked and measured in numpy passes.

COCO writes a mask as lengths of alternating background and foreground runs, in column-major
order. From the fourth length on, the difference to the length two places earlier is stored. Each
number is split into 5-bit groups, lowest first; a group is one character between '0' and 'o'
whose sixth bit says that another group follows, and the last group carries the sign
(cocodataset/cocoapi, `common/maskApi.c`).

That C code trusts its input: a string that does not fill its mask exactly makes it read or write
beyond its buffers or loop without end. Nothing here calls it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

# Characters per numpy pass: the intermediate arrays then stay in a core's cache.
_CHUNK_CHARACTERS = 1 << 18
# Seven groups hold 35 bits, more than the 32 that the C code keeps of any length.
_LONGEST_NUMBER = 7
_NUMBER_LIMIT = 1 << 32


class MalformedRLEError(ValueError):
    """The string at position `index` of those given is no mask; `reason` says why."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index
        self.reason = reason


@dataclass(frozen=True)
class Measured:
    """What `measure` says about N masks.

    `areas_N`: foreground pixels. `has_empty_runs_N`: True where a length other than the first is
    zero, which no COCO encoder writes but every decoder reads.
    """

    areas_N: np.ndarray
    has_empty_runs_N: np.ndarray


def measure(counts: Sequence[str], pixels_N: np.ndarray) -> Measured:
    """Checks N compressed strings and measures their areas.

    Args:
        counts: the strings, `RLE["counts"]`.
        pixels_N: height times width of each mask, each below 2^32.

    Raises:
        MalformedRLEError: for a string that does not decode to lengths of zero and more that add
            up to its number of pixels.
    """
    areas_N = np.zeros(len(counts), np.int64)
    has_empty_runs_N = np.zeros(len(counts), bool)
    for start, stop in _chunks(counts):
        numbers, first_N = _decode_numbers(counts[start:stop], start)
        chunk = _measure_chunk(numbers, first_N, pixels_N[start:stop], start)
        areas_N[start:stop], has_empty_runs_N[start:stop] = chunk
    return Measured(areas_N, has_empty_runs_N)


def run_lengths(counts: str, pixels: int) -> np.ndarray:
    """The alternating background and foreground lengths of one mask, background first.

    Raises:
        MalformedRLEError: as `measure`.
    """
    measure([counts], np.array([pixels]))
    lengths, _ = _decode_numbers([counts], 0)
    lengths[1::2] = np.cumsum(lengths[1::2])
    lengths[2::2] = np.cumsum(lengths[2::2])
    return lengths


def _chunks(counts: Sequence[str]) -> Iterator[tuple[int, int]]:
    ends = np.cumsum([len(text) for text in counts])
    start = 0
    while start < len(counts):
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + _CHUNK_CHARACTERS, "right")))
        yield start, stop
        start = stop


def _decode_numbers(counts: Sequence[str], offset: int) -> tuple[np.ndarray, np.ndarray]:
    """All numbers of the strings in a row, and the place of each string's first (and the end)."""
    groups_L, ends_N = _groups(counts, offset)
    goes_on_L = groups_L >= 32
    _refuse(goes_on_L[ends_N - 1], offset, "its last number is cut off")
    last_R = np.flatnonzero(~goes_on_L)
    first_N = np.searchsorted(last_R, np.concatenate(([0], ends_N)))
    numbers_R = _short_numbers(groups_L, goes_on_L)[last_R].astype(np.int64)
    long = _places_of_long_numbers(goes_on_L, last_R)
    first_group = np.where(long > 0, last_R[long - 1] + 1, 0)
    numbers_R[long], is_bad = _long_numbers(groups_L, first_group, last_R[long])
    if is_bad.any():
        bad = int(np.searchsorted(first_N, long[np.argmax(is_bad)], "right")) - 1
        raise MalformedRLEError(offset + bad, _TOO_LARGE)
    return numbers_R, first_N


def _short_numbers(groups_L: np.ndarray, goes_on_L: np.ndarray) -> np.ndarray:
    """The number of one to three groups that ends at each place.

    Computed at all places, since that is cheaper than picking those where a number ends. What
    stands where none or a longer one ends has no meaning.
    """
    payload_L = (groups_L & 31).astype(np.int16)
    numbers_L = (payload_L ^ 16) - 16
    has_two = goes_on_L[:-1].view(np.int8)
    has_three = (goes_on_L[1:-1] & goes_on_L[:-2]).view(np.int8)
    for back, has_more in ((1, has_two), (2, has_three)):
        numbers_L[back:] *= np.int16(31) * has_more + np.int16(1)
        numbers_L[back:] += payload_L[:-back] * has_more
    return numbers_L


def _places_of_long_numbers(goes_on_L: np.ndarray, last_R: np.ndarray) -> np.ndarray:
    """Which numbers have four groups and more."""
    three_go_on = goes_on_L[2:-1] & goes_on_L[1:-2] & goes_on_L[:-3]
    ends_of_long = np.flatnonzero(three_go_on & ~goes_on_L[3:]) + 3
    return np.searchsorted(last_R, ends_of_long)


def _long_numbers(
    groups_L: np.ndarray, first_n: np.ndarray, last_n: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers from group `first_n` to group `last_n`, and which of them the C code misreads.

    It keeps 32 bits, and its sign extension overflows in the seventh group.
    """
    width_n = last_n - first_n + 1
    numbers_n = (groups_L[last_n] ^ 16).astype(np.int64) - 16
    is_bad_n = (width_n > _LONGEST_NUMBER) | (width_n == _LONGEST_NUMBER) & (numbers_n < 0)
    for back in range(1, min(int(width_n.max(initial=1)), _LONGEST_NUMBER)):
        some = np.flatnonzero(width_n > back)
        numbers_n[some] = numbers_n[some] * 32 + (groups_L[last_n[some] - back] & 31)
    return numbers_n, is_bad_n | (np.abs(numbers_n) >= _NUMBER_LIMIT)


def _groups(counts: Sequence[str], offset: int) -> tuple[np.ndarray, np.ndarray]:
    """The 6-bit groups of all characters, and where each string ends."""
    joined = "".join(counts)
    if not joined.isascii():
        bad = next(i for i, text in enumerate(counts) if not text.isascii())
        raise MalformedRLEError(offset + bad, "a character lies outside '0' to 'o'")
    lengths_N = np.fromiter(map(len, counts), np.int64, len(counts))
    if not lengths_N.all():
        raise MalformedRLEError(offset + int(np.argmin(lengths_N)), "it is empty")
    ends_N = np.cumsum(lengths_N)
    groups = np.frombuffer(joined.encode("ascii"), np.uint8) - np.uint8(48)
    if groups.max() > 63:
        bad = int(np.searchsorted(ends_N, np.argmax(groups > 63), "right"))
        raise MalformedRLEError(offset + bad, "a character lies outside '0' to 'o'")
    return groups, ends_N


def _measure_chunk(
    numbers_R: np.ndarray, first_N: np.ndarray, pixels_N: np.ndarray, offset: int
) -> tuple[np.ndarray, np.ndarray]:
    """Areas and the presence of empty runs, from the numbers as stored.

    Lengths 1, 3, 5, ... (foreground) and 2, 4, 6, ... (background) are running sums. Both sums run
    over the whole chunk, once over its even and once over its odd places, and each mask's part is
    taken relative to where the sum stood before it.
    """
    start_N, runs_N = first_N[:-1], np.diff(first_N)
    total_N = numbers_R[start_N].copy()
    _refuse(total_N < 0, offset, _NEGATIVE)
    areas_N = np.zeros_like(total_N)
    has_empty_runs_N = np.zeros(len(total_N), bool)
    for parity in (0, 1):
        foreground_N = start_N % 2 != parity
        place_N = (start_N + np.where(foreground_N, 1, 2)) >> 1
        length_N = np.where(foreground_N, runs_N, runs_N - 1) >> 1
        sum_N, min_N, max_N = _segments(numbers_R[parity::2], place_N, length_N)
        _refuse(min_N < 0, offset, _NEGATIVE)
        _refuse(max_N > pixels_N, offset, _TOO_LARGE)
        total_N += sum_N
        areas_N[foreground_N] = sum_N[foreground_N]
        has_empty_runs_N |= (min_N == 0) & (length_N > 0)
    for index in np.flatnonzero(total_N != pixels_N)[:1]:
        reason = f"its runs add up to {total_N[index]} pixels instead of {pixels_N[index]}"
        raise MalformedRLEError(offset + int(index), reason)
    return areas_N, has_empty_runs_N


_NEGATIVE = "a run has a negative length"
_TOO_LARGE = "a run is longer than the mask"


def _refuse(bad_N: np.ndarray, offset: int, reason: str) -> None:
    if bad_N.any():
        raise MalformedRLEError(offset + int(np.argmax(bad_N)), reason)


def _segments(
    differences: np.ndarray, place_N: np.ndarray, length_N: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum, minimum and maximum of N running sums over parts of `differences`; 0 for empty parts."""
    running = np.zeros(len(differences) + 2, np.int64)
    np.cumsum(np.ascontiguousarray(differences), out=running[1:-1])
    before_N = running[np.minimum(place_N, len(running) - 1)]
    borders = np.minimum(np.stack([place_N, place_N + length_N], 1) + 1, len(running) - 1).ravel()
    present_N = length_N > 0
    sum_N = np.add.reduceat(running, borders)[::2] - length_N * before_N
    min_N = np.minimum.reduceat(running, borders)[::2] - before_N
    max_N = np.maximum.reduceat(running, borders)[::2] - before_N
    return sum_N * present_N, min_N * present_N, max_N * present_N
