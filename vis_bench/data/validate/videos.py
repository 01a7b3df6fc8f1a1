"""Checks the entries of `videos`, and opens their frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vis_bench.data.frames import frame_paths, is_file, open_image
from vis_bench.data.validate.problem import Problem, in_frames
from vis_bench.errors import InputError
from vis_bench.files import shown
from vis_bench.masks.rle import check_size
from vis_bench.progress import Advance

THREADS = 4  # Pillow decodes outside Python's lock
REDUCED = 8  # JPEG decodes to an eighth of its size, which still reads every byte


@dataclass(frozen=True)
class VideoEntry:
    """What the file says about a video; None where it says nothing usable."""

    id: int
    where: str
    size_HW: tuple[int, int] | None
    length: int | None
    file_names: Sequence[Any]


def read_video(entry: dict[str, Any], where: str) -> tuple[VideoEntry, list[Problem]]:
    """Checks one entry whose id is an integer."""
    where = f"{where}, video {entry['id']}"
    size_HW, problems = _size(entry, where)
    names = entry.get("file_names")
    length = entry.get("length")
    if type(length) is not int or length < 1:
        problems.append(
            Problem("length", where, f"has length {shown(length)} instead of a number of frames")
        )
        length = len(names) if isinstance(names, list) else None
    if not isinstance(names, list):
        problems.append(
            Problem("length", where, f"has file_names {shown(names)} instead of a list")
        )
        names = []
    elif len(names) != length:
        problems.append(
            Problem("length", where, f"has length {length} but {len(names)} file_names")
        )
    problems += _name_problems(names, where)
    return VideoEntry(entry["id"], where, size_HW, length, names), problems


def frame_problems(
    videos: Sequence[VideoEntry], frames: Path, advance: Advance
) -> Iterator[Problem]:
    """Opens every frame of the videos; one call of `advance` per video."""
    with ThreadPoolExecutor(THREADS) as pool:
        for video in videos:
            paths = _usable_paths(video, frames)
            missing = [t for t, path in paths if not is_file(path)]
            if missing:
                first = dict(paths)[missing[0]]
                text = in_frames(missing, f"is missing: there is no file {first}")
                yield Problem("frame", video.where, text)
            present = [(t, path) for t, path in paths if is_file(path)]
            for (t, path), defect in zip(
                present, pool.map(_open, (path for _, path in present)), strict=True
            ):
                yield from _frame_problem(video, t, path, defect)
            advance()


def _frame_problem(
    video: VideoEntry, t: int, path: Path, opened: tuple[int, int] | str
) -> Iterator[Problem]:
    if isinstance(opened, str):
        yield Problem("frame", video.where, f"frame {t}, {path}, cannot be decoded: {opened}")
    elif video.size_HW is not None and opened != video.size_HW:
        (height, width), (rows, columns) = opened, video.size_HW
        text = f"frame {t}, {path}, is {height}x{width}; the video is {rows}x{columns}"
        yield Problem("size", video.where, text)


def _open(path: Path) -> tuple[int, int] | str:
    """The height and width of an image that decodes to its end, or why it does not."""
    try:
        with open_image(path) as image:
            width, height = image.size
            image.draft("RGB", (max(1, width // REDUCED), max(1, height // REDUCED)))
            image.load()
            return height, width
    except Exception as error:  # Pillow raises many kinds for broken files
        return str(error) or type(error).__name__


def _usable_paths(video: VideoEntry, frames: Path) -> list[tuple[int, Path]]:
    paths = []
    for t, name in enumerate(video.file_names):
        try:
            paths.append((t, frame_paths([name], frames, video.where)[0]))
        except InputError:
            continue  # named by `read_video`
    return paths


def _name_problems(names: Sequence[Any], where: str) -> Iterator[Problem]:
    seen = set()
    for t, name in enumerate(names):
        try:
            frame_paths([name], Path(), where)
        except InputError:
            text = f"frame {t} has the file name {shown(name)} instead of a path inside the folder"
            yield Problem("value", where, text)
            continue
        if name in seen:
            yield Problem("value", where, f"frame {t} names the file of an earlier frame, {name!r}")
        seen.add(name)


def _size(entry: dict[str, Any], where: str) -> tuple[tuple[int, int] | None, list[Problem]]:
    size = [entry.get("height"), entry.get("width")]
    try:
        return check_size(size, where), []
    except InputError:
        text = f"has height and width {shown(size)} instead of pixels"
        return None, [Problem("size", where, text)]
