"""Labels as chips: text on its track's color, which is readable on light and on dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from PIL import ImageDraw, ImageFont

from vis_bench.show.overlay.painting import BLACK, WHITE, Color, ink_on
from vis_bench.text import single_line

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_PADDING = 2


@cache
def font_of(size: int) -> Font:
    """Pillow's own font, so that pictures look the same everywhere."""
    return ImageFont.load_default(size)


def text_size(tile_width: int) -> int:
    """The size of letters in pixels for a picture of some width."""
    return max(11, min(24, round(tile_width / 42)))


@dataclass(frozen=True)
class Chip:
    """Lines of text, each on its own color, below each other."""

    lines: tuple[tuple[str, Color], ...]
    font: Font

    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        widths = [self.font.getlength(text) for text, _ in self.lines]
        return round(max(widths)) + 2 * _PADDING + 3, self._line_height() * len(self.lines) + 2

    def draw(self, canvas: ImageDraw.ImageDraw, x: int, y: int) -> None:
        """Draws it with its upper left corner at (x, y)."""
        width, height = self.size()
        canvas.rectangle((x, y, x + width - 1, y + height - 1), fill=BLACK)
        top = y + 1
        for text, color in self.lines:
            bottom = top + self._line_height() - 1
            canvas.rectangle((x + 1, top, x + width - 2, bottom), fill=color)
            canvas.text(
                (x + 1 + _PADDING, (top + bottom + 1) / 2), text, fill=ink_on(color),
                font=self.font, anchor="lm",
            )  # fmt: skip
            top = bottom + 1

    def _line_height(self) -> int:
        _, top, _, bottom = self.font.getbbox("Ag")
        return round(bottom - top) + 2 * _PADDING


def shortened(text: str, font: Font, width: float) -> str:
    """The text on one line, cut with an ellipsis where it is wider than `width` pixels."""
    text = single_line(text)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}...") > width:
        text = text[:-1]
    return f"{text}..."


def leader(
    canvas: ImageDraw.ImageDraw, start: tuple[int, int], end: tuple[int, int], color: Color
) -> None:
    """A line from a label to a dot on its object."""
    canvas.line((*start, *end), fill=BLACK, width=3)
    canvas.line((*start, *end), fill=color, width=1)
    x, y = end
    canvas.ellipse((x - 3, y - 3, x + 3, y + 3), fill=color, outline=BLACK)


def chip_lines(text: str, color: Color, notes: Sequence[str]) -> tuple[tuple[str, Color], ...]:
    """A chip's text on its color, and notes on white below."""
    return ((text, color), *((note, WHITE) for note in notes))
