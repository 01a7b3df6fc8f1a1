"""Strips as vector graphics: outlines and labels are drawn over bitmaps of the frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vis_bench.charts import chart_style, place_labels
from vis_bench.masks.rle import decode
from vis_bench.show.figures.page import FigurePage, PageStyle, points, rgb
from vis_bench.show.overlay.frame import Instance, VideoPictures, shortest_way
from vis_bench.show.overlay.painting import GRAY, ink_on, masks_at
from vis_bench.show.overlay.strip import CHIP, MARKS, strip_frames
from vis_bench.text import single_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GAP, _SWATCH = 4, 24
# Lines are thinner in pictures narrower than this.
_FULL = 200
# In heights of text.
_BAND, _LINE, _LETTER = 1.7, 1.5, 0.56
_OPACITY = {"track": 0.47, "false": 0.12}


def draw_vector_strips(
    blocks: Sequence[tuple[str, VideoPictures]], columns: int, style: PageStyle
) -> FigurePage:
    """Draw a strip for each video, below each other, and a legend of what occurs.

    Args:
        blocks: heading, which may be empty, and pictures of each video.
        columns: number of frames; fewer if a video has fewer.
    """
    band, headings = _BAND * style.small, [_BAND * style.text if text else 0 for text, _ in blocks]
    width = (style.width - _GAP * (columns - 1)) / columns
    marks = {
        mark: None for _, pictures in blocks
        for mark in pictures.marks(strip_frames(pictures.video.length, columns))
    }  # fmt: skip
    remarks = [
        f"{pictures.video.name}, {text}" if len(blocks) > 1 else text
        for _, pictures in blocks for text in pictures.remarks()
    ]  # fmt: skip
    lines = _legend(list(marks), remarks, style)
    heights = [
        heading + len(pictures.rows) * (band + width * pictures.video.height / pictures.video.width)
        for heading, (_, pictures) in zip(headings, blocks, strict=True)
    ]
    below = sum(heights) + _GAP * len(blocks)
    with chart_style({"hatch.linewidth": 0.7}):
        page = FigurePage(below + _BAND * style.small * len(lines) + 2, style)
        top = 0.0
        for (text, pictures), heading, height in zip(blocks, headings, heights, strict=True):
            if heading:
                page.text(0, top + heading / 2, text)
            _draw_block(page, pictures, columns, top + heading, width)
            top += height + _GAP
        for n, line in enumerate(lines):
            for x, mark, text in line:
                y = below + (n + 0.5) * _BAND * style.small
                if mark:
                    _draw_swatch(page, mark, x, y)
                page.text(x + _before(mark, style), y, text, size=style.small)
    return page


def _draw_block(
    page: FigurePage, pictures: VideoPictures, columns: int, top: float, width: float
) -> None:
    video, style = pictures.video, page.style
    height, band = width * video.height / video.width, _BAND * page.style.small
    frames = strip_frames(video.length, columns)
    for c, t in enumerate(frames):
        left, earlier = c * (width + _GAP), frames[:c]
        since = earlier[-1] if earlier else -1
        frame = video.read(t)
        if isinstance(frame, str):
            pictures.warn(frame)
            frame = np.full((video.height, video.width, 3), GRAY, np.uint8)
        for r, row in enumerate(pictures.rows):
            y = top + r * (band + height)
            if c == 0:
                page.text(0, y + band / 2, row.name, size=style.small)
            if r == 0:
                page.text(left + width, y + band / 2, f"frame {t}", align="right", size=style.small)
            axes = page.frame(frame, left, y + band, width, height)
            labeled = pictures.labeled(row, t, since, earlier)
            shown = [(i, own) for i, own in enumerate(row.instances) if own.masks_T[t]]
            for _, instance in reversed(shown):
                mask = instance.masks_T[t]
                assert mask is not None
                switched = bool(instance.switches_after(since, t))
                _draw_mask(axes, decode(mask), instance, switched, min(1.0, width / _FULL))
            names = [_forms(instance, t, since) if i in labeled else [] for i, instance in shown]
            _draw_labels(page, axes, [own for _, own in shown], names, t, (height, width))


def _forms(instance: Instance, t: int, since: int) -> list[str]:
    switches = instance.switches_after(since, t)
    texts = [*instance.texts, instance.abbreviation]
    noted = [f"{texts[0]}, switch at {switches[-1]}"] if switches else []
    return [single_line(text) for text in (*noted, *texts) if text]


def _draw_mask(
    axes: Axes, mask_HW: np.ndarray, instance: Instance, switched: bool, scale: float = 1.0
) -> None:
    """Draw one instance; `scale` is that of its lines."""
    if instance.style == "unmatched":
        return
    rows, columns = (np.flatnonzero(mask_HW.any(axis)) for axis in (1, 0))
    if not rows.size:
        return
    top, left = int(rows[0]), int(columns[0])
    inside = np.pad(mask_HW[top : rows[-1] + 1, left : columns[-1] + 1], 1).astype(float)
    x = left - 0.5 + np.arange(inside.shape[1])
    y = top - 0.5 + np.arange(inside.shape[0])
    color = rgb(instance.color)

    def line(ink: object, width: float, dashes: str = "solid") -> None:
        widths = max(0.4, scale * width)
        axes.contour(
            x, y, inside, [0.5], colors=[ink], linewidths=widths, linestyles=dashes
        )  # fmt: skip

    if instance.style == "missed":
        line("white", 0.8)
        line("black", 0.8, "dashed")
        return
    if switched:
        line("black", 4.4)
        line("white", 3.2)
    axes.contourf(x, y, inside, [0.5, 1.5], colors=[color], alpha=_OPACITY[instance.style])
    if instance.style == "false":
        hatched = axes.contourf(x, y, inside, [0.5, 1.5], colors="none", hatches=["//////"])
        hatched.set(edgecolor=color, linewidth=0)
    line("black", 1.5)
    line(color, 0.9)


def _draw_labels(
    page: FigurePage,
    axes: Axes,
    instances: Sequence[Instance],
    forms: Sequence[Sequence[str]],
    t: int,
    size_hw: tuple[float, float],
) -> None:
    """Draw the labels that find a place in the picture, whose size is in pixels of the page."""
    if not instances:
        return
    small, (height, width) = page.style.small, (max(1, round(side)) for side in size_hw)
    masks = [mask for instance in instances if (mask := instance.masks_T[t])]
    frame_HW = masks[0]["size"][0], masks[0]["size"][1]
    masks_Nhw = masks_at(masks, frame_HW, (height, width))
    fitting = [
        [(text, size) for text in texts for size in [_label_size(text, small)] if size[0] <= width]
        for texts in forms
    ]
    places = place_labels(masks_Nhw, [[size for _, size in own] for own in fitting], {})
    x_unit, y_unit = frame_HW[1] / width, frame_HW[0] / height
    drawn: list[tuple[int, int, int, int]] = []
    for n, place in enumerate(places):
        if place is None:
            continue
        (text, (w, h)), color = fitting[n][place.form], instances[n].color
        box = (place.x, place.y, place.x + w, place.y + h)
        if any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in drawn):
            continue
        drawn.append(box)
        start, end = shortest_way(box, masks_Nhw[n])
        if np.hypot(end[0] - start[0], end[1] - start[1]) > small:
            ends = [start[0] * x_unit, end[0] * x_unit], [start[1] * y_unit, end[1] * y_unit]
            axes.plot(*ends, color="black", linewidth=1.2)
            axes.plot(*ends, color=rgb(color), linewidth=0.6)
        axes.text(
            (place.x + w / 2) * x_unit, (place.y + h / 2) * y_unit, text, ha="center", va="center",
            fontsize=points(small), color=rgb(ink_on(color)), parse_math=False,
            bbox={"boxstyle": "square,pad=0.12", "fc": rgb(color), "ec": "black", "lw": 0.4},
        )  # fmt: skip


def _label_size(text: str, small: float) -> tuple[int, int]:
    return round(_LETTER * small * len(text) + 0.5 * small), round(_LINE * small)


def _legend(
    marks: Sequence[str], remarks: Sequence[str], style: PageStyle
) -> list[list[tuple[float, str, str]]]:
    """Return lines of entries: left end, mark or nothing, and text."""
    lines: list[list[tuple[float, str, str]]] = []
    x = style.width
    for mark, text in (*((mark, MARKS[mark][2]) for mark in marks), *(("", r) for r in remarks)):
        before = _before(mark, style)
        n = 0
        for n, part in enumerate(style.lines(text, style.width - before)):
            width = before + _LETTER * style.small * len(part) + 14
            if n or not lines or x + width - 14 > style.width:
                lines.append([])
                x = before if n else 0.0
            lines[-1].append((x, mark if not n else "", part))
            x += width
        if n:
            x = style.width
    return lines


def _before(mark: str, style: PageStyle) -> float:
    """Width of a mark with the space behind it."""
    if not mark:
        return 0
    return 4 + (_label_size(CHIP, style.small)[0] if mark == "unmatched" else _SWATCH)


def _draw_swatch(page: FigurePage, mark: str, x: float, y: float) -> None:
    """Draw the mark on a piece of frame; of a label, its white box."""
    style, switched, _ = MARKS[mark]
    small, width = page.style.small, _before(mark, page.style) - 4
    is_label = style == "unmatched"
    ground = np.full((12, round(width), 3), 255 if is_label else 200, np.uint8)
    axes = page.frame(ground, x, y - 0.6 * small, width, 1.2 * small)
    if is_label:
        axes.text(
            width / 2, 6, CHIP, ha="center", va="center", fontsize=points(0.9 * small),
            bbox={"boxstyle": "square,pad=0.1", "fc": "white", "ec": "black", "lw": 0.4},
        )  # fmt: skip
        return
    mask_HW = np.zeros(ground.shape[:2], bool)
    mask_HW[3:-3, 4:-4] = True
    _draw_mask(axes, mask_HW, Instance([], 0, (), style), switched)
