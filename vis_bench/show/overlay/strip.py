"""Pages of pictures: strips of frames side by side, a row for each results file, a legend below.

A page is laid out once and drawn in pixels (`overlay.pixels`) or as vectors (`figures.vectors`).
Strips are after Fig. 1 of SeqFormer's supplement and Fig. 4 of its paper (Wu et al., ECCV 2022).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np

from vis_bench.masks.rle import encode_masks
from vis_bench.show.overlay.frame import Instance, Tile, VideoPictures, make_tile, tile_size
from vis_bench.show.overlay.label_box import Label, Letters, box_size, shortened, wrapped
from vis_bench.show.overlay.painting import WHITE, Style

GAP = 4
_BETWEEN = 10
_ABOVE_NAME = 4  # between a row and the name of the next
_CHIP = "not matched"
# Style, whether it is ringed, and text of the legend.
MARKS: dict[str, tuple[Style, bool, str]] = {
    "missed": ("missed", False, "object without a mask in this frame"),
    "unmatched": (
        "unmatched",
        False,
        "by no drawn track of its class, with an IoU of 0.5 over all frames",
    ),
    "false": ("false", False, "track that finds no object"),
    "weak": ("weak", False, "track with too low a score"),
    "cause": ("track", True, "what costs the AP of the title"),
    "switch": ("track", True, "identity switch"),
}


@dataclass(frozen=True)
class Text:
    """A line of words on a page."""

    words: str
    letters: Letters
    align: Literal["left", "right"] = "left"


# Left end of a picture or a left-aligned text; top of a picture, middle of a text.
PageItem = tuple[float, float, "Tile | Text"]
# Heading, which may be empty, and pictures of each video.
Blocks = Sequence[tuple[str, VideoPictures]]


@dataclass(frozen=True)
class Sheet:
    """A page in pixels from its upper left corner; `items` may be made while they are drawn."""

    width: int
    height: int
    items: Iterable[PageItem]


def strip_sheet(
    blocks: Blocks,
    columns: int,
    width: int,
    letters: Letters | None = None,
    heading: Letters | None = None,
    page_width: int = 0,
    remark: str = "",
) -> Sheet:
    """Lay out a strip for each video, below each other, and a legend of what occurs.

    A switch is marked in the first column at or after its frame.

    Args:
        columns: number of frames; fewer if a video has fewer.
        width: of one frame, in pixels.
        letters: of all but the headings; by default such as suit the width.
        page_width: of the page, at least.
        remark: last sentence of the legend.
    """
    letters = letters or Letters.of_width(width)
    heading = heading or letters
    frames_B = [
        pictures.frames or strip_frames(pictures.video.length, columns) for _, pictures in blocks
    ]
    page_width = max(page_width, max(map(len, frames_B)) * (width + GAP) - GAP)
    top, remarks = 0, []
    items: list[Iterable[PageItem]] = []
    marks: dict[str, None] = {}
    for (text, pictures), frames in zip(blocks, frames_B, strict=True):
        if text:
            apart, lines = heading.line + 4, wrapped(text, heading, page_width)
            first = top + heading.line / 2 + 6
            items.append([(0, first + n * apart, Text(w, heading)) for n, w in enumerate(lines)])
            top += len(lines) * apart + 8
        bottom, strip = _strip(pictures, frames, width, letters, page_width, top)
        items.append(strip)
        top = bottom + _BETWEEN
        marks |= dict.fromkeys(pictures.marks(frames))
        video = f"{pictures.video.name}, " if len(blocks) > 1 else ""
        remarks += [f"{video}{remark}" for remark in pictures.remarks()]
    remarks += [remark] if remark else []
    bottom, explained = legend([*marks], remarks, letters, page_width, bottom)
    return Sheet(page_width, bottom, chain(*items, explained))


def _strip(
    pictures: VideoPictures,
    frames: Sequence[int],
    width: int,
    letters: Letters,
    page_width: int,
    top: int,
) -> tuple[int, Iterator[PageItem]]:
    """Return the lower end of the strip of one video, and what it shows."""
    names = [", ".join(filter(None, (row.name, row.note))) for row in pictures.rows]
    numbers = [f"frame {t}" for t in frames]
    height = tile_size((pictures.video.height, pictures.video.width), width)[0]
    height += letters.band + _ABOVE_NAME
    # In narrow pictures the frames' numbers stand in a line of their own.
    apart = letters.width(names[0]) + 8 + letters.width(numbers[0]) > width
    first = top + letters.band * apart
    start = pictures.frames[0] - 1 if pictures.frames else -1

    def items() -> Iterator[PageItem]:
        for column, t in enumerate(frames):
            x, earlier = column * (width + GAP), frames[:column]
            since = earlier[-1] if earlier else start
            tiles = pictures.at(t, width, letters, since=since, earlier=earlier)
            yield x + width, top + letters.band / 2, Text(numbers[column], letters, "right")
            for r, tile in enumerate(tiles):
                y = first + r * height
                if column == 0:
                    name = shortened(names[r], letters, page_width)
                    yield 0, y + letters.band / 2, Text(name, letters)
                yield x, y + letters.band, tile

    return first + len(names) * height - _ABOVE_NAME, items()


def strip_frames(length: int, columns: int) -> list[int]:
    """Frames of a strip: evenly spread, the first and the last among them."""
    if columns == 1:
        return [length // 2]
    return np.unique(np.linspace(0, length - 1, columns).round().astype(int)).tolist()


def legend(
    marks: Sequence[str], remarks: Sequence[str], letters: Letters, width: int, top: int
) -> tuple[int, list[PageItem]]:
    """Explain marks of `VideoPictures.marks`, in as many lines as the width asks for.

    Args:
        remarks: sentences behind the marks.

    Returns:
        the lower end, and what stands there.
    """
    items: list[PageItem] = []
    x, y, band = 0, top, letters.band
    entries = [(_swatch(mark, letters), MARKS[mark][2]) for mark in marks]
    for swatch, text in (*entries, *((None, remark) for remark in remarks)):
        left = swatch.size_hw[1] + 6 if swatch else 0
        lines = wrapped(text, letters, width - left)
        needed = left + round(max(map(letters.width, lines)))
        if x and x + needed > width:
            x, y = 0, y + band
        if swatch:
            items.append((x, y + 2, swatch))
        for n, line in enumerate(lines):
            items.append((x + left, y + (n + 0.5) * band + 1, Text(line, letters)))
        y += (len(lines) - 1) * band
        x = x + needed + 16 if len(lines) == 1 else width
    return y + band + 2 if items else top, items


def _swatch(mark: str, letters: Letters) -> Tile:
    """Return the mark on a piece of frame, or an empty label."""
    style, is_ringed, _ = MARKS[mark]
    if style == "unmatched":
        width, height = box_size([(_CHIP, WHITE)], letters)
        label = Label((0, 0, width, height), [(_CHIP, WHITE)], letters)
        return Tile.plain((height, width), WHITE, labels=[label])
    mask_hw = np.zeros((letters.band - 2, 2 * letters.band), bool)
    mask_hw[4:-4, 6:-6] = True
    ground_hw3 = np.full((*mask_hw.shape, 3), 200, np.uint8)
    instance = Instance(encode_masks(mask_hw[None]), 0, (), style, ringed=is_ringed)
    return make_tile(ground_hw3, [instance], 0, mask_hw.shape[1], labeled=())
