"""Strips: frames of a video side by side, a row for each results file, a legend below.

After Fig. 1 of SeqFormer's supplement and Fig. 4 of its paper (Wu et al., ECCV 2022).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from vis_bench.show.overlay.frame import VideoPictures
from vis_bench.show.overlay.label_box import (
    Font,
    box_size,
    draw_box,
    font_of,
    line_height,
    shortened,
    text_size,
)
from vis_bench.show.overlay.painting import BLACK, PALETTE, WHITE, Color, Style, paint

GAP = 4
# A picture, and the captions above it on its left and on its right.
Panel = tuple[Image.Image, str, str]
# Style, whether it is switched, and text of the legend.
MARKS: dict[str, tuple[Style, bool, str]] = {
    "missed": ("missed", False, "object without a mask in this frame"),
    "unmatched": (
        "unmatched",
        False,
        "by no drawn track of its class, with an IoU of 0.5 over all frames",
    ),
    "false": ("false", False, "track that finds no object"),
    "switch": ("track", True, "identity switch"),
}
CHIP = "not matched"
# Colors of a page and of its words.
Ground = tuple[Color, Color]
LIGHT: Ground = WHITE, BLACK
DARK: Ground = (13, 17, 23), (209, 215, 222)


def draw_strip(
    pictures: VideoPictures, columns: int, width: int, ground: Ground = LIGHT
) -> Image.Image:
    """Draw the strip of a video with a legend.

    A switch is marked in the first column at or after its frame.

    Args:
        columns: number of frames; fewer if the video has fewer.
        width: of one frame, in pixels.
    """
    rows = strip_panels(pictures, columns, width)
    frames = strip_frames(pictures.video.length, columns)
    return compose(rows, pictures.marks(frames), pictures.remarks(), ground)


def strip_panels(pictures: VideoPictures, columns: int, width: int) -> list[list[Panel]]:
    """Draw the pictures of a strip, without a legend; arguments as for `draw_strip`."""
    frames = strip_frames(pictures.video.length, columns)
    rows: list[list[Panel]] = [[] for _ in pictures.rows]
    for column, t in enumerate(frames):
        earlier = frames[:column]
        drawn = pictures.at(t, width, since=earlier[-1] if earlier else -1, earlier=earlier)
        for r, picture in enumerate(drawn):
            title = pictures.rows[r].name if t == frames[0] else ""
            rows[r].append((picture, title, f"frame {t}" if r == 0 else ""))
    return rows


def strip_frames(length: int, columns: int) -> list[int]:
    """Frames of a strip: evenly spread, the first and the last among them."""
    if columns == 1:
        return [length // 2]
    return np.unique(np.linspace(0, length - 1, columns).round().astype(int)).tolist()


def compose(
    rows: Sequence[Sequence[Panel]], marks: Sequence[str] = (), remarks: Sequence[str] = (),
    ground: Ground = LIGHT,
) -> Image.Image:  # fmt: skip
    """Lay panels out in rows.

    Args:
        rows: pictures of one size; a row may be shorter than others.
        marks: of `VideoPictures.marks`, explained below the panels.
        remarks: sentences below the panels.
    """
    paper, ink = ground
    width, height = rows[0][0][0].size
    font = font_of(text_size(width))
    band = _band(font)
    page_width = max(map(len, rows)) * (width + GAP) - GAP
    legend = _legend(marks, remarks, font, page_width, ground) if marks or remarks else None
    page_height = len(rows) * (band + height) + (legend.height if legend else 0)
    page = Image.new("RGB", (page_width, page_height), paper)
    canvas = ImageDraw.Draw(page)
    for r, row in enumerate(rows):
        top = r * (band + height)
        for c, (picture, left, right) in enumerate(row):
            x, middle = c * (width + GAP), top + band / 2
            page.paste(picture, (x, top + band))
            canvas.text((x + width, middle), right, fill=ink, font=font, anchor="rm")
            left = shortened(left, font, width - font.getlength(right) - 8)
            canvas.text((x, middle), left, fill=ink, font=font, anchor="lm")
    if legend:
        page.paste(legend, (0, page_height - legend.height))
    return page


def _band(font: Font) -> int:
    """Height of a line with space around it."""
    return line_height(font) + 9


def _legend(
    marks: Sequence[str], remarks: Sequence[str], font: Font, width: int, ground: Ground
) -> Image.Image:
    """Explain the marks, in as many lines as the width asks for."""
    band = _band(font)
    swatches = [_swatch(mark, (band - 2, 2 * band), font) for mark in marks]
    entries = list(zip(swatches, (MARKS[mark][2] for mark in marks), strict=True))
    places, x, y = [], 0, 0
    for swatch, text in (*entries, *((None, remark) for remark in remarks)):
        text_left = swatch.width + 6 if swatch else 0
        text = shortened(text, font, width - text_left)
        needed = text_left + round(font.getlength(text)) + 16
        if x and x + needed - 16 > width:
            x, y = 0, y + band
        places.append((x, y, swatch, text_left, text))
        x += needed
    paper, ink = ground
    picture = Image.new("RGB", (width, y + band + 2), paper)
    canvas = ImageDraw.Draw(picture)
    for x, y, swatch, text_left, text in places:
        if swatch:
            picture.paste(swatch, (x, y + 2))
        canvas.text((x + text_left, y + band / 2 + 1), text, fill=ink, font=font, anchor="lm")
    return picture


def _swatch(mark: str, size_hw: tuple[int, int], font: Font) -> Image.Image:
    """Draw the mark on a piece of frame, or an empty label."""
    style, is_switched, _ = MARKS[mark]
    if style == "unmatched":
        lines = [(CHIP, WHITE)]
        picture = Image.new("RGB", box_size(lines, font), WHITE)
        draw_box(ImageDraw.Draw(picture), 0, 0, lines, font)
        return picture
    frame_hw3 = np.full((*size_hw, 3), 200, np.uint8)
    mask_hw = np.zeros(size_hw, bool)
    mask_hw[4:-4, 6:-6] = True
    color = WHITE if style == "missed" else PALETTE[0]
    return Image.fromarray(paint(frame_hw3, mask_hw[None], [color], [style], [is_switched]))
