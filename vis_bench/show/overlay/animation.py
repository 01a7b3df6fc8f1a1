"""A video as an animation: WebP, or MP4 where PyAV is installed."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Literal

from PIL import Image, ImageFile

from vis_bench.errors import InputError
from vis_bench.show.figures.panel_grid import Panel, compose
from vis_bench.show.overlay.video_pictures import VideoPictures

AnimationFormat = Literal["webp", "mp4"]
# A switch stays marked for half a second at 6 frames per second.
_MARKED_FRAMES = 3
_LARGEST_WEBP = 16383


def draw_animation(
    pictures: VideoPictures,
    width: int,
    fps: float,
    marks: Sequence[str],
    animation_format: AnimationFormat,
) -> bytes:
    """The file of an animation that shows every frame of a video.

    Up to three rows stand below each other, more in two columns.

    Args:
        width: of one frame, in pixels.
        fps: frames per second.

    Raises:
        InputError: for `mp4` without PyAV.
    """
    length = pictures.video.length
    offsets: list[dict[int, tuple[float, float]]] = [{} for _ in pictures.rows]

    def page(t: int) -> Image.Image:
        drawn = pictures.at(t, width, since=t - _MARKED_FRAMES, offsets=offsets)
        columns = 1 if len(drawn) <= 3 else 2
        panels = [
            Panel(picture, row.name, f"frame {t}" if r == columns - 1 else "")
            for r, (row, picture) in enumerate(zip(pictures.rows, drawn, strict=True))
        ]
        rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
        return compose(rows, marks)

    encode = encode_mp4 if animation_format == "mp4" else encode_webp
    return encode(page, length, fps)


def encode_webp(page: Callable[[int], Image.Image], length: int, fps: float) -> bytes:
    """An animated WebP that repeats; `page(t)` is asked for one frame at a time.

    Raises:
        InputError: for pages larger than WebP holds.
    """
    out = io.BytesIO()
    pages = _Pages(page, length)
    if max(pages.size) > _LARGEST_WEBP:
        raise InputError(
            f"the animation has {pages.width}x{pages.height} pixels, and WebP holds no side above "
            f"{_LARGEST_WEBP}; give a smaller --side or fewer results files"
        )
    pages.save(out, "WEBP", save_all=True, duration=1000 / fps, loop=0, quality=80, method=0)
    return out.getvalue()


def encode_mp4(page: Callable[[int], Image.Image], length: int, fps: float) -> bytes:
    """An MP4 with H.264, its sides rounded up to even numbers.

    Raises:
        InputError: where PyAV is not installed.
    """
    require_pyav()
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "20"}
        for t in range(length):
            picture = _even(page(t))
            if t == 0:
                stream.width, stream.height = picture.size
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    return out.getvalue()


def require_pyav() -> None:
    """Refuses to go on without PyAV.

    Raises:
        InputError: saying how to install it.
    """
    try:
        import av  # noqa: F401
    except ImportError:
        raise InputError(
            "--format mp4 needs PyAV, which is not installed: pip install 'vis-bench[video]'"
        ) from None


def _even(picture: Image.Image) -> Image.Image:
    """With a white line more where a side is odd, as H.264 needs it."""
    width, height = (side + side % 2 for side in picture.size)
    if (width, height) == picture.size:
        return picture
    page = Image.new("RGB", (width, height), "white")
    page.paste(picture)
    return page


class _Pages(ImageFile.ImageFile):
    """Pages as a file of many pictures, each drawn when Pillow seeks it: none is kept."""

    format = "PAGES"

    def __init__(self, page: Callable[[int], Image.Image], length: int) -> None:
        self._page = page
        self._t = 0
        self.n_frames = length
        super().__init__(io.BytesIO())

    def _open(self) -> None:
        first = self._page(0)
        self._size, self._mode = first.size, first.mode
        self.im = first.im

    def load(self) -> Image.core.PixelAccess | None:
        return None

    def seek(self, frame: int) -> None:
        if frame != self._t:
            self._t, self.im = frame, self._page(frame).im

    def tell(self) -> int:
        return self._t
