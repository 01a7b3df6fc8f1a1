"""The compiled part of `run_lengths` and `metrics.overlaps`, where a C compiler built it.

`runs.c` becomes a library beside this file when the package is built or installed. It is plain C
behind ctypes, so that one library serves every Python and needs no headers of Python or NumPy.
Without it, and for strings that it does not take, both callers compute the same with NumPy.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

PATTERN = "_runs.*"  # of the library's name
# Characters and pairs of masks per call, whose arrays a core's cache holds.
_MOST_CHARACTERS, _MOST_PAIRS = 1 << 19, 1 << 16
_TEXT, _ARRAY, _NUMBER = ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int64
_ARGUMENTS = {
    "measure": [_TEXT, _ARRAY, _ARRAY, _NUMBER, _ARRAY, _ARRAY],
    "overlaps": [_TEXT, _ARRAY, _ARRAY, _ARRAY, _NUMBER, _ARRAY, _ARRAY, _ARRAY],
    "boundaries": [_TEXT, _ARRAY, _ARRAY, _NUMBER, _ARRAY, _ARRAY, _ARRAY, _ARRAY, _ARRAY],
}


def load(folder: Path) -> ctypes.CDLL | None:
    """The library in a folder; None where there is none for this machine."""
    for path in sorted(folder.glob(PATTERN)):
        try:
            library = ctypes.CDLL(str(path))
            for name, arguments in _ARGUMENTS.items():
                function = getattr(library, name)
                function.argtypes, function.restype = arguments, _NUMBER
        except (OSError, AttributeError):  # of another machine or version
            continue
        return library
    return None


library = load(Path(__file__).parent)


def measure(counts: Sequence[str], pixels_N: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """As `run_lengths.measure`; None without the library, or where a string may be no mask."""
    if library is None:
        return None
    pixels_N = np.ascontiguousarray(pixels_N, np.int64)
    areas_N, has_empty_N = np.empty(len(counts), np.int64), np.empty(len(counts), bool)
    characters_N = np.fromiter(map(len, counts), np.int64, len(counts))
    for start, stop in _chunks(characters_N / _MOST_CHARACTERS):
        text, ends_N = _joined(counts[start:stop], characters_N[start:stop])
        own = (array[start:stop] for array in (pixels_N, areas_N, has_empty_N))
        pixels, areas, has_empty = (array.ctypes.data for array in own)
        count = stop - start
        if text is None or count != library.measure(
            text, ends_N.ctypes.data, pixels, count, areas, has_empty
        ):
            return None
    return areas_N, has_empty_N


def overlaps(
    counts: Sequence[str], sizes_N: np.ndarray, frames_F2: np.ndarray
) -> np.ndarray | None:
    """Pairs of an object's and a track's mask that share pixels, frame by frame, (L, 3).

    Masks of different sizes share none. A pair is the place of the track's mask, that of the
    object's, and the pixels. None without the library, or where a string is no mask.

    Args:
        counts: checked strings: of each frame the masks of objects, then those of tracks.
        sizes_N: height * 2^32 + width of each mask.
        frames_F2: masks of objects and of tracks in each frame.
    """
    if library is None:
        return None
    sizes_N, frames_F2 = (np.ascontiguousarray(a, np.int64) for a in (sizes_N, frames_F2))
    characters_N = np.fromiter(map(len, counts), np.int64, len(counts))
    first_F1 = np.concatenate(([0], np.cumsum(frames_F2.sum(1))))
    characters_F = np.add.reduceat(characters_N, first_F1[:-1]) if len(frames_F2) else first_F1[:0]
    pairs_F = frames_F2.prod(1)
    found = [np.zeros((0, 3), np.int64)]
    for start, stop in _chunks(characters_F / _MOST_CHARACTERS + pairs_F / _MOST_PAIRS):
        own = slice(first_F1[start], first_F1[stop])
        text, ends_N = _joined(counts[own], characters_N[own])
        places = np.empty(characters_F[start:stop].max(), np.uint32)
        firsts = np.empty(frames_F2[start:stop].sum(1).max() + 1, np.int64)
        pairs_L3 = np.empty((pairs_F[start:stop].sum(), 3), np.int64)
        arrays = ends_N, sizes_N[own], frames_F2[start:stop]
        addresses = [array.ctypes.data for array in arrays]
        room = [array.ctypes.data for array in (places, firsts, pairs_L3)]
        num_pairs = -1 if text is None else library.overlaps(text, *addresses, stop - start, *room)
        if num_pairs < 0:
            return None
        found.append(np.add(pairs_L3[:num_pairs], (own.start, own.start, 0)))
    return np.concatenate(found)


def boundaries(
    counts: Sequence[str], masks_F: np.ndarray, height: int, width: int, radius: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Pixels of the boundary of each mask, and those shared with the first mask of its frame.

    None without the library, or where a string is no mask.

    Args:
        counts: checked strings of masks of one size, frame by frame.
        masks_F: masks in each frame, at least 1.
        radius: pixels that the boundary is wide.
    """
    if library is None:
        return None
    masks_F = np.ascontiguousarray(masks_F, np.int64)
    characters_N = np.fromiter(map(len, counts), np.int64, len(counts))
    first_F1 = np.concatenate(([0], np.cumsum(masks_F)))
    characters_F = np.add.reduceat(characters_N, first_F1[:-1])
    areas_N, shared_N = np.empty((2, len(counts)), np.int64)
    size = np.array([height, width, radius], np.int64)
    words = np.empty(3 * width * (-(-height // 64)), np.uint64)
    places = np.empty(characters_N.max(), np.uint32)
    for start, stop in _chunks(characters_F / _MOST_CHARACTERS):
        own = slice(first_F1[start], first_F1[stop])
        text, ends_N = _joined(counts[own], characters_N[own])
        arrays = ends_N, masks_F[start:stop], size, places, words, areas_N[own], shared_N[own]
        ends, masks, *others = (array.ctypes.data for array in arrays)
        if text is None or len(ends_N) != library.boundaries(
            text, ends, masks, stop - start, *others
        ):
            return None
    return areas_N, shared_N


def _chunks(cost_N: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ranges of neighbors whose costs add up to at most 1, or of one alone."""
    ends_N, start = np.cumsum(cost_N), 0
    while start < len(ends_N):
        done = ends_N[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends_N, done + 1, "right")))
        yield start, stop
        start = stop


def _joined(counts: Sequence[str], characters_N: np.ndarray) -> tuple[bytes | None, np.ndarray]:
    """Strings in a row, None where not all are ASCII, and where each ends."""
    joined = "".join(counts)
    return joined.encode() if joined.isascii() else None, np.cumsum(characters_N)
