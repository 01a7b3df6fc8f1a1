"""Matches in a file: all that intervals of AP need, in a fiftieth of the space of masks."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from vis_bench.data.video import video_without_frames
from vis_bench.errors import InputError
from vis_bench.files import read_bytes, write_atomically
from vis_bench.metrics.matching import CategoryMatches, Matches


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


def read_matches(path: Path) -> Matches:
    """Read what `write_matches` wrote.

    Raises:
        InputError: for any other file.
    """
    data = read_bytes(path)
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            return _matches_of(dict(stored))
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        EOFError,
        OSError,
        zlib.error,
        zipfile.BadZipFile,
        NotImplementedError,
    ) as error:
        raise InputError(
            f"{path} holds no matches ({error}); expected a file that `results/refresh.py` wrote"
        ) from None


def _matches_of(stored: dict[str, np.ndarray]) -> Matches:
    names, ends = stored["category_names"].tolist(), np.cumsum(stored["sizes_K"]).tolist()
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
