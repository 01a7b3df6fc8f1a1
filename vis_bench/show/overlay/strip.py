"""Strips"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from vis_bench.show.overlay.frame import VideoPictures
from vis_bench.show.overlay.label_box import Font, font_of, shortened, text_size
from vis_bench.show.overlay.painting import BLACK, PALETTE, WHITE, Style, paint

GAP = 4
_MARKS: dict[str, tuple[Style, bool, str]] = {
    "missed": ("missed", False, "object that is missed"),
    "false": ("false", False, "track that finds no object"),
    "switch": ("track", True, "identity switch"),
}
MARKS = tuple(_MARKS)


@dataclass(frozen=True)
class Panel:
    """A picture, and what stands above it on its left and on its right."""

    picture: Image.Image
    left: str = ""
    right: str = ""


def compose(rows: Sequence[Sequence[Panel]], marks: Sequence[str] = ()) -> Image.Image:
    """The panels in rows, on white.

    Args:
        rows: pictures of one size; a row may be shorter than others. A caption on the left may run
            over the panels right of it that have none there.
        marks: of `MARKS`, explained below the panels.
    """
    width, height = rows[0][0].picture.size
    font = font_of(text_size(width))
    band = _line(font)
    page_width = max(map(len, rows)) * (width + GAP) - GAP
    legend = _legend(marks, font, page_width) if marks else None
    page_height = len(rows) * (band + height) + (legend.height if legend else 0)
    page = Image.new("RGB", (page_width, page_height), WHITE)
    canvas = ImageDraw.Draw(page)
    for r, row in enumerate(rows):
        top = r * (band + height)
        for c, panel in enumerate(row):
            x = c * (width + GAP)
            page.paste(panel.picture, (x, top + band))
            canvas.text(
                (x + width, top + band / 2), panel.right, fill=BLACK, font=font, anchor="rm"
            )
            room = width - font.getlength(panel.right) - 8
            canvas.text(
                (x, top + band / 2), shortened(panel.left, font, room), fill=BLACK, font=font,
                anchor="lm",
            )  # fmt: skip
    if legend:
        page.paste(legend, (0, page_height - legend.height))
    return page


def _line(font: Font) -> int:
    _, top, _, bottom = font.getbbox("Ag")
    return round(bottom - top) + 9


def _legend(marks: Sequence[str], font: Font, width: int) -> Image.Image:
    """What the marks mean, in as many lines as the width asks for."""
    line = _line(font)
    swatch_width = 2 * line
    entries = [(mark, _MARKS[mark][2]) for mark in marks]
    places, x, y = [], 0, 0
    for _, text in entries:
        needed = swatch_width + 6 + round(font.getlength(text)) + 16
        if x and x + needed > width:
            x, y = 0, y + line
        places.append((x, y))
        x += needed
    picture = Image.new("RGB", (width, y + line + 2), WHITE)
    canvas = ImageDraw.Draw(picture)
    for (x, y), (mark, text) in zip(places, entries, strict=True):
        picture.paste(_swatch(mark, (line - 2, swatch_width)), (x, y + 2))
        canvas.text(
            (x + swatch_width + 6, y + line / 2 + 1), text, fill=BLACK, font=font, anchor="lm"
        )
    return picture


def _swatch(mark: str, size_hw: tuple[int, int]) -> Image.Image:
    """A piece of frame with the mark on it."""
    style, is_switched, _ = _MARKS[mark]
    frame_hw3 = np.full((*size_hw, 3), 200, np.uint8)
    mask_hw = np.zeros(size_hw, bool)
    mask_hw[4:-4, 6:-6] = True
    color = WHITE if style == "missed" else PALETTE[0]
    return Image.fromarray(paint(frame_hw3, mask_hw[None], [color], [style], [is_switched]))


def draw_strip(
    pictures: VideoPictures, columns: int, width: int, marks: Sequence[str]
) -> Image.Image:
    """The strip of a video.

    A switch is marked in the first column at or after its frame.

    Args:
        columns: how many frames; fewer where the video has fewer.
        width: of one frame, in pixels.
    """
    frames = strip_frames(pictures.video.length, columns)
    rows: list[list[Panel]] = [[] for _ in pictures.rows]
    before = -1
    for t in frames:
        for r, picture in enumerate(pictures.at(t, width, since=before)):
            title = pictures.rows[r].name if t == frames[0] else ""
            rows[r].append(Panel(picture, title, f"frame {t}" if r == 0 else ""))
        before = t
    return compose(rows, marks)


def strip_frames(length: int, columns: int) -> list[int]:
    """The frames of a strip: evenly spread, the first and the last among them."""
    if columns == 1:
        return [length // 2]
    return np.unique(np.linspace(0, length - 1, columns).round().astype(int)).tolist()
