"""One style for all charts, files of charts, and places for labels in charts and overlays.

SVG and PDF are vector graphics whose texts stay texts, in an embedded font in a PDF, so that LaTeX
can include them as they are. Equal charts give equal bytes from the same library version.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "os^DvPX<>dp"
# As in the report's style sheet; distinguishable with color blindness.
PALETTE = "#0b6bb8", "#c25a00", "#0f8f6b", "#a63d84", "#6b6f0f", "#6a5acd", "#57606a"
_POINTS_PER_INCH = 72
_DOTS_PER_INCH = 150
_STYLE: dict[Any, Any] = {
    # 42 is TrueType, which LaTeX and publishers take; they refuse 3, the library's default.
    "svg.hashsalt": "vis-bench", "svg.fonttype": "none", "pdf.fonttype": 42,
    "font.size": 8, "text.parse_math": False, "legend.fontsize": 7, "legend.frameon": False,
    "legend.loc": "upper left", "legend.borderaxespad": 0,
    "axes.grid": True, "axes.axisbelow": True, "grid.alpha": 0.25, "grid.linewidth": 0.6,
    "lines.linewidth": 0.9, "lines.markersize": 5.5, "lines.markeredgewidth": 0.3,
}  # fmt: skip

_LABEL_SIZE, _EM_PER_CHARACTER = 6.5, 0.66
# In points; labels are placed on a grid of this many pixels per point.
_MARKER_RADIUS, _FARTHEST, _PIXELS_PER_POINT = 3, 18, 2
_MOST_POINTS = 300  # a chart with more has no labels
# Places are searched on a grid of cells this many pixels wide. A label keeps a distance from masks.
# A covered cell outweighs any distance, a crossed line some pixels of it, a shorter form 20.
_CELL, _CLEARANCE = 4, 2
_COVERED, _CROSSED, _SHORTER = 1e5, 5.0, 20.0


def picture_format(path: Path) -> str:
    """Return the format that a file's ending names."""
    return path.suffix.lower().removeprefix(".")


