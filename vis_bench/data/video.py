"""A video and its frames, and the videos that a folder or a video file holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vis_bench.data.frames import (
    VIDEO_SUFFIXES,
    ImageFiles,
    ImageHeader,
    VideoFile,
    read_header,
    turned_warning,
)
from vis_bench.errors import InputError


@dataclass(frozen=True)
class Video:
    """One video: its identity, its original size in pixels, and frames decoded when indexed.

    `frames[t]` is a uint8 RGB array (height, width, 3). `name` is what messages call the video.
    """

    id: int
    name: str
    height: int
    width: int
    frames: Sequence[np.ndarray]

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            size = f"{self.height}x{self.width}"
            raise ValueError(f"video {self.name} has size {size}; expected at least 1x1")
        if len(self.frames) < 1:
            raise ValueError(f"video {self.name} has no frames; expected at least one")

    @property
    def length(self) -> int:
        """Number of frames."""
        return len(self.frames)


_NUMBERS = re.compile(r"([0-9]+)")


def in_natural_order(paths: Iterable[Path]) -> list[Path]:
    """The paths sorted by name, runs of digits by their value."""
    return sorted(paths, key=lambda path: (_pieces(path.name), path.name))


def _pieces(name: str) -> list[str | int]:
    """Text and numbers in turn, text first, so that two names never compare one with the other."""
    parts = _NUMBERS.split(name)
    return [int(part) if n % 2 else part for n, part in enumerate(parts)]


FRAME_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


@dataclass(frozen=True)
class FoundVideos:
    """Videos with ids 1, 2, ... in the order of their names; `warnings` are sentences."""

    videos: Sequence[Video]
    warnings: Sequence[str]


def find_videos(path: Path) -> FoundVideos:
    """The videos that a path holds, frames and videos in natural order.

    A file is a video file. A folder with frames is one video; of any other folder each folder with
    frames and each video file in it is one. Files of other kinds are left out.

    Raises:
        InputError: where there is no frame, a frame cannot be read, or the frames of a video differ
            in size.
    """
    if not path.exists():
        raise InputError(
            f"--frames {path} does not exist; expected a folder of frames or a video file"
        )
    warnings: list[str] = []
    videos = [_video(n, source, warnings) for n, source in enumerate(video_sources(path), 1)]
    return FoundVideos(videos, warnings)


def find_images(folder: Path) -> FoundVideos:
    """The images of a folder, of any sizes, as videos of one frame in natural order.

    Raises:
        InputError: where there is none, or one cannot be read.
    """
    files = frame_files(folder) if folder.is_dir() else []
    if not files:
        kinds = ", ".join(FRAME_SUFFIXES)
        raise InputError(f"--frames {folder} is not a folder of images: looked for {kinds}")
    headers = [_read_header(path) for path in files]
    videos = [
        Video(number, path.name, *header.size_HW, ImageFiles([path], path.name, header.size_HW))
        for number, (path, header) in enumerate(zip(files, headers, strict=True), start=1)
    ]
    turned = [path for path, header in zip(files, headers, strict=True) if header.is_turned]
    warnings = [turned_warning(turned, len(files), f"in {folder}")] if turned else []
    return FoundVideos(videos, warnings)


def video_sources(path: Path) -> list[Path]:
    """The folders of frames and the video files below a path, one per video, in natural order.

    Raises:
        InputError: where there is none.
    """
    if path.is_file():
        if _is_frame(path):
            raise InputError(f"--frames {path} is one frame; expected the folder that holds it")
        return [path]
    if frame_files(path):
        return [path]
    sources = [p for p in _listed(path) if (frame_files(p) if p.is_dir() else _is_video(p))]
    if not sources:
        kinds = ", ".join((*FRAME_SUFFIXES, *VIDEO_SUFFIXES))
        raise InputError(f"--frames {path} holds no frames, nor do its folders: looked for {kinds}")
    return sources


def _video(number: int, source: Path, warnings: list[str]) -> Video:
    return (_from_frames if source.is_dir() else _from_file)(number, source, warnings)


def _from_file(number: int, path: Path, warnings: list[str]) -> Video:
    frames = VideoFile(path)
    if frames.rotation:
        warnings.append(
            f"{path} asks players to turn it by {frames.rotation} degrees; this is not applied, "
            "and masks fit the frames as they are stored"
        )
    return Video(number, path.stem, frames.height, frames.width, frames)


def _from_frames(number: int, folder: Path, warnings: list[str]) -> Video:
    files = frame_files(folder)
    headers = [_read_header(path) for path in files]
    height, width = headers[0].size_HW
    for path, header in zip(files, headers, strict=True):
        if header.size_HW != (height, width):
            rows, columns = header.size_HW
            raise InputError(
                f"frame {path} is {rows}x{columns}, but {files[0].name} is {height}x{width}; "
                "expected frames of one size"
            )
    turned = [path for path, header in zip(files, headers, strict=True) if header.is_turned]
    if turned:
        warnings.append(turned_warning(turned, len(files), f"in {folder}"))
    name = folder.resolve().name
    return Video(number, name, height, width, ImageFiles(files, name, (height, width)))


def frame_files(folder: Path) -> list[Path]:
    """The frames in a folder, in natural order.

    Raises:
        InputError: for a folder that cannot be listed.
    """
    return [path for path in _listed(folder) if _is_frame(path)]


def _listed(folder: Path) -> list[Path]:
    try:
        return in_natural_order(folder.iterdir())
    except OSError as error:
        raise InputError(f"folder {folder} cannot be read: {error.strerror}") from None


def _is_frame(path: Path) -> bool:
    """Whether it is a picture by its name; hidden files such as `._1.jpg` of macOS are not."""
    return path.suffix.lower() in FRAME_SUFFIXES and not path.name.startswith(".")


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")


def _read_header(path: Path) -> ImageHeader:
    try:
        return read_header(path)
    except PermissionError as error:
        raise InputError(f"frame {path} cannot be read: {error.strerror}") from None
    except Exception:  # Pillow raises many kinds for broken files
        raise InputError(f"frame {path} is not an image that can be read") from None
