"""Run lengths of many compressed COCO masks at once, checked and measured in numpy passes.

COCO writes a mask as lengths of alternating background and foreground runs, in column-major
order. From the fourth length on, the difference to the length two places earlier is stored. Each
number is split into 5-bit groups, lowest first; a group is one character between '0' and 'o'
whose sixth bit is set if another group follows, and the last group carries the sign
(cocodataset/cocoapi, `common/maskApi.c`).

That C code trusts its input: a string that does not fill its mask exactly makes it read or write
beyond its buffers, or loop forever. Nothing here calls it. Where `compiled` finds its library, that
takes well-formed strings, and what is here names what is wrong with others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from vis_bench.masks import compiled

# Characters per numpy pass: the intermediate arrays then stay in a core's cache, and below the size
# that the C library asks the system for, page by page, every time.
_CHUNK_CHARACTERS = 1 << 17
# Seven groups hold 35 bits, more than the 32 that the C code keeps of any length.
_LONGEST_NUMBER = 7
_SHORT_NUMBER = 3  # groups, whose 15 bits are counted at once
_NUMBER_LIMIT = 1 << 32


class MalformedRLEError(ValueError):
    """The string at position `index` of those given is not a mask, for `reason`."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index
        self.reason = reason


def measure(counts: Sequence[str], pixels_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Check N compressed strings and measure their areas.

    Args:
        counts: the strings, `RLE["counts"]`.
        pixels_N: height times width of each mask, each below 2^32.

    Returns:
        Foreground pixels, (N,); and which masks have an empty run other than the first, bool (N,),
        as no COCO encoder writes but every decoder reads.

    Raises:
        MalformedRLEError: for a string that does not decode to lengths of zero and more, no more
            than one more of them than pixels, that add up to the number of pixels.
    """
    if not counts:
        return np.zeros(0, np.int64), np.zeros(0, bool)
    measured = compiled.measure(counts, pixels_N)
    if measured is not None:
        return measured
    characters_N = np.fromiter(map(len, counts), np.int64, len(counts))
    _refuse(characters_N > _LONGEST_NUMBER * (pixels_N + 1), 0, _TOO_MANY)
    parts = [
        _measure_chains(*_decode_numbers(counts[start:stop], start))
        for start, stop in _chunks(characters_N)
    ]
    return _checked(_Chains(*(np.concatenate(c, -1) for c in zip(*parts, strict=True))), pixels_N)


def run_lengths(counts: str, pixels: int) -> np.ndarray:
    """The alternating background and foreground lengths of one mask, background first.

    Raises:
        MalformedRLEError: as `measure`.
    """
    measure([counts], np.array([pixels]))
    lengths = _decode_numbers([counts], 0)[0].astype(np.int64)
    lengths[1::2] = np.cumsum(lengths[1::2])
    lengths[2::2] = np.cumsum(lengths[2::2])
    return lengths


def foreground_runs(counts: Sequence[str], pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Foreground runs of N checked strings of masks of one size: first pixels, and those behind.

    Pixels are counted through all masks; those of mask n begin at `n * pixels`. Empty runs are left
    out.
    """
    numbers_R, first_N1 = _decode_numbers(counts, 0)
    start_N, runs_N = first_N1[:-1], np.diff(first_N1)
    running_R = np.empty_like(numbers_R, np.int64)
    for parity in (0, 1):
        np.cumsum(numbers_R[parity::2], out=running_R[parity::2])
    is_foreground_R = (np.arange(len(numbers_R)) - np.repeat(start_N, runs_N)) % 2 == 1
    before_N = np.where(start_N > 0, running_R[start_N - 1], 0)
    lengths_R = running_R - np.where(
        is_foreground_R, np.repeat(before_N, runs_N), np.repeat(running_R[start_N], runs_N)
    )
    lengths_R[start_N] = numbers_R[start_N]
    border_R = np.cumsum(lengths_R)
    filled = np.flatnonzero(is_foreground_R & (lengths_R > 0))
    return border_R[filled - 1], border_R[filled]


def _chunks(characters_N: np.ndarray) -> Iterator[tuple[int, int]]:
    ends_N = np.cumsum(characters_N)
    start = 0
    while start < len(ends_N):
        done = ends_N[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends_N, done + _CHUNK_CHARACTERS, "right")))
        yield start, stop
        start = stop


def _decode_numbers(counts: Sequence[str], offset: int) -> tuple[np.ndarray, np.ndarray]:
    """All numbers of the strings in a row, and the place of each string's first (and the end).

    In 32 bits unless one needs more: sums of their even and odd places are then twice as fast.
    """
    groups_L, ends_N = _groups(counts, offset)
    goes_on_L = groups_L >= 32
    _refuse(goes_on_L[ends_N - 1], offset, "its last number is cut off")
    last_R = np.flatnonzero(~goes_on_L)
    first_N = np.searchsorted(last_R, np.concatenate(([0], ends_N)))
    width_R = np.diff(last_R, prepend=-1)
    long = np.flatnonzero(width_R > _SHORT_NUMBER)
    width = width_R[long]
    kind = np.int32 if width.max(initial=0) < _LONGEST_NUMBER else np.int64
    numbers_R = _short_numbers(groups_L).take(last_R).astype(kind)
    numbers_R[long], is_bad = _long_numbers(numbers_R[long], groups_L, last_R[long], width)
    if is_bad.any():
        bad = int(np.searchsorted(first_N, long[np.argmax(is_bad)], "right")) - 1
        raise MalformedRLEError(offset + bad, _TOO_LARGE)
    return numbers_R, first_N


