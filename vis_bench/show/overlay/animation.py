"""A video as an animation: WebP, or MP4 if PyAV is installed."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Literal

from PIL import Image, ImageFile

from vis_bench.errors import InputError
from vis_bench.show.overlay.frame import MARKED_FRAMES, Tile, VideoPictures, tile_size
from vis_bench.show.overlay.label_box import Letters, shortened
from vis_bench.show.overlay.pixels import paint_sheet
from vis_bench.show.overlay.strip import GAP, PageItem, Sheet, Text, legend

AnimationFormat = Literal["webp", "mp4"]
_LARGEST_WEBP = 16383
_SCREEN = 16 / 9  # width to height


def draw_animation(
    pictures: VideoPictures,
    width: int,
    fps: float,
    animation_format: AnimationFormat,
) -> bytes:
    """Draw every frame of a video; its rows stand beside each other as far as a screen is wide.

    Args:
        width: of one frame, in pixels.
        fps: frames per second.
    """
    video, letters, num_rows = pictures.video, Letters.of_width(width), len(pictures.rows)
    height = letters.band + tile_size((video.height, video.width), width)[0]

    def unlike_screen(columns: int) -> float:
        lines = -(-num_rows // columns)
        return abs(math.log(columns * width / (lines * height) / _SCREEN))

    columns = min(range(1, num_rows + 1), key=unlike_screen)
    page_width = columns * (width + GAP) - GAP
    marks, bottom = pictures.marks(range(video.length)), -(-num_rows // columns) * height
    page_height, below = legend(marks, pictures.remarks(), letters, page_width, bottom)

    def items(t: int, tiles: Sequence[Tile]) -> Iterator[PageItem]:
        for r, (row, tile) in enumerate(zip(pictures.rows, tiles, strict=True)):
            x, y = r % columns * (width + GAP), r // columns * height
            number = f"frame {t}" if r == columns - 1 else ""
            name = shortened(row.name, letters, width - letters.width(number) - 8)
            yield x, y + letters.band, tile
            yield x, y + letters.band / 2, Text(name, letters)
            yield x + width, y + letters.band / 2, Text(number, letters, "right")
        yield from below

    def pages() -> Iterator[Image.Image]:
        for t, tiles in enumerate(pictures.in_turn(width, MARKED_FRAMES)):
            yield paint_sheet(Sheet(page_width, page_height, items(t, tiles)))

    if animation_format == "mp4":
        return encode_mp4(pages(), fps)
    return encode_webp(pages(), pictures.video.length, fps)


def encode_webp(pages: Iterator[Image.Image], length: int, fps: float) -> bytes:
    """Return a repeating animated WebP; one page is held at a time."""
    out = io.BytesIO()
    animation = _Pages(pages, length)
    if max(animation.size) > _LARGEST_WEBP:
        width, height = animation.size
        raise InputError(
            f"the animation has {width}x{height} pixels, but WebP allows no side above "
            f"{_LARGEST_WEBP}; give a smaller --side or fewer results files"
        )
    animation.save(out, "WEBP", save_all=True, duration=1000 / fps, loop=0, quality=60, method=0)
    return out.getvalue()


def encode_mp4(pages: Iterator[Image.Image], fps: float) -> bytes:
    """Return an MP4 with H.264, its sides rounded up to even numbers."""
    require_pyav()
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "20"}
        for t, page in enumerate(pages):
            picture = _even(page)
            if t == 0:
                stream.width, stream.height = picture.size
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    return out.getvalue()


def require_pyav() -> None:
    """Raise an InputError if PyAV is not installed."""
    try:
        import av  # noqa: F401
    except ImportError:
        raise InputError(
            "--format mp4 needs PyAV, which is not installed: pip install 'vis-bench[video]'"
        ) from None


def _even(picture: Image.Image) -> Image.Image:
    """Add a white line where a side is odd, as H.264 needs it."""
    width, height = (side + side % 2 for side in picture.size)
    if (width, height) == picture.size:
        return picture
    page = Image.new("RGB", (width, height), "white")
    page.paste(picture)
    return page


class _Pages(ImageFile.ImageFile):
    """Pages as a file of many pictures, each drawn when Pillow seeks it.

    Pillow's own `append_images` holds all of them.
    """

    format = "PAGES"

    def __init__(self, pages: Iterator[Image.Image], length: int) -> None:
        self._pages = pages
        self._t = 0
        self.n_frames = length
        super().__init__(io.BytesIO())

    def _open(self) -> None:
        first = next(self._pages)
        self._size, self._mode = first.size, first.mode
        self.im = first.im

    def load(self) -> Image.core.PixelAccess | None:
        return None

    def seek(self, frame: int) -> None:
        if frame > self._t:
            self._t, self.im = frame, next(self._pages).im

    def tell(self) -> int:
        return self._t