@contextmanager
def chart_style(changes: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Draw in the style of all charts, without matplotlib's warnings about missing glyphs."""
    import matplotlib as mpl
    from matplotlib.rcsetup import cycler

    colors = {"axes.prop_cycle": cycler(color=PALETTE)}
    with mpl.rc_context(_STYLE | colors | dict(changes or {})), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from")
        yield


def encode_figure(
    figure: Figure, form: str, description: str = "", dpi: int = _DOTS_PER_INCH
) -> bytes:
    """Return a figure as a file, without a date.

    Args:
        form: "png", "svg" or "pdf".
        description: stands in an SVG's metadata.
        dpi: of a PNG, and of pictures within an SVG or a PDF.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    out = io.BytesIO()
    figure.set_dpi(dpi)
    if form == "svg":
        metadata: dict[str, Any] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        described = {"Description": description} if description else {}
        FigureCanvasSVG(figure).print_svg(out, metadata=metadata | described)
    elif form == "pdf":
        nothing = dict.fromkeys(("CreationDate", "Creator", "Producer"))
        FigureCanvasPdf(figure).print_pdf(out, metadata=nothing)
    else:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        return encode_picture(picture, "PNG", optimize=True)
    return out.getvalue()


def encode_picture(picture: Image.Image, form: str, **options: Any) -> bytes:
    """Return a picture as a file of a format that Pillow writes, with Pillow's options."""
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def add_legend(
    parent: Axes | Figure, handles: Sequence[Any], names: Sequence[str], **options: Any
) -> None:
    """Add a legend. Names are set late, since matplotlib hides those with a leading underscore."""
    if names:
        numbers = list(map(str, range(len(names))))
        legend = parent.legend(handles, numbers, **options)
        for text, name in zip(legend.get_texts(), names, strict=True):
            text.set_text(name)


def label_points(axis: Axes, labels: Sequence[Sequence[str]]) -> None:
    """Write a label beside each point of an axis' lines, where there is room near it.

    No label covers a point or another label; lines are crossed only where nothing else is free.
    A chart with very many points has no labels.

    Args:
        labels: of the points of each line; an empty one is not drawn.
    """
    if not 0 < sum(map(len, labels)) <= _MOST_POINTS:
        return
    figure = axis.get_figure(root=True)
    assert figure is not None
    frame = axis.get_window_extent()
    scale = _PIXELS_PER_POINT * _POINTS_PER_INCH / figure.dpi
    width, height = math.floor(scale * frame.width), math.floor(scale * frame.height)
    rows_h1, columns_w = np.arange(height)[:, None] + 0.5, np.arange(width) + 0.5
    lines_hw = np.zeros((height, width), bool)
    radius = _PIXELS_PER_POINT * _MARKER_RADIUS
    points, marks, forms = [], [], []
    for line, texts in zip(axis.lines, labels, strict=True):
        data_P2 = np.asarray(line.get_xydata())
        xy_P2 = scale * (axis.transData.transform(data_P2) - frame.p0)
        xy_P2[:, 1] = height - xy_P2[:, 1]  # from the upper left corner
        for start, end in pairwise(xy_P2):
            steps = np.linspace(start, end, math.ceil(np.abs(end - start).max()) + 1)
            columns, rows = np.clip(steps.astype(int), 0, (width - 1, height - 1)).T
            lines_hw[rows, columns] = True
        for text, data, (x, y) in zip(texts, data_P2, xy_P2, strict=True):
            points.append((text, data, x, y, line.get_color()))
            marks.append(np.hypot(columns_w - x, rows_h1 - y) <= radius)
            forms.append([_label_size(text)] if text else [])
    places = place_labels(np.stack(marks), forms, {}, lines_hw)
    for (text, data, x, y, color), place in zip(points, places, strict=True):
        if place is None or place.covers:
            continue
        (w, h), left, top = _label_size(text), place.x - x, place.y - y
        gap = math.hypot(max(left, 0, -left - w), max(top, 0, -top - h))
        if gap <= _FARTHEST * _PIXELS_PER_POINT:
            offset = (left + w / 2) / _PIXELS_PER_POINT, (-top - h / 2) / _PIXELS_PER_POINT
            axis.annotate(
                text, data, xytext=offset, textcoords="offset points",
                size=_LABEL_SIZE, ha="center", va="center", color=color,
            )  # fmt: skip


@dataclass(frozen=True)
class Placed:
    """Place of a label: its upper left corner in pixels, and which of its forms fits there.

    `covers`: it lies over a mask or another label, because no place was free. `offset`: from the
    middle of its object to the corner.
    """

    x: int
    y: int
    form: int
    covers: bool
    offset: tuple[float, float]


def place_labels(
    masks_Nhw: np.ndarray,
    forms: Sequence[Sequence[tuple[int, int]]],
    before: Mapping[int, tuple[float, float]],
    crossed_hw: np.ndarray | None = None,
) -> list[Placed | None]:
    """Return a place for each mask's label; None for an empty mask or a label without a form.

    Greedy: each label takes the place nearest to its mask at which it covers neither a mask nor an
    earlier label. Where that is far, or there is none, a shorter form is tried; where no form has
    one, it takes the place at which it covers least. Of three orders, the one with the least sum of
    costs is kept.

    Args:
        forms: (width, height) in pixels of each form of each label, from the largest.
        before: offsets of labels in the frame before, by their index; places near them are
            preferred, so that labels do not jump.
        crossed_hw: pixels that a label may cover at a small cost.
    """
    cells_Nyx = _cells(masks_Nhw)
    occupied_yx = np.asarray(cells_Nyx.any(0))
    crossed_yx = None if crossed_hw is None else _cells(crossed_hw[None])[0]
    boxes = [[_size_in_cells(size, occupied_yx.shape) for size in sizes] for sizes in forms]
    indices = [n for n, own_yx in enumerate(cells_Nyx) if own_yx.any() and forms[n]]
    middles = {n: _middle(cells_Nyx[n]) for n in indices}

    @cache
    def costs(n: int, form: int) -> np.ndarray:
        cost = _costs(occupied_yx, cells_Nyx[n], boxes[n][form], middles[n], before.get(n))
        return cost if crossed_yx is None else cost + _CROSSED * _counts(crossed_yx, boxes[n][form])

    def place_in(order: Sequence[int]) -> tuple[float, dict[int, Placed]]:
        taken: list[tuple[int, int, int, int]] = []
        placed: dict[int, Placed] = {}
        total = 0.0
        for n in order:
            choices = []
            for form, (box_rows, box_columns) in enumerate(boxes[n]):
                cost = costs(n, form).copy()
                for top, left, bottom, right in taken:
                    above = slice(max(0, top - box_rows + 1), bottom)
                    cost[above, max(0, left - box_columns + 1) : right] += _COVERED
                place = int(cost.argmin())
                choices.append((float(cost.flat[place]) + _SHORTER * form, form, place))
                if choices[-1][0] < _SHORTER * (form + 1):
                    break
            least, form, place = min(choices)
            row, column = divmod(place, costs(n, form).shape[1])
            total += least
            taken.append((row, column, row + boxes[n][form][0], column + boxes[n][form][1]))
            x, y = _CELL * column + _CLEARANCE, _CELL * row + _CLEARANCE
            offset = x - middles[n][0], y - middles[n][1]
            placed[n] = Placed(x, y, form, least >= _COVERED, offset)
        return total, placed

    tightest = sorted(indices, key=lambda n: -float(costs(n, 0).min()))
    attempts = [place_in(order) for order in (indices, tightest, tightest[::-1])]
    _, placed = min(attempts, key=lambda attempt: attempt[0])
    return [placed.get(n) for n in range(len(masks_Nhw))]


def _label_size(text: str) -> tuple[int, int]:
    """Width and height of a chart's label in pixels of the grid, by its number of characters."""
    height = math.ceil(_PIXELS_PER_POINT * _LABEL_SIZE)
    return math.ceil(height * _EM_PER_CHARACTER * len(text)), height


def _cells(masks_Nhw: np.ndarray) -> np.ndarray:
    """Cells that hold a pixel of each mask."""
    height, width = masks_Nhw.shape[1:]
    padded = np.pad(masks_Nhw, ((0, 0), (0, -height % _CELL), (0, -width % _CELL)))
    rows = np.logical_or.reduce([padded[:, i::_CELL] for i in range(_CELL)])
    return np.logical_or.reduce([rows[:, :, i::_CELL] for i in range(_CELL)])


def _middle(cells_yx: np.ndarray) -> tuple[float, float]:
    rows, columns = np.nonzero(cells_yx)
    return _CELL * (float(columns.mean()) + 0.5), _CELL * (float(rows.mean()) + 0.5)


def _size_in_cells(size: tuple[int, int], grid: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns that a label and its clearance take, no more than there are."""
    width, height = (-(-(side + 2 * _CLEARANCE) // _CELL) for side in size)
    return min(height, grid[0]), min(width, grid[1])


def _costs(
    occupied_yx: np.ndarray,
    own_yx: np.ndarray,
    box: tuple[int, int],
    middle: tuple[float, float],
    offset: tuple[float, float] | None,
) -> np.ndarray:
    """Cost of each place of a label's upper left cell: covered cells, and distance to its mask."""
    from scipy.ndimage import distance_transform_edt

    covered = _counts(occupied_yx, box)
    apart = _counts(own_yx, box) == 0
    distance = distance_transform_edt(apart) * _CELL if not apart.all() else np.zeros(apart.shape)
    x = _CELL * np.arange(covered.shape[1]) + _CLEARANCE
    y = _CELL * np.arange(covered.shape[0])[:, None] + _CLEARANCE
    off_x = np.abs(x - _CLEARANCE + _CELL * box[1] / 2 - middle[0])
    below_y = y - _CLEARANCE + _CELL * box[0] / 2 - middle[1]
    cost = _COVERED * covered + distance + 0.05 * off_x + 0.02 * below_y
    if offset is not None:
        cost += 0.4 * np.hypot(x - middle[0] - offset[0], y - middle[1] - offset[1])
    return cost - min(0.0, float(cost.min()))


def _counts(cells_yx: np.ndarray, box: tuple[int, int]) -> np.ndarray:
    """Number of the cells that a box covers, for each place of its upper left corner."""
    before = np.zeros((cells_yx.shape[0] + 1, cells_yx.shape[1] + 1), np.int32)
    np.cumsum(np.cumsum(cells_yx, 0, dtype=np.int32), 1, out=before[1:, 1:])
    tall = before[box[0] :] - before[: -box[0]]
    return tall[:, box[1] :] - tall[:, : -box[1]]
