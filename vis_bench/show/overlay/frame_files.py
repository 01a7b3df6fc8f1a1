"""The frames that pictures are drawn on: which files they are, and what each holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.frames import VideoFile, decode_image, frame_paths, is_file, read_header
from vis_bench.data.video import Video, frame_files, video_sources
from vis_bench.errors import InputError


@dataclass(frozen=True)
class FrameFiles:
    """A video's frames as files, in order; height and width in pixels.

    `encoded` holds the frames where each does not have a file of its own: of a video file, or of
    a video in memory.
    """

    id: int
    name: str
    height: int
    width: int
    files: Sequence[Path]
    encoded: Sequence[np.ndarray] | None = None

    @property
    def length(self) -> int:
        """Number of frames."""
        return len(self.files)

    def read(self, t: int) -> np.ndarray | str:
        """Frame t as uint8 RGB (H, W, 3), or a sentence that says why it cannot be read.

        Raises:
            InputError: for a frame of another size than the video's.
        """
        where = f"frame {t} of video {self.name}"
        try:
            if self.encoded is not None:
                return self.encoded[t]
            frame_HW3 = decode_image(self.files[t], where)
        except InputError as error:
            return str(error)
        height, width = frame_HW3.shape[:2]
        if (height, width) != (self.height, self.width):
            raise InputError(
                f"{where}, {self.files[t]}, is {height}x{width}; the video is "
                f"{self.height}x{self.width}"
            )
        return frame_HW3


def annotated_videos(
    content: Mapping[str, Any], truth: GroundTruth, folder: Path
) -> list[FrameFiles]:
    """The videos of an annotations file, whose file names start from a folder.

    Args:
        content: what the file holds; `truth` is the same, checked.

    Raises:
        InputError: for a video without file names, or as many of them as it has frames.
    """
    if not folder.is_dir():
        raise InputError(f"--frames {folder} is not a folder")
    names = {entry["id"]: entry.get("file_names") for entry in content["videos"]}
    found = []
    for video in truth.videos:
        where = f"{truth.name}, video {video.name} (id {video.id})"
        listed = names[video.id] or ()
        if not listed or len(listed) != video.length:
            raise InputError(
                f"{where} has {len(listed)} file_names; expected one for each of its "
                f"{video.length} frames"
            )
        files = frame_paths(listed, folder, where)
        found.append(FrameFiles(video.id, video.name, video.height, video.width, files))
    return found


def check_first_frame(video: FrameFiles, folder: Path) -> None:
    """Refuses a video that has no frame at all in the folder.

    Raises:
        InputError: naming the video and where its first frame was looked for.
    """
    if not any(map(is_file, video.files)):
        raise InputError(
            f"--frames {folder} has no frames of video {video.name} (id {video.id}): there is no "
            f"file {video.files[0]}"
        )


def video_frames(video: Video) -> FrameFiles:
    """The frames of a video that inference has seen; only for messages it is named by files."""
    files = [Path(f"{video.name}/{t:05d}") for t in range(video.length)]
    return FrameFiles(video.id, video.name, video.height, video.width, files, video.frames)


def videos_in(path: Path) -> list[FrameFiles]:
    """The videos that a path holds, with the ids that the command `predict` gives them.

    The size of a folder's frames is that of the first one that can be read.

    Raises:
        InputError: where there is no frame, or none of a video can be read.
    """
    if not path.exists():
        raise InputError(
            f"--frames {path} does not exist; expected a folder of frames or a video file"
        )
    return [_video(number, source) for number, source in enumerate(video_sources(path), 1)]


def _video(number: int, source: Path) -> FrameFiles:
    if source.is_dir():
        files = frame_files(source)
        return FrameFiles(number, source.resolve().name, *_size_HW(files), files)
    video = VideoFile(source)
    files = [source] * len(video)
    return FrameFiles(number, source.stem, video.height, video.width, files, video)


def _size_HW(files: Sequence[Path]) -> tuple[int, int]:
    for path in files:
        try:
            return read_header(path).size_HW
        except Exception:  # Pillow raises many kinds for broken files
            continue
    raise InputError(f"none of the {len(files)} frames in {files[0].parent} can be read")
