"""A video file (.mp4, .mov, ...) as frames decoded one after the other; needs PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from vis_bench.data.frames import LazyFrames
from vis_bench.errors import InputError

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg")


class VideoFile(LazyFrames):
    """The frames of a video file, uint8 RGB (H, W, 3), as they are stored.

    Reading them in order decodes each once and holds one; going back decodes from the start. All
    frames are decoded once when the file is opened, since its header need not know their number.

    `height` and `width` are in pixels; `rotation` is the angle in degrees, 0..359, by which players
    turn the picture, and which is not applied here.

    Raises:
        InputError: without PyAV, for a file that is not a video, that breaks off, or whose frames
            differ in size.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._av = _import_av(path)
        length = 0
        for frame in self._decoded():
            if length == 0:
                self.height, self.width = frame.height, frame.width
                self.rotation = round(getattr(frame, "rotation", 0)) % 360
            elif (frame.height, frame.width) != (self.height, self.width):
                raise InputError(
                    f"frame {length} of {path} is {frame.height}x{frame.width}, but the first is "
                    f"{self.height}x{self.width}; expected frames of one size"
                )
            length += 1
        if length == 0:
            raise InputError(f"{path} has no frames; expected a video")
        super().__init__(length, self._frame)
        self._running: Iterator[Any] = iter(())
        self._next = length

    def _frame(self, t: int) -> np.ndarray:
        if t < self._next:
            self._running, self._next = self._decoded(), 0
        for frame in self._running:
            self._next += 1
            if self._next > t:
                return frame.to_ndarray(format="rgb24")
        raise InputError(f"{self._path} ends before its frame {t}; has the file changed?")

    def _decoded(self) -> Iterator[Any]:
        """PyAV's frames, in order."""
        try:
            with self._av.open(str(self._path)) as container:
                if not container.streams.video:
                    raise InputError(f"{self._path} has no pictures; expected a video")
                yield from container.decode(container.streams.video[0])
        except (self._av.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"{self._path} cannot be read as a video: {reason}") from None


def _import_av(path: Path) -> ModuleType:
    try:
        import av
    except ImportError:
        raise InputError(
            f"{path} is a video file, which needs PyAV: pip install 'vis-bench[video]'"
        ) from None
    return av
