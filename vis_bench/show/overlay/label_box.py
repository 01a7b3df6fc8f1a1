"""Label boxes: lines of text on the color of their track, each beside its mask."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import ImageFont

from vis_bench.charts import place_labels
from vis_bench.charts.fonts import Font, in_fonts
from vis_bench.show.overlay.painting import Color
from vis_bench.text import single_line

Pixel = tuple[int, int]
# Lines of text and the color behind each.
Lines = Sequence[tuple[str, Color]]
PADDING = 2
# Letters of a class name; the time to lay a label out grows with them.
MOST_LETTERS = 40
# Below this many heights of text a picture is narrow.
_NARROW = 12


@dataclass(frozen=True)
class Letters:
    """Letters of one size, and their widths.

    Attributes:
        size: height in pixels.
        font: draws them in pixels, or measures those of another back end.
        scale: height of the letters in heights of the font's.
    """

    size: float
    font: Font
    scale: float = 1.0

    @classmethod
    @cache
    def of_pixels(cls, size: int) -> Letters:
        """Return letters of Pillow's own font, so that pictures look the same everywhere."""
        return cls(size, ImageFont.load_default(size))

    @classmethod
    def of_width(cls, width: int) -> Letters:
        """Return letters for pictures that are some pixels wide."""
        return cls.of_pixels(max(11, min(24, round(width / 42))))

    def width(self, text: str) -> float:
        """Width of a text in pixels."""
        return self.scale * sum(font.getlength(part) for part, font in in_fonts(text, self.font))

    @property
    def line(self) -> int:
        """Height of a line without space around it, in pixels."""
        _, top, _, bottom = self.font.getbbox("Ag")
        return round(self.scale * (bottom - top))

    @property
    def band(self) -> int:
        """Height of a line with space around it, in pixels."""
        return self.line + 9

    def narrow(self, width: int) -> bool:
        """Return whether pictures of a width leave little room for labels."""
        return width < _NARROW * self.size


@dataclass(frozen=True)
class Label:
    """A label box in a picture, in pixels from its upper left corner.

    Attributes:
        box: left, top, right, bottom.
        leader: start and end of a line to its object, if that is far.
        offset: of the box from the middle of its object.
    """

    box: tuple[int, int, int, int]
    lines: Lines
    letters: Letters
    leader: tuple[Pixel, Pixel] | None = None
    offset: tuple[float, float] = (0, 0)

    def rows(self) -> Iterator[tuple[int, int, str, Color]]:
        """Yield top, bottom, text and color of each line."""
        step = _step(self.letters)
        for n, (text, color) in enumerate(self.lines):
            top = self.box[1] + 1 + n * step
            yield top, top + step, text, color


def box_size(lines: Lines, letters: Letters) -> tuple[int, int]:
    """Width and height of a label box in pixels."""
    width = round(max(letters.width(text) for text, _ in lines))
    return width + 2 * PADDING + 3, _step(letters) * len(lines) + 2


def _step(letters: Letters) -> int:
    """Height of a line of a box."""
    return letters.line + 2 * PADDING


def labels_beside(
    masks_Nhw: np.ndarray,
    forms_N: Sequence[Sequence[Lines]],
    letters: Letters,
    before: Mapping[int, tuple[float, float]],
) -> dict[int, Label]:
    """Return the label of each mask that has one, by index.

    A label that would cover an earlier one is left out.

    Args:
        forms_N: forms of each mask's label, from the longest; none for a mask without a label.
        before: offsets of labels in the frame before, by index.
    """
    width = masks_Nhw.shape[2]
    sizes = [[box_size(lines, letters) for lines in forms] for forms in forms_N]
    labels: dict[int, Label] = {}
    for n, place in enumerate(place_labels(masks_Nhw, sizes, before)):
        if place is None:
            continue
        w, h = sizes[n][place.form]
        box = place.x, place.y, place.x + w, place.y + h
        if any(_overlap(box, label.box) for label in labels.values()):
            continue
        start, end = _shortest_way(box, masks_Nhw[n])
        is_far = np.hypot(end[0] - start[0], end[1] - start[1]) > max(12, width / 50)
        leader = (start, end) if is_far else None
        labels[n] = Label(box, forms_N[n][place.form], letters, leader, place.offset)
    return labels


def shortened(text: str, letters: Letters, width: float) -> str:
    """Put a text on one line, cut with an ellipsis if it is wider than `width` pixels."""
    text = single_line(text)
    if letters.width(text) <= width:
        return text
    lengths = range(1, len(text))
    fitting = bisect_right(lengths, width, key=lambda n: letters.width(f"{text[:n]}..."))
    return f"{text[:fitting]}..."


def wrapped(text: str, letters: Letters, width: float) -> list[str]:
    """Break a text into lines that are at most `width` pixels wide."""
    lines = [""]
    for word in single_line(text).split(" "):
        longer = f"{lines[-1]} {word}".lstrip()
        if lines[-1] and letters.width(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return [shortened(line, letters, width) for line in lines]


def short_name(name: str) -> str:
    """Cut a class name from data with an ellipsis, before it is laid out."""
    return name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 3]}..."


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _shortest_way(box: tuple[int, int, int, int], mask_hw: np.ndarray) -> tuple[Pixel, Pixel]:
    """Start and end of the shortest line from the box of a label to the mask."""
    step = 2 if mask_hw[::2, ::2].any() else 1
    rows, columns = (step * places for places in np.nonzero(mask_hw[::step, ::step]))
    x, y = np.clip(columns, box[0], box[2] - 1), np.clip(rows, box[1], box[3] - 1)
    nearest = np.hypot(columns - x, rows - y).argmin()
    return (int(x[nearest]), int(y[nearest])), (int(columns[nearest]), int(rows[nearest]))
