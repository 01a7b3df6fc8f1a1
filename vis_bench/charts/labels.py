"""Places for labels beside masks of a picture and points of a chart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POINTS_PER_INCH = 72
LABEL_SIZE, _EM_PER_CHARACTER = 8, 0.72
# In points; labels are placed on a grid of this many pixels per point.
_MARKER_RADIUS, _FARTHEST, _NEAR, _PIXELS_PER_POINT = 3, 30, 7, 2
_MOST_POINTS = 300  # a chart with more has no labels
# Places are searched on a grid of cells this many pixels wide. A label keeps a distance from masks.
# A covered cell outweighs any distance, a crossed line some pixels of it, a shorter form 20.
_CELL, _CLEARANCE = 4, 2
_COVERED, _CROSSED, _SHORTER = 1e5, 5.0, 20.0


def label_points(axis: Axes, labels: Sequence[Sequence[str]]) -> None:
    """Write a label beside each point of an axis' lines, where there is room near it.

    No label covers a point or another label; lines and bars are crossed only where nothing else is
    free. A label that does not stand beside its point has a line to it. A chart with very many
    points has no labels.

    Args:
        labels: of the points of each line; an empty one is not drawn.
    """
    if not 0 < sum(map(len, labels)) <= _MOST_POINTS or not any(map(any, labels)):
        return
    figure = axis.get_figure(root=True)
    assert figure is not None
    frame = axis.get_window_extent()
    scale = _PIXELS_PER_POINT * _POINTS_PER_INCH / figure.dpi
    width, height = math.floor(scale * frame.width), math.floor(scale * frame.height)
    rows_h1, columns_w = np.arange(height)[:, None] + 0.5, np.arange(width) + 0.5
    lines_hw = np.zeros((height, width), bool)
    radius = _PIXELS_PER_POINT * _MARKER_RADIUS

    def pixels_of(data_P2: np.ndarray) -> np.ndarray:
        """Places from the upper left corner."""
        xy_P2 = scale * (axis.transData.transform(data_P2) - frame.p0)
        xy_P2[:, 1] = height - xy_P2[:, 1]
        return xy_P2

    def cross(xy_P2: np.ndarray) -> None:
        for start, end in pairwise(xy_P2):
            steps = np.linspace(start, end, math.ceil(np.abs(end - start).max()) + 1)
            columns, rows = np.clip(steps.astype(int), 0, (width - 1, height - 1)).T
            lines_hw[rows, columns] = True

    for bars in axis.collections:
        for path in bars.get_paths():
            cross(pixels_of(np.asarray(path.vertices)))
    points, marks, forms = [], [], []
    for line, texts in zip(axis.lines, labels, strict=True):
        data_P2 = np.asarray(line.get_xydata(), float).reshape(-1, 2)
        xy_P2 = pixels_of(data_P2)
        if line.get_linestyle() != "None":
            cross(xy_P2)
        for text, data, (x, y) in zip(texts, data_P2, xy_P2, strict=True):
            points.append((text, data, x, y, line.get_color()))
            marks.append(np.hypot(columns_w - x, rows_h1 - y) <= radius)
            forms.append([_label_size(text)] if text else [])
    places = place_labels(np.stack(marks), forms, {}, lines_hw)
    for (text, data, x, y, color), place in zip(points, places, strict=True):
        if place is None or place.covers:
            continue
        (w, h), left, top = _label_size(text), place.x - x, place.y - y
        gap = math.hypot(max(left, 0, -left - w), max(top, 0, -top - h)) / _PIXELS_PER_POINT
        if gap <= _FARTHEST:
            offset = (left + w / 2) / _PIXELS_PER_POINT, (-top - h / 2) / _PIXELS_PER_POINT
            leader = {"arrowstyle": "-", "color": color, "linewidth": 0.5, "shrinkA": 0}
            axis.annotate(
                text,
                tuple(data),
                xytext=offset,
                textcoords="offset points",
                size=LABEL_SIZE,
                color=color,
                ha="center",
                va="center",
                arrowprops=leader if gap > _NEAR else None,
            )


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
    height = math.ceil(_PIXELS_PER_POINT * LABEL_SIZE)
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
