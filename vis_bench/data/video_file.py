"""Frames of a video file, as FFmpeg decodes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from vis_bench.data.frames import FrameError, LazyFrames, is_file
from vis_bench.errors import InputError

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".264", ".265", ".3g2",
    ".3gp", ".apng", ".asf", ".divx", ".dv", ".f4v", ".flv", ".gif", ".h264", ".h265", ".hevc",
    ".ivf", ".m1v", ".m2t", ".m2ts", ".m2v", ".mj2", ".mjpeg", ".mjpg", ".mk3d", ".mpe", ".mts",
    ".mxf", ".nut", ".ogg", ".ogv", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".wmv", ".y4m",
)  # fmt: skip
# FFmpeg's names of forms without a length: its own is guessed from what is there.
ENDLESS = {"mpegts", "mpeg", "ogg", "h264", "hevc", "m4v", "mpegvideo", "mjpeg", "dv", "obu"}
# FFmpeg's names of formats that are whole in one file.
_VIDEO_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,h264,hevc,av1,obu,ivf,flv,"
    "asf,ogg,nut,mxf,mjpeg,dv,gif,yuv4mpegpipe,swf,rm,vc1,apng,"
    "png_pipe,jpeg_pipe,bmp_pipe,webp_pipe,tiff_pipe,ppm_pipe,gif_pipe"
)


class VideoFile(LazyFrames):
    """The frames of a video file, uint8 RGB (H, W, 3), as they are stored and in decoding order.

    Reading them in order decodes each once and holds one; going back decodes from the start. All
    frames are decoded once when the file is opened, since its header need not know their number.

    `height` and `width` are in pixels; `rotation` is the angle in degrees, 0..359, by which players
    turn the picture, and which is not applied here. `missing_seconds` is the time between the last
    frame and the end that the header names, 0 below a frame's duration; None if it names no end.

    Raises:
        InputError: without PyAV, for a file that is not a video, that breaks off or is damaged, or
            whose frames differ in size.
    """

    def __init__(self, path: Path) -> None:
        self.files = [path]
        self.missing_seconds: float | None = None
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
        raise FrameError(f"{self.files[0]} ends before its frame {t}; has the file changed?")

    def _decoded(self) -> Iterator[Any]:
        """PyAV's frames, in order."""
        path = self.files[0]
        if not is_file(path):  # a pipe may never end
            raise FrameError(f"{path} cannot be read as a video: it is not a regular file")
        # An absolute path is none of FFmpeg's addresses; a playlist, which leads to other files, is
        # none of the formats, whatever its name.
        name = str(path.absolute())
        options = {"protocol_whitelist": "file", "format_whitelist": _VIDEO_FORMATS}
        try:
            with self._av.open(name, options=options) as container:
                stream = container.streams.best("video")  # none that is the cover of a song
                if stream is None:
                    raise FrameError(f"{path} has no pictures; expected a video")
                if stream.codec_context is None:  # PyAV before 18.1 would crash
                    raise FrameError(f"{path} is of a codec that FFmpeg does not know")
                ends: list[float] = []
                stamps: list[float] = []
                yield from self._pictures(_stamped(container, stream, ends, stamps))
                if container.duration and not ENDLESS & {*container.format.name.split(",")}:
                    rate = stream.average_rate or stream.base_rate
                    seconds = float(1 / rate) if rate else 0.0
                    if len(stamps) > 1:  # a packet's own duration may be missing, or tiny
                        seconds = max(seconds, (max(stamps) - min(stamps)) / (len(stamps) - 1))
                    end = max([0.0, *ends, *(stamp + seconds for stamp in stamps)])
                    missing = ((container.start_time or 0) + container.duration) / 1e6 - end
                    # Some forms round times to milliseconds.
                    self.missing_seconds = missing if missing > 0.9 * seconds else 0.0
        except FrameError:
            raise
        except (self._av.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise FrameError(f"{path} cannot be read as a video: {reason}") from None

    def _pictures(self, packets: Iterable[Any]) -> Iterator[Any]:
        """The frames of a stream's packets, none of them damaged."""
        number = 0
        for packet in packets:
            if packet.is_corrupt:
                raise FrameError(f"{self.files[0]} is damaged after {number} of its frames")
            for frame in packet.decode():
                if frame.is_corrupt:
                    raise FrameError(f"{self.files[0]} is damaged in its frame {number}")
                yield frame
                number += 1


def _stamped(container: Any, stream: Any, ends: list[float], stamps: list[float]) -> Iterator[Any]:
    """A stream's packets, whose starts in seconds go to `stamps`; every stream's ends to `ends`."""
    for packet in container.demux():
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is not None and packet.time_base:
            ends.append(float((stamp + (packet.duration or 0)) * packet.time_base))
            if packet.stream == stream:
                stamps.append(float(stamp * packet.time_base))
        if packet.stream == stream:
            yield packet


def _import_av(path: Path) -> ModuleType:
    try:
        import av
    except ImportError:
        raise InputError(
            f"{path} is a video file, which needs PyAV: pip install 'vis-bench[video]'"
        ) from None
    return av
