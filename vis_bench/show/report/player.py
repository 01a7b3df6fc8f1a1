"""The frames of one video as small pictures inside the page, and the strip that is printed."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from vis_bench.show.figures.panel_grid import MARKS
from vis_bench.show.overlay.strip import draw_strip, strip_frames
from vis_bench.show.overlay.video_pictures import VideoPictures

# A switch stays marked for this many frames.
_MARKED_FRAMES = 3
_STRIP_COLUMNS, _STRIP_WIDTH = 5, 170


@dataclass(frozen=True)
class Player:
    """Pictures as base64 of WebP.

    Attributes:
        panels: name of each row of pictures.
        frames: of each frame of the video, one picture per panel.
        size: width and height of a picture, in pixels.
        strip: some frames of all panels, for print; `strip_text` says which.
    """

    panels: Sequence[str]
    frames: Sequence[Sequence[str]]
    size: tuple[int, int]
    strip: str
    strip_text: str

    @property
    def num_bytes(self) -> int:
        """What it adds to the page."""
        return len(self.strip) + sum(len(picture) for row in self.frames for picture in row)


def make_player(pictures: VideoPictures, side: int) -> Player:
    """Draws every frame.

    Args:
        side: long side of a picture, in pixels.

    Raises:
        InputError: for a frame of another size than the video's.
    """
    video = pictures.video
    width = max(1, round(video.width * side / max(video.height, video.width)))
    offsets: list[dict[int, tuple[float, float]]] = [{} for _ in pictures.rows]
    frames = []
    size = (width, 1)
    for t in range(video.length):
        drawn = pictures.at(t, width, since=t - _MARKED_FRAMES, offsets=offsets)
        size = drawn[0].size
        frames.append([_webp(picture) for picture in drawn])
    narrow = max(1, round(video.width * _STRIP_WIDTH / max(video.height, video.width)))
    strip = draw_strip(pictures, _STRIP_COLUMNS, narrow, MARKS)
    names = [row.name for row in pictures.rows]
    shown = ", ".join(map(str, strip_frames(video.length, _STRIP_COLUMNS)))
    text = f"Video {video.name}, frames {shown}; rows: {', '.join(names)}"
    return Player(names, frames, size, _webp(strip), text)


def _webp(picture: Image.Image) -> str:
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=72, method=2)
    return base64.b64encode(out.getvalue()).decode()
