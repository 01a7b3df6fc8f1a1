"""A video and its frames, and the videos that a folder or a video file holds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from vis_bench.data.categories import distinct_names
from vis_bench.data.frames import (
    FrameError,
    ImageFiles,
    ImageHeader,
    LazyFrames,
    read_header,
    turned_warning,
)
from vis_bench.data.video_file import VIDEO_SUFFIXES, VideoFile
from vis_bench.errors import InputError
from vis_bench.grouping import grouped
from vis_bench.text import count

JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")
FRAME_SUFFIXES = (
    *JPEG_SUFFIXES,
    *(".png", ".bmp", ".webp", ".tif", ".tiff", ".avif", ".pbm", ".pgm", ".pnm", ".ppm"),
)  # fmt: skip
# Entries of a folder that systems and tools leave there; so is what begins with a dot.
NOTHING = {"__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "lost+found",
           "system volume information"}  # fmt: skip
GRAY = 208  # frames that are not at hand; every color of the palette is visible on it
MAX_PIXELS = 1 << 24  # of a frame
_NUMBERS = re.compile(r"([0-9]+)")


@dataclass(frozen=True)
class Video:
    """One video: its identity, its original size in pixels, and frames decoded when indexed.

    `frames[t]` is a uint8 RGB array (height, width, 3). `name` is what messages call the video.
    `asked`: ids of the categories that the annotations ask for in it; None for all.
    """

    id: int
    name: str
    height: int
    width: int
    frames: Sequence[np.ndarray] = field(repr=False, compare=False)
    asked: frozenset[int] | None = None

    def __post_init__(self) -> None:
        if self.height * self.width >= MAX_PIXELS:
            raise InputError(
                f"video {self.name} has frames of {self.height}x{self.width}; expected fewer than "
                "2^24 pixels, the limit of pycocotools"
            )

    @property
    def length(self) -> int:
        """Number of frames."""
        return len(self.frames)

    @property
    def files(self) -> Sequence[Path]:
        """The files that hold the frames; none for frames that are made."""
        return getattr(self.frames, "files", ())

    def pinned(self, *, contents: bool) -> Video:
        """The video with frames that have to stay as they are; see `ImageFiles.pinned`."""
        if not isinstance(self.frames, ImageFiles):
            return self
        return replace(self, frames=self.frames.pinned(contents=contents))

    def read(self, t: int) -> np.ndarray | str:
        """Frame t, or the reason why it cannot be decoded.

        Raises:
            InputError: for a frame of another size than the video's.
        """
        try:
            return self.frames[t]
        except FrameError as error:
            return str(error)


def video_without_frames(key: int, name: str, height: int, width: int, length: int) -> Video:
    """A video whose frames are not at hand: each is light gray."""
    return Video(key, name, height, width, LazyFrames(length, partial(_gray_frame, height, width)))


def _gray_frame(height: int, width: int, t: int) -> np.ndarray:
    return np.full((height, width, 3), GRAY, np.uint8)


def named_apart(videos: Sequence[Video]) -> list[Video]:
    """The videos, with their ids behind names that several have."""
    names = distinct_names({video.id: video.name for video in videos})
    return [replace(video, name=names[video.id]) for video in videos]


def find_videos(path: Path, *, tolerant: bool = False) -> tuple[list[Video], list[str]]:
    """The videos that a path holds, with ids 1, 2, ... in the order of their names, and warnings.

    A file is a video file. A folder with frames is one video; of any other folder each folder with
    frames and each video file in it is one. What is hidden, such as `.ipynb_checkpoints`, is not
    there, and files of other kinds are left out. Frames and videos
    are in natural order: `frame2` before `frame10`.

    Args:
        tolerant: frames may be unreadable as long as one of a video is not.

    Raises:
        InputError: where there is no frame, a frame cannot be read, or the frames of a video differ
            in size.
    """
    if not path.exists():
        raise InputError(
            f"--frames {path} does not exist; expected a folder of frames or a video file"
        )
    warnings: list[str] = []
    videos = []
    for number, source in enumerate(_sources(path), start=1):
        if source.is_dir():
            videos.append(_from_folder(number, source, tolerant, warnings))
        else:
            videos.append(_from_file(number, source, warnings))
    return videos, warnings


def find_images(folder: Path) -> tuple[list[Video], list[str]]:
    """The images of a folder, of any sizes, as videos of one frame in natural order, and warnings.

    Raises:
        InputError: where there is none, or one cannot be read.
    """
    files = frame_files(folder) if folder.is_dir() else []
    if not files:
        kinds = ", ".join(FRAME_SUFFIXES)
        raise InputError(f"--frames {folder} is not a folder of images: looked for {kinds}")
    warnings: list[str] = []
    files = _one_per_stem(files, warnings)
    headers = [_read_header(path) for path in files]
    videos = [
        Video(number, path.name, *header.size_HW, ImageFiles([path], path.name, header.size_HW))
        for number, (path, header) in enumerate(zip(files, headers, strict=True), start=1)
    ]
    return videos, warnings + _header_warnings(files, headers, folder)


def in_natural_order(paths: Iterable[Path]) -> list[Path]:
    """The paths sorted by name, runs of digits by their value; equal names by their folders."""
    return sorted(paths, key=lambda path: (_pieces(path.name), path.name, path))


def _pieces(name: str) -> list[str | int]:
    """Text and numbers in turn, text first, so that unlike pieces are never compared."""
    parts = _NUMBERS.split(name)
    return [int(part) if n % 2 else part for n, part in enumerate(parts)]


def _sources(path: Path) -> list[Path]:
    """The folders of frames and the video files below a path, one per video."""
    if path.is_file():
        if _has_suffix(path, FRAME_SUFFIXES):
            raise InputError(f"--frames {path} is one frame; expected the folder that holds it")
        return [path]
    if frame_files(path):
        return [path]
    sources = _videos_in(path)
    if not sources:
        kinds = ", ".join((*FRAME_SUFFIXES, *VIDEO_SUFFIXES))
        raise InputError(f"--frames {path} holds no frames, nor do its folders: looked for {kinds}")
    return sources


def _videos_in(folder: Path) -> list[Path]:
    """The folders of frames and the video files in a folder."""
    return [
        entry
        for entry in _listed(folder)
        if (frame_files(entry) if entry.is_dir() else _has_suffix(entry, VIDEO_SUFFIXES))
    ]


def _from_file(number: int, path: Path, warnings: list[str]) -> Video:
    frames = VideoFile(path)
    if frames.rotation:
        warnings.append(
            f"{path} asks players to rotate it by {frames.rotation} degrees; this is not applied, "
            "and masks fit the frames as they are stored"
        )
    if frames.missing_seconds is None:
        warnings.append(
            f"{path} states no length, so a truncated stream is not noticed; its "
            f"{len(frames)} frames are read"
        )
    elif frames.missing_seconds:
        warnings.append(
            f"{path} ends {frames.missing_seconds:.2g} s before the end that its header names; its "
            f"{len(frames)} frames are read"
        )
    return Video(number, path.stem, frames.height, frames.width, frames)


def _from_folder(number: int, folder: Path, tolerant: bool, warnings: list[str]) -> Video:
    files = _one_per_stem(frame_files(folder), warnings)
    warnings += _uneven_warnings(files, folder)
    if others := _videos_in(folder):
        warnings.append(
            f"{folder} holds the frames of a video; {count(len(others), 'video')} beside them left "
            f"out (the first is {others[0].name})"
        )
    if tolerant:
        headers = [_first_readable(files)]
    else:
        headers = [_read_header(path) for path in files]
        _check_one_size(files, headers)
        warnings += _header_warnings(files, headers, folder)
    name, size_HW = folder.resolve().name, headers[0].size_HW
    return Video(number, name, *size_HW, ImageFiles(files, name, size_HW))


def _one_per_stem(files: Sequence[Path], warnings: list[str]) -> list[Path]:
    """The files, of a JPEG and others of its name the JPEG: a mask is never one.

    Raises:
        InputError: for other files of one name but for the ending.
    """
    by_stem = grouped(files, lambda path: path.stem)
    left_out: list[str] = []
    for stem, same in by_stem.items():
        photos = [path for path in same if _has_suffix(path, JPEG_SUFFIXES)]
        if len(same) > 1 and len(photos) != 1:
            names = " and ".join(path.name for path in same)
            raise InputError(
                f"{same[0].parent} has {names}; expected one file for each frame, and masks in a "
                "folder elsewhere"
            )
        left_out += [path.name for path in same if len(same) > 1 and path != photos[0]]
        by_stem[stem] = photos if len(same) > 1 else same
    if left_out:
        warnings.append(
            f"among files with one name in {files[0].parent}, the JPEG is the frame; "
            f"{count(len(left_out), 'other')} left out as masks (the first is {left_out[0]})"
        )
    return [path for same in by_stem.values() for path in same]


def _uneven_warnings(files: Sequence[Path], folder: Path) -> list[str]:
    """Warning about frames of one number, or whose numbers have steps of several sizes, if any."""
    pieces = [_pieces(path.stem) for path in files]
    varying = {
        n for one in pieces for n, (a, b) in enumerate(zip(one, pieces[0], strict=False)) if a != b
    }
    place = min(varying, default=0)
    if len({*map(len, pieces)}) != 1 or [n for n in varying if n % 2] != [place]:
        return []
    by_number = grouped(files, lambda path: int(_pieces(path.stem)[place]))
    if more := len(files) - len(by_number):
        one, other, *_ = next(same for same in by_number.values() if len(same) > 1)
        return [
            f"{one.name} and {other.name} in {folder} have the same number "
            f"({count(more, 'pair')} in all); they are read as consecutive frames"
        ]
    steps = [b - a for a, b in pairwise(by_number)]
    usual = Counter(steps).most_common(1)[0][0]
    odd = [n for n, step in enumerate(steps) if step != usual]
    if not odd or len(varying) > 1:
        return []
    return [
        f"the numbers of the {len(files)} frames in {folder} increase by {usual}, except for "
        f"{count(len(odd), 'step')} (the first from {files[odd[0]].name} to "
        f"{files[odd[0] + 1].name}); they are read as consecutive frames"
    ]


def _check_one_size(files: Sequence[Path], headers: Sequence[ImageHeader]) -> None:
    height, width = headers[0].size_HW
    for path, header in zip(files, headers, strict=True):
        if header.size_HW != (height, width):
            rows, columns = header.size_HW
            raise InputError(
                f"frame {path} is {rows}x{columns}, but {files[0].name} is {height}x{width}; "
                "expected frames of one size"
            )


def _first_readable(files: Sequence[Path]) -> ImageHeader:
    for path in files:
        try:
            return _read_header(path)
        except InputError:
            continue
    raise InputError(f"none of the {len(files)} frames in {files[0].parent} can be read")


def _header_warnings(
    files: Sequence[Path], headers: Sequence[ImageHeader], folder: Path
) -> list[str]:
    turned = [path for path, header in zip(files, headers, strict=True) if header.is_turned]
    pages = [path for path, header in zip(files, headers, strict=True) if header.num_pages > 1]
    warnings = [turned_warning(turned, len(files), f"in {folder}")] if turned else []
    if pages:
        warnings.append(
            f"{count(len(pages), 'frame')} in {folder} (the first is {pages[0].name}) hold "
            "several pictures; the first is read"
        )
    return warnings


def frame_files(folder: Path) -> list[Path]:
    """The frames in a folder, in natural order."""
    return [path for path in _listed(folder) if _has_suffix(path, FRAME_SUFFIXES)]


def _listed(folder: Path) -> list[Path]:
    try:
        return in_natural_order(path for path in folder.iterdir() if not _is_nothing(path.name))
    except OSError as error:
        raise InputError(f"folder {folder} cannot be read: {error.strerror}") from None


def _has_suffix(path: Path, suffixes: Sequence[str]) -> bool:
    """True if a name ends so."""
    return path.suffix.lower() in suffixes


def _is_nothing(name: str) -> bool:
    """True for what is hidden, such as `._1.jpg` of macOS, and what systems leave in folders."""
    return name.startswith(".") or name.lower() in NOTHING


def _read_header(path: Path) -> ImageHeader:
    try:
        return read_header(path)
    except PermissionError as error:
        raise InputError(f"frame {path} cannot be read: {error.strerror}") from None
    except Exception:  # Pillow raises many kinds for broken files
        raise InputError(f"frame {path} is not an image that can be read") from None
