"""Pages of masks as vector graphics: outlines and labels over bitmaps of the frames."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import ImageFont

from vis_bench.charts import chart_style
from vis_bench.charts.fonts import Font
from vis_bench.masks.rle import decode
from vis_bench.show.figures.page import FigurePage, PageStyle, points, rgb
from vis_bench.show.overlay.frame import Instance, Tile
from vis_bench.show.overlay.label_box import PADDING, Letters
from vis_bench.show.overlay.painting import BLACK, HATCHED, Color, ink_on
from vis_bench.show.overlay.strip import Sheet, Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Lines are thinner in pictures narrower than this.
_FULL = 200
_OPACITY = {"track": 0.47, "false": 0.12, "weak": 0.0}
_MEASURED = 1000


def vector_letters(size: float) -> Letters:
    """Return letters of the font that charts have, some pixels high."""
    return Letters(size, _chart_font(), size / _MEASURED)


@cache
def _chart_font() -> Font:
    from matplotlib.font_manager import findfont

    # The other engine shapes text, which matplotlib does not, and fails on some.
    basic = ImageFont.Layout.BASIC
    return ImageFont.truetype(findfont("DejaVu Sans"), _MEASURED, layout_engine=basic)


def draw_sheet(sheet: Sheet, style: PageStyle) -> FigurePage:
    """Draw a page."""
    with chart_style({"hatch.linewidth": 0.7}):
        page = FigurePage(sheet.height, style)
        for x, y, item in sheet.items:
            if isinstance(item, Text):
                page.text(x, y, item.words, align=item.align, size=item.letters.size)
            else:
                _draw_tile(page.axes(x, y, *item.size_hw[::-1]), item)
    return page


def _draw_tile(axes: Axes, tile: Tile) -> None:
    height, width = tile.size_hw
    axes.imshow(tile.frame_HW3, extent=(0, width, height, 0), interpolation="none")
    axes.set(autoscale_on=False, aspect="auto")
    axes.set_axis_off()
    scale = max(0.4, min(1.0, width / _FULL))
    shown = zip(tile.masks, tile.instances, tile.ringed, strict=True)
    for mask, instance, ringed in reversed([*shown]):
        if instance.style != "unmatched":
            _draw_mask(axes, decode(mask), tile.size_hw, instance, ringed, scale)
    for label in tile.labels:
        if label.leader:
            xy = tuple(zip(*label.leader, strict=True))
            axes.plot(*xy, color="black", linewidth=1.2)
            axes.plot(*xy, color=rgb(label.lines[0][1]), linewidth=0.6)
    for label in tile.labels:
        left, top, right, bottom = label.box
        for upper, lower, text, color in label.rows():
            _draw_box(axes, (left, upper, right, lower), color=rgb(color), linewidth=0)
            middle = left + 1 + PADDING, (upper + lower) / 2
            _write(axes, middle, text, label.letters, ink_on(color))
        _draw_box(axes, (left, top, right, bottom), fill=False, linewidth=0.4)
    if tile.notice:
        _write(axes, (width / 2, height / 2), *tile.notice, BLACK, ha="center")


def _draw_box(axes: Axes, box: tuple[int, int, int, int], **looks: Any) -> None:
    from matplotlib.patches import Rectangle

    left, top, right, bottom = box
    axes.add_patch(Rectangle((left, top), right - left, bottom - top, zorder=3, **looks))


def _write(
    axes: Axes, xy: tuple[float, float], text: str, letters: Letters, ink: Color, ha: str = "left"
) -> None:
    size, color = points(letters.size), rgb(ink)
    written = axes.text(*xy, text, ha=ha, va="center", fontsize=size, color=color, zorder=4)
    written.set(parse_math=False, clip_on=True)


def _draw_mask(
    axes: Axes,
    mask_HW: np.ndarray,
    size_hw: tuple[int, int],
    instance: Instance,
    ringed: bool,
    scale: float,
) -> None:
    """Draw one mask; `scale` is that of its lines."""
    rows, columns = (np.flatnonzero(mask_HW.any(axis)) for axis in (1, 0))
    if not rows.size:
        return
    top, left = int(rows[0]), int(columns[0])
    inside = np.pad(mask_HW[top : rows[-1] + 1, left : columns[-1] + 1], 1).astype(float)
    y, x = (
        (start - 0.5 + np.arange(count)) * new / old
        for start, count, new, old in zip(
            (top, left), inside.shape, size_hw, mask_HW.shape, strict=True
        )
    )
    color = rgb(instance.color)

    def line(ink: object, width: float, dashes: str = "solid") -> None:
        looks: dict[str, Any] = {"linewidths": max(0.4, scale * width), "linestyles": dashes}
        axes.contour(x, y, inside, [0.5], colors=[ink], **looks)

    if instance.style == "missed":
        line("white", 0.8)
        line("black", 0.8, "dashed")
        return
    if ringed:
        line("black", 4.4)
        line("white", 3.2)
    axes.contourf(x, y, inside, [0.5, 1.5], colors=[color], alpha=_OPACITY[instance.style])
    if instance.style in HATCHED:
        hatched = axes.contourf(x, y, inside, [0.5, 1.5], colors="none", hatches=["//////"])
        hatched.set(edgecolor=(*color, 0.5 if instance.style == "weak" else 1.0), linewidth=0)
    if instance.style != "weak":
        line("black", 1.5)
    line(color, 0.9)
