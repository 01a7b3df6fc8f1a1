"""Tracks to and from YouTube-VIS results files, and the submission zip.

A results file is a JSON list of objects with `video_id`, `category_id`, `score` and
`segmentations`: one compressed RLE or null per frame.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from vis_bench.rle import RLE


@dataclass(frozen=True)
class Track:
    """One instance over a whole video: one entry of a YouTube-VIS results file.

    `segmentations` holds one RLE at the video's original size per frame, or None where absent.
    """

    video_id: int
    category_id: int
    score: float
    segmentations: Sequence[RLE | None]


def write_results(tracks: Iterable[Track], path: Path) -> None:
    """Writes a results file; `path` holds the old or the new content at every moment."""
    _write_atomically(orjson.dumps([asdict(track) for track in tracks]), Path(path))


def _write_atomically(content: bytes, path: Path) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
