"""Page of a paper's figure: pictures and plots at places in pixels, as PNG, SVG or PDF.

Points and letters stay vectors in SVG and PDF; a PNG has twice as many pixels as the page.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageChops, ImageStat

from vis_bench.charts import DARK, chart_style, encode_figure, encode_picture
from vis_bench.data.video import Video
from vis_bench.show.overlay.painting import Color
from vis_bench.text import single_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

# The width of a page in pixels: that of a README's column on GitHub.
PAGE_WIDTH = 880
GAP = 4  # between pictures, in pixels
_DOTS_PER_INCH = 100
# Of a README's PNG, for sharp letters on dense screens.
_README_DPI = 2 * _DOTS_PER_INCH
# Mean difference in levels of 255 that a palette may make.
_UNSEEN = 3.0
# Of text, in pixels.
TEXT, SMALL = 14, 12
# Of text in a paper's column, in points.
_COLUMN_TEXT, _COLUMN_SMALL = 8, 7
_DARK_GROUND = "#0d1117"  # of GitHub's dark pages
_PER_CHARACTER = 0.56  # mean width of a letter, in heights of text


@dataclass(frozen=True)
class PageStyle:
    """Width of a page and heights of text in pixels of 1/100 inch, dots per inch of a PNG, and
    colors of text and ground.
    """

    width: float = PAGE_WIDTH
    text: float = TEXT
    small: float = SMALL
    dpi: int = _README_DPI
    ink: str = "#000000"
    ground: str = "#ffffff"

    @classmethod
    def of_column(cls, inches: float | None, *, dark: bool = False) -> PageStyle:
        """Return the style of a paper's column, of letters of 7 and 8 points, or of a README; on a
        dark ground, if asked for.
        """
        style = cls(ink=DARK.ink, ground=_DARK_GROUND) if dark else cls()
        if inches is None:
            return style
        text, small = (p * _DOTS_PER_INCH / 72 for p in (_COLUMN_TEXT, _COLUMN_SMALL))
        return replace(style, width=_DOTS_PER_INCH * inches, text=text, small=small, dpi=300)

    def lines(self, text: str, width: float | None = None) -> list[str]:
        """Wrap small text to a width; by default the page's."""
        characters = (self.width if width is None else width) / (_PER_CHARACTER * self.small)
        return textwrap.wrap(single_line(text), max(10, int(characters)))


README = PageStyle()


def rgb(color: Color) -> tuple[float, float, float]:
    """Convert a color for matplotlib."""
    return color[0] / 255, color[1] / 255, color[2] / 255


class FigurePage:
    """Page, in pixels from its upper left corner.

    Args:
        height: of the page.
    """

    def __init__(self, height: float, style: PageStyle = README) -> None:
        from matplotlib.figure import Figure

        height = math.ceil(height)
        self.style = style
        self._size = style.width, height
        inches = (style.width / _DOTS_PER_INCH, height / _DOTS_PER_INCH)
        self._figure: Figure = Figure(figsize=inches, dpi=_DOTS_PER_INCH, facecolor=style.ground)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Add axes that fill a box."""
        across, down = self._size
        box = left / across, 1 - (top + height) / down, width / across, height / down
        return self._figure.add_axes(box)

    def picture(
        self, picture_hw3: np.ndarray, left: float, top: float, width: float, height: float
    ) -> Axes:
        """Add a picture that fills a box; x and y of its axes are fractions of the frame.

        Args:
            picture_hw3: uint8 RGB.
        """
        axes = self.axes(left, top, width, height)
        scale = self.style.dpi / _DOTS_PER_INCH
        fill(axes, _fitted(picture_hw3, round(scale * width), round(scale * height)))
        axes.set_axis_off()
        return axes

    def text(
        self, x: float, y: float, text: str, align: str = "left", size: float | None = None
    ) -> Text:
        """Add a line of text whose middle is at height y."""
        at, words = (x / self._size[0], 1 - y / self._size[1]), single_line(text)
        points_high = points(self.style.text if size is None else size)
        looks: dict[str, Any] = {"ha": align, "va": "center", "fontsize": points_high}
        return self._figure.text(*at, words, color=self.style.ink, parse_math=False, **looks)

    def small(self, x: float, y: float, text: str, align: str = "left") -> Text:
        """Add a line of small text."""
        return self.text(x, y, text, align, self.style.small)

    def paragraph(self, x: float, y: float, lines: Sequence[str], align: str = "left") -> None:
        """Add lines of small text, the middle of the first at height y."""
        for n, line in enumerate(lines):
            self.small(x, y + 1.35 * self.style.small * n, line, align)

    def dot(self, left: float, y: float, color: Color, words: str) -> None:
        """Add a dot of some color with words behind it, at height y."""
        axes = self.axes(left, y - 6, 12, 12)
        axes.set_axis_off()
        circles(axes, 0.5, 0.5, points(10) ** 2, color, clip_on=False)
        axes.set(xlim=(0, 1), ylim=(0, 1))
        self.text(left + 17, y, words)

    def encoded(self, form: str) -> bytes:
        """Return the page as a file, "png", "svg" or "pdf"."""
        with chart_style():
            data = encode_figure(self._figure, form, dpi=self.style.dpi)
        if form != "png":
            return data
        with Image.open(io.BytesIO(data)) as page:
            return encode_png(page.convert("RGB"))


def encode_png(page: Image.Image) -> bytes:
    """Encode a picture with a palette, at a fourth of the size, unless that could be seen."""
    few = page.quantize(256, dither=Image.Dither.NONE)
    difference = ImageStat.Stat(ImageChops.difference(page, few.convert("RGB"))).mean
    return encode_picture(few if max(difference) < _UNSEEN else page, "PNG", optimize=True)


def pale(frame_HW3: np.ndarray) -> np.ndarray:
    """Return the frame in light gray, so that any color over it stands out."""
    gray_HW = frame_HW3 @ np.array([0.299, 0.587, 0.114])
    return np.repeat((0.55 * gray_HW + 0.45 * 255)[..., None], 3, 2).astype(np.uint8)


def fill(axes: Axes, picture_hwC: np.ndarray) -> None:
    """Draw a picture over axes whose x and y are fractions of a frame."""
    axes.imshow(picture_hwC, extent=(0, 1, 1, 0), aspect="auto", interpolation="nearest")


def circles(axes: Axes, x: Any, y: Any, areas: Any, color: Color, **looks: Any) -> None:
    """Draw filled circles with a thin edge, of some areas in square points."""
    looks = {"edgecolors": "black", "linewidths": 0.5, **looks}
    axes.scatter(x, y, s=areas, color=[rgb(color)], **looks)


def size_beside(style: PageStyle, video: Video, number: int, left: float) -> tuple[float, float]:
    """Width and height of each of some pictures of a video that stand beside each other."""
    width = (style.width - left - GAP * (number - 1)) / number
    return width, width * video.height / video.width


def points(pixels: float) -> float:
    """Convert pixels of the page to points, matplotlib's unit of letters and dots."""
    return pixels * 72 / _DOTS_PER_INCH


def _fitted(picture_hw3: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resize to the box, or to twice its size where there are that many pixels."""
    if picture_hw3.shape[0] >= 2 * height and picture_hw3.shape[1] >= 2 * width:
        width, height = 2 * width, 2 * height
    image = Image.fromarray(picture_hw3)
    return np.asarray(image.resize((max(1, width), max(1, height)), Image.Resampling.BICUBIC))
