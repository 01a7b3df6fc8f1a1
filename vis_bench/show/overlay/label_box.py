"""Label boxes: lines of text on the color of their track, and leader lines to it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cache

from PIL import ImageDraw, ImageFont

from vis_bench.show.overlay.painting import BLACK, Color, ink_on
from vis_bench.text import single_line

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
# Lines of text and the color behind each.
Lines = Sequence[tuple[str, Color]]
_PADDING = 2
# Letters of a class name; the time to lay a label out grows with them.
MOST_LETTERS = 40


@cache
def font_of(size: int) -> Font:
    """Pillow's own font, so that pictures look the same everywhere."""
    return ImageFont.load_default(size)


def text_size(tile_width: int) -> int:
    """Height of letters in pixels for a picture of some width."""
    return max(11, min(24, round(tile_width / 42)))


def line_height(font: Font) -> int:
    """Height of a line without space around it, in pixels."""
    _, top, _, bottom = font.getbbox("Ag")
    return round(bottom - top)


def box_size(lines: Lines, font: Font) -> tuple[int, int]:
    """Width and height of a label box in pixels."""
    widths = [font.getlength(text) for text, _ in lines]
    height = (line_height(font) + 2 * _PADDING) * len(lines)
    return round(max(widths)) + 2 * _PADDING + 3, height + 2


def draw_box(canvas: ImageDraw.ImageDraw, x: int, y: int, lines: Lines, font: Font) -> None:
    """Draw a label box with its upper left corner at (x, y)."""
    width, height = box_size(lines, font)
    canvas.rectangle((x, y, x + width - 1, y + height - 1), fill=BLACK)
    top = y + 1
    for text, color in lines:
        bottom = top + line_height(font) + 2 * _PADDING
        canvas.rectangle((x + 1, top, x + width - 2, bottom - 1), fill=color)
        middle = x + 1 + _PADDING, (top + bottom) / 2
        canvas.text(middle, text, fill=ink_on(color), font=font, anchor="lm")
        top = bottom


def shortened(text: str, font: Font, width: float) -> str:
    """Put a text on one line, cut with an ellipsis if it is wider than `width` pixels."""
    text = single_line(text)
    if font.getlength(text) <= width:
        return text
    lengths = range(1, len(text))
    fitting = bisect_right(lengths, width, key=lambda n: font.getlength(f"{text[:n]}..."))
    return f"{text[:fitting]}..."


def short_name(name: str) -> str:
    """Cut a class name from data with an ellipsis, before it is laid out."""
    return name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 3]}..."


def draw_leader(
    canvas: ImageDraw.ImageDraw, start: tuple[int, int], end: tuple[int, int], color: Color
) -> None:
    """Draw a line from a label to a dot on its object."""
    canvas.line((*start, *end), fill=BLACK, width=3)
    canvas.line((*start, *end), fill=color, width=1)
    x, y = end
    canvas.ellipse((x - 3, y - 3, x + 3, y + 3), fill=color, outline=BLACK)
