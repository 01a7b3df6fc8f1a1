"""Matches in a file: all that intervals of AP need, in a fiftieth of the space of masks."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from vis_bench.data.video import video_without_frames
from vis_bench.errors import InputError
from vis_bench.files import write_atomically
from vis_bench.metrics.matching import (
    AREA_NAMES,
    IOU_THRESHOLDS,
    LEVELS,
    CategoryMatches,
    Matches,
)


def write_matches(matches: Matches, path: Path) -> None:
    """Write matches as compressed arrays; equal matches give equal bytes."""
    videos, categories = matches.videos, matches.categories
    out = io.BytesIO()
    arrays: dict[str, Any] = {
        "levels": np.array(matches.levels, str),
        "part_names": np.array(list(matches.parts), str),
        "inside_PV": np.array(list(matches.parts.values()), bool),
        "video_names": np.array([video.name for video in videos], str),
        "videos_V4": np.array([(v.id, v.height, v.width, v.length) for v in videos]),
        "category_names": np.array([category.name for category in categories], str),
        "category_ids_K": np.array([category.id for category in categories]),
        "num_objects_KVA": np.array([category.num_objects_VA for category in categories]),
        "sizes_K": np.array([len(category.video_n) for category in categories]),
        "video_N": np.concatenate([category.video_n for category in categories]),
        "rank_N": np.concatenate([category.rank_n for category in categories]),
        "score_N": np.concatenate([category.score_n for category in categories]),
        "hits_ATN": np.packbits(np.concatenate([c.hits_ATn for c in categories], 2), 2),
        "misses_ATN": np.packbits(np.concatenate([c.misses_ATn for c in categories], 2), 2),
    }
    np.savez_compressed(out, **arrays)
    write_atomically(path, out.getvalue())


# Arrays of a file: kinds of their values, and dimensions.
_ARRAYS = {
    "levels": ("U", 1), "part_names": ("U", 1), "inside_PV": ("b", 2), "video_names": ("U", 1),
    "videos_V4": ("i", 2), "category_names": ("U", 1), "category_ids_K": ("i", 1),
    "num_objects_KVA": ("iu", 3), "sizes_K": ("i", 1), "video_N": ("i", 1), "rank_N": ("i", 1),
    "score_N": ("f", 1), "hits_ATN": ("u", 3), "misses_ATN": ("u", 3),
}  # fmt: skip
# Bytes of all arrays; hits take eight times theirs in memory.
_LIMIT = 1 << 27


def read_matches(path: Path) -> Matches:
    """Read what `write_matches` wrote, and no other array that a file may hold.

    Raises:
        InputError: for any other file.
    """
    try:
        if path.stat().st_size > _LIMIT:
            raise ValueError(f"it has more than {_LIMIT >> 20} MiB")
        with zipfile.ZipFile(path) as archive:
            entries = {name: archive.getinfo(f"{name}.npy") for name in _ARRAYS}
            if sum(entry.file_size for entry in entries.values()) > _LIMIT:
                raise ValueError(f"it unpacks to more than {_LIMIT >> 20} MiB")
            return _matches_of({name: _read(archive, of, name) for name, of in entries.items()})
    except (
        MemoryError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        EOFError,
        OSError,
        zlib.error,
        zipfile.BadZipFile,
        RuntimeError,  # also of an encrypted entry
        TokenError,
    ) as error:
        raise InputError(
            f"{path} holds no matches ({error}); expected a file that `results/refresh.py` wrote"
        ) from None


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> np.ndarray:
    """An array of the kind and size that are expected, before its values are read."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is compressed by another method")
    with archive.open(entry) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{name} has another version")
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file)
        kinds, ndim = _ARRAYS[name]
        size = math.prod(shape) * dtype.itemsize
        is_known = not size or (dtype.kind in kinds and len(shape) == ndim and min(shape) > 0)
        if not is_known or size != entry.file_size - file.tell():
            raise ValueError(f"{name} has {dtype} values of shape {shape}")
        values = np.frombuffer(
            bytearray(file.read(size + 1)), dtype
        )  # to the end, with its checksum
    return values.reshape(shape, order="F" if by_columns else "C")


def _check_values(stored: dict[str, np.ndarray]) -> None:
    """Refuse numbers that point to no video, and counts that cannot be."""
    num_videos, inside_PV = len(stored["videos_V4"]), stored["inside_PV"]
    numbers = stored["video_N"], stored["rank_N"], stored["sizes_K"], stored["num_objects_KVA"]
    right = (
        all((own >= 0).all() for own in numbers)
        and (stored["video_N"] < num_videos).all()
        and stored["num_objects_KVA"].shape[:2] == (len(stored["sizes_K"]), num_videos)
        and inside_PV.shape[1:] in ((), (num_videos,))
        and {len(stored[key]) for key in ("rank_N", "score_N")} == {len(stored["video_N"])}
        and stored["sizes_K"].sum() == len(stored["video_N"])
        and np.isfinite(stored["score_N"]).all()
    )
    if not right:
        raise ValueError("its numbers do not fit each other")


def _matches_of(stored: dict[str, np.ndarray]) -> Matches:
    names, ends = stored["category_names"].tolist(), np.cumsum(stored["sizes_K"]).tolist()
    num_bytes, num_ranges = -(-len(stored["video_N"]) // 8), stored["num_objects_KVA"].shape[2]
    expected = len(AREA_NAMES) + len(stored["levels"]), len(IOU_THRESHOLDS), num_bytes
    if any(stored[key].shape != expected for key in ("hits_ATN", "misses_ATN")) or not (
        {*stored["levels"].tolist()} <= {*LEVELS} and num_ranges == expected[0]
    ):
        raise ValueError("its arrays do not fit each other")
    _check_values(stored)
    hits_ATN, misses_ATN = (
        np.unpackbits(stored[key], 2, count=len(stored["video_N"])).astype(bool)
        for key in ("hits_ATN", "misses_ATN")
    )
    categories = []
    for k, (key, name, stop) in enumerate(
        zip(stored["category_ids_K"].tolist(), names, ends, strict=True)
    ):
        own = slice(stop - int(stored["sizes_K"][k]), stop)
        categories.append(
            CategoryMatches(
                key,
                name,
                stored["video_N"][own],
                stored["rank_N"][own],
                stored["score_N"][own],
                np.ascontiguousarray(hits_ATN[:, :, own]),
                np.ascontiguousarray(misses_ATN[:, :, own]),
                stored["num_objects_KVA"][k],
            )
        )
    videos = [
        video_without_frames(number, name, height, width, length)
        for name, (number, height, width, length) in zip(
            stored["video_names"].tolist(), stored["videos_V4"].tolist(), strict=True
        )
    ]
    parts = dict(zip(stored["part_names"].tolist(), stored["inside_PV"].astype(int), strict=True))
    return Matches(videos, categories, tuple(stored["levels"].tolist()), parts)
