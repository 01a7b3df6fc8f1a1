"""Pictures and pages in pixels, drawn by Pillow."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from vis_bench.charts.fonts import in_fonts
from vis_bench.show.overlay.frame import Tile
from vis_bench.show.overlay.label_box import PADDING, Label, Letters
from vis_bench.show.overlay.painting import BLACK, WHITE, Color, ink_on, paint
from vis_bench.show.overlay.strip import Sheet, Text

# Colors of a page and of its words.
Ground = tuple[Color, Color]
LIGHT: Ground = WHITE, BLACK
DARK: Ground = (13, 17, 23), (209, 215, 222)
_ANCHOR = {"left": "lm", "right": "rm"}


def paint_sheet(sheet: Sheet, ground: Ground = LIGHT) -> Image.Image:
    """Draw a page."""
    paper, ink = ground
    page = Image.new("RGB", (sheet.width, sheet.height), paper)
    canvas = ImageDraw.Draw(page)
    for x, y, item in sheet.items:
        if isinstance(item, Text):
            _write(canvas, (x, y), item.words, item.letters, ink, _ANCHOR[item.align])
        else:
            page.paste(paint_tile(item), (int(x), int(y)))
    return page


def paint_tile(tile: Tile) -> Image.Image:
    """Draw the picture of one frame."""
    frame_hw3 = resized(tile.frame_HW3, tile.size_hw)
    colors = [instance.color for instance in tile.instances]
    styles = [instance.style for instance in tile.instances]
    picture = Image.fromarray(paint(frame_hw3, tile.masks_Nhw, colors, styles, tile.ringed))
    canvas = ImageDraw.Draw(picture)
    for label in tile.labels:
        if label.leader:
            _draw_leader(canvas, label)
    for label in tile.labels:
        _draw_box(canvas, label)
    if tile.notice:
        words, letters = tile.notice
        middle = picture.width / 2, picture.height / 2
        _write(canvas, middle, words, letters, BLACK, "mm")
    return picture


def resized(frame_HW3: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Resize a frame."""
    if frame_HW3.shape[:2] == size_hw:
        return frame_HW3
    grows = size_hw[1] > frame_HW3.shape[1]
    how = Image.Resampling.BICUBIC if grows else Image.Resampling.BOX
    return np.asarray(Image.fromarray(frame_HW3).resize(size_hw[::-1], how))


def _draw_box(canvas: ImageDraw.ImageDraw, label: Label) -> None:
    left, top, right, bottom = label.box
    canvas.rectangle((left, top, right - 1, bottom - 1), fill=BLACK)
    for upper, lower, text, color in label.rows():
        canvas.rectangle((left + 1, upper, right - 2, lower - 1), fill=color)
        middle = left + 1 + PADDING, (upper + lower) / 2
        _write(canvas, middle, text, label.letters, ink_on(color), "lm")


def _write(
    canvas: ImageDraw.ImageDraw,
    xy: tuple[float, float],
    text: str,
    letters: Letters,
    ink: Color,
    anchor: str,
) -> None:
    """Write a line of text with the fonts that have its letters."""
    parts = in_fonts(text, letters.font)
    if len(parts) == 1:
        [(words, font)] = parts
        canvas.text(xy, words, fill=ink, font=font, anchor=anchor)
        return
    x = xy[0] - letters.width(text) * {"l": 0, "m": 0.5, "r": 1}[anchor[0]]
    for words, font in parts:
        canvas.text((x, xy[1]), words, fill=ink, font=font, anchor=f"l{anchor[1]}")
        x += font.getlength(words)


def _draw_leader(canvas: ImageDraw.ImageDraw, label: Label) -> None:
    """Draw a line from a label to a dot on its object."""
    assert label.leader is not None
    (x, y), color = label.leader[1], label.lines[0][1]
    canvas.line((*label.leader[0], x, y), fill=BLACK, width=3)
    canvas.line((*label.leader[0], x, y), fill=color, width=1)
    canvas.ellipse((x - 3, y - 3, x + 3, y + 3), fill=color, outline=BLACK)
