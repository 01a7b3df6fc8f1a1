"""Strips: frames of a video side by side, a row for each results file, a legend below.

After Fig. 1 of SeqFormer's supplement and Fig. 4 of its paper (Wu et al., ECCV 2022).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from vis_bench.show.overlay.frame import VideoPictures
from vis_bench.show.overlay.label_box import Font, font_of, line_height, shortened, text_size
from vis_bench.show.overlay.painting import BLACK, PALETTE, WHITE, Style, paint

GAP = 4
# A picture, and the captions above it on its left and on its right.
Panel = tuple[Image.Image, str, str]
_MARKS: dict[str, tuple[Style, bool, str]] = {
    "missed": ("missed", False, "object that is missed"),
    "false": ("false", False, "track that finds no object"),
    "switch": ("track", True, "identity switch"),
}
MARKS = tuple(_MARKS)


def draw_strip(
    pictures: VideoPictures, columns: int, width: int, marks: Sequence[str]
) -> Image.Image:
    """Draw the strip of a video; a switch is marked in the first column at or after its frame.

    Args:
        columns: number of frames; fewer if the video has fewer.
        width: of one frame, in pixels.
        marks: see `compose`.
    """
    frames = strip_frames(pictures.video.length, columns)
    rows: list[list[Panel]] = [[] for _ in pictures.rows]
    before = -1
    for t in frames:
        for r, picture in enumerate(pictures.at(t, width, since=before)):
            title = pictures.rows[r].name if t == frames[0] else ""
            rows[r].append((picture, title, f"frame {t}" if r == 0 else ""))
        before = t
    return compose(rows, marks)


def strip_frames(length: int, columns: int) -> list[int]:
    """Frames of a strip: evenly spread, the first and the last among them."""
    if columns == 1:
        return [length // 2]
    return np.unique(np.linspace(0, length - 1, columns).round().astype(int)).tolist()


def compose(rows: Sequence[Sequence[Panel]], marks: Sequence[str] = ()) -> Image.Image:
    """Lay panels out in rows on white.

    Args:
        rows: pictures of one size; a row may be shorter than others.
        marks: of `MARKS`, explained below the panels.
    """
    width, height = rows[0][0][0].size
    font = font_of(text_size(width))
    band = _band(font)
    page_width = max(map(len, rows)) * (width + GAP) - GAP
    legend = _legend(marks, font, page_width) if marks else None
    page_height = len(rows) * (band + height) + (legend.height if legend else 0)
    page = Image.new("RGB", (page_width, page_height), WHITE)
    canvas = ImageDraw.Draw(page)
    for r, row in enumerate(rows):
        top = r * (band + height)
        for c, (picture, left, right) in enumerate(row):
            x, middle = c * (width + GAP), top + band / 2
            page.paste(picture, (x, top + band))
            canvas.text((x + width, middle), right, fill=BLACK, font=font, anchor="rm")
            left = shortened(left, font, width - font.getlength(right) - 8)
            canvas.text((x, middle), left, fill=BLACK, font=font, anchor="lm")
    if legend:
        page.paste(legend, (0, page_height - legend.height))
    return page


def _band(font: Font) -> int:
    """Height of a line with space around it."""
    return line_height(font) + 9


def _legend(marks: Sequence[str], font: Font, width: int) -> Image.Image:
    """Explain the marks, in as many lines as the width asks for."""
    band = _band(font)
    swatch_width = 2 * band
    places, x, y = [], 0, 0
    for mark in marks:
        needed = swatch_width + 6 + round(font.getlength(_MARKS[mark][2])) + 16
        if x and x + needed > width:
            x, y = 0, y + band
        places.append((x, y))
        x += needed
    picture = Image.new("RGB", (width, y + band + 2), WHITE)
    canvas = ImageDraw.Draw(picture)
    for (x, y), mark in zip(places, marks, strict=True):
        picture.paste(_swatch(mark, (band - 2, swatch_width)), (x, y + 2))
        start = x + swatch_width + 6, y + band / 2 + 1
        canvas.text(start, _MARKS[mark][2], fill=BLACK, font=font, anchor="lm")
    return picture


def _swatch(mark: str, size_hw: tuple[int, int]) -> Image.Image:
    """Draw the mark on a piece of frame."""
    style, is_switched, _ = _MARKS[mark]
    frame_hw3 = np.full((*size_hw, 3), 200, np.uint8)
    mask_hw = np.zeros(size_hw, bool)
    mask_hw[4:-4, 6:-6] = True
    color = WHITE if style == "missed" else PALETTE[0]
    return Image.fromarray(paint(frame_hw3, mask_hw[None], [color], [style], [is_switched]))