def _short_numbers(groups_L: np.ndarray) -> np.ndarray:
    """The number of one to three groups that ends at each place, int16.

    Computed at all places, since that is cheaper than picking those where a number ends. Where none
    ends the value means nothing; where a longer one ends it is that number's upper three groups.
    Bytes take half as long as int16, as long as the kinds do not mix.
    """
    goes_on_L, payload_L = groups_L >> 5, groups_L & 31
    numbers_L = (payload_L ^ 16).astype(np.int16)
    numbers_L -= 16  # the sign
    both_go_on = goes_on_L[1:-1] * goes_on_L[:-2]
    for back, has_more in ((1, goes_on_L[:-1]), (2, both_go_on)):
        numbers_L[back:] *= (has_more * 31 + 1).astype(np.int16)
        numbers_L[back:] += (payload_L[:-back] * has_more).astype(np.int16)
    return numbers_L


def _long_numbers(
    numbers_n: np.ndarray, groups_L: np.ndarray, last_n: np.ndarray, width_n: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Complete numbers whose upper three groups are read, and say which the C code misreads.

    It keeps 32 bits, and its sign extension overflows in the seventh group.
    """
    is_bad_n = (width_n > _LONGEST_NUMBER) | (width_n == _LONGEST_NUMBER) & (numbers_n < 0)
    for back in range(_SHORT_NUMBER, min(int(width_n.max(initial=0)), _LONGEST_NUMBER)):
        more = np.flatnonzero(width_n > back)
        numbers_n[more] = numbers_n[more] * 32 + (groups_L[last_n[more] - back] & 31)
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


class _Chains(NamedTuple):
    """Sums over the run lengths of N masks.

    Lengths 1, 3, 5, ... (foreground) and 2, 4, 6, ... (background) of a mask are two running sums;
    they are the chains. `first_N` is length 0. The others are, for both chains, the number of
    lengths, their sum, and the smallest and the largest (without meaning where there is none).
    Row 0 is the foreground where `foreground_first_N`, else the background.
    """

    first_N: np.ndarray
    foreground_first_N: np.ndarray
    num_2N: np.ndarray
    sum_2N: np.ndarray
    min_2N: np.ndarray
    max_2N: np.ndarray


def _measure_chains(numbers_R: np.ndarray, first_N: np.ndarray) -> _Chains:
    """Measure the masks of one chunk from their numbers as stored.

    One sum runs over the even places of the whole chunk, one over the odd ones; each chain is a
    part of one of them, taken relative to where the sum stood before it.
    """
    start_N, runs_N = first_N[:-1], np.diff(first_N)
    is_odd_N = start_N & 1
    num_even = (len(numbers_R) + 1) >> 1
    running = np.zeros(len(numbers_R) + 3, np.int64)
    np.cumsum(numbers_R[0::2], out=running[1 : 1 + num_even])
    np.cumsum(numbers_R[1::2], out=running[2 + num_even : -1])
    begin_2N = np.array([start_N + 4 - is_odd_N, start_N + 5 + is_odd_N + 2 * num_even]) >> 1
    num_2N = np.array([runs_N - 1 + is_odd_N, runs_N - is_odd_N]) >> 1
    borders = np.array([begin_2N, begin_2N + num_2N]).transpose(1, 2, 0).ravel()
    before_2N = running[begin_2N - 1]
    sum_2N, min_2N, max_2N = (
        reduce.reduceat(running, borders)[::2].reshape(2, -1)
        for reduce in (np.add, np.minimum, np.maximum)
    )
    return _Chains(
        numbers_R[start_N],
        is_odd_N == 1,
        num_2N,
        sum_2N - num_2N * before_2N,
        min_2N - before_2N,
        max_2N - before_2N,
    )


def _checked(chains: _Chains, pixels_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Refuse what no mask can have.

    Sums wrap around at 64 bits, but are right wherever no length is negative or too large.
    """
    present_2N = chains.num_2N > 0
    negative_2N = present_2N & (chains.min_2N < 0)
    too_large_2N = present_2N & (chains.max_2N > pixels_N)
    _refuse(negative_2N.any(0) | (chains.first_N < 0), 0, "a run has a negative length")
    _refuse(too_large_2N.any(0) | (chains.first_N > pixels_N), 0, _TOO_LARGE)
    _refuse(chains.num_2N.sum(0) > pixels_N, 0, _TOO_MANY)
    sum_2N = np.where(present_2N, chains.sum_2N, 0)
    total_N = chains.first_N + sum_2N.sum(0)
    for index in np.flatnonzero(total_N != pixels_N)[:1].tolist():
        reason = f"its runs add up to {total_N[index]} pixels instead of {pixels_N[index]}"
        raise MalformedRLEError(index, reason)
    areas_N = np.where(chains.foreground_first_N, sum_2N[0], sum_2N[1])
    return areas_N, (present_2N & (chains.min_2N == 0)).any(0)


_TOO_LARGE = "a run is longer than the mask"
_TOO_MANY = "it has more runs than pixels"


def _refuse(bad_N: np.ndarray, offset: int, reason: str) -> None:
    if bad_N.any():
        raise MalformedRLEError(offset + int(np.argmax(bad_N)), reason)
