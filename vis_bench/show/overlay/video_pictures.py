"""The pictures of one video, frame by frame, one for each row."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PIL import Image

from vis_bench.data.video import Video
from vis_bench.show.overlay.frame import Offsets, draw_frame, gray_frame
from vis_bench.show.overlay.rows import Row


class VideoPictures:
    """Draws frames of one video when asked for them.

    Args:
        warn: is told about each frame that cannot be read.
    """

    def __init__(self, video: Video, rows: Sequence[Row], warn: Callable[[str], None]) -> None:
        self.video = video
        self.rows = rows
        self._warn = warn

    def at(
        self, t: int, width: int, *,
        since: int | None = None, offsets: Sequence[Offsets] | None = None,
    ) -> list[Image.Image]:  # fmt: skip
        """Frame t for each row, gray where it cannot be read.

        Args:
            width: of each picture, in pixels.
            since: identity switches after this frame are marked; only those in t if None.
            offsets: where each row's labels were in the frame before; updated.

        Raises:
            InputError: for a frame of another size than the video's.
        """
        frame = self.video.read(t)
        if isinstance(frame, str):
            self._warn(frame)
            return [gray_frame(self.video, t, width) for _ in self.rows]
        return [
            draw_frame(
                frame, row.instances, t, width,
                since=since, offsets=None if offsets is None else offsets[r],
            )
            for r, row in enumerate(self.rows)
        ]  # fmt: skip
