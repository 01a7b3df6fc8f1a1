"""Places for labels: beside their objects, and over none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import distance_transform_edt

# Places are looked for on a grid of cells this many pixels wide. A label keeps a distance of at
# least CLEARANCE pixels from masks. A covered cell outweighs any distance; a shorter form costs as
# much as a distance of some pixels.
CELL, CLEARANCE = 4, 2
_COVERED, _SHORTER = 1e5, 20.0


@dataclass(frozen=True)
class Placed:
    """A label's upper left corner in pixels, and which of its forms fits there.

    `covers`: whether it may lie over a mask or another label, where no place was free. `offset`:
    from the middle of its object to the corner.
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
) -> list[Placed | None]:
    """A place for each mask's label; None where the mask is empty.

    Each label in turn takes, of all places within the frame at which it covers neither a mask nor
    an earlier label, the one nearest to its mask. Where that is far, or there is none, a shorter
    form is tried; where no form has one, it takes the place at which it covers least. Several
    orders are tried, and the one kept whose labels are nearest in sum.

    Args:
        forms: (width, height) in pixels of each form of each label, from the largest.
        before: offsets of labels in the frame before, by their index; places near them are
            preferred, so that labels do not jump.
    """
    cells_Nyx = _cells(masks_Nhw)
    occupied_yx = np.asarray(cells_Nyx.any(0))
    labels = {
        index: _Label.of(own_yx, occupied_yx, forms[index], before.get(index))
        for index, own_yx in enumerate(cells_Nyx)
        if own_yx.any()
    }
    tightest = sorted(labels, key=lambda index: -labels[index].least_cost)
    attempts = [_in_turn(labels, order) for order in (list(labels), tightest, tightest[::-1])]
    _, placed = min(attempts, key=lambda attempt: attempt[0])
    return [placed.get(index) for index in range(len(masks_Nhw))]


@dataclass(frozen=True)
class _Label:
    """What each place costs for a form of a label, by row and column of cells.

    `costs(form)` is computed when asked for, since most labels need only their first form. `boxes`
    are the forms' rows and columns in cells; `middle` of the object is x and y in pixels.
    """

    costs: Callable[[int], np.ndarray]
    boxes: Sequence[tuple[int, int]]
    middle: tuple[float, float]

    @property
    def least_cost(self) -> float:
        """Of the first form, where no other label is in the way."""
        return float(self.costs(0).min())

    @classmethod
    def of(
        cls,
        own_yx: np.ndarray,
        occupied_yx: np.ndarray,
        forms: Sequence[tuple[int, int]],
        offset: tuple[float, float] | None,
    ) -> _Label:
        rows, columns = np.nonzero(own_yx)
        middle = CELL * (float(columns.mean()) + 0.5), CELL * (float(rows.mean()) + 0.5)
        boxes = [_size_in_cells(size, own_yx.shape) for size in forms]

        @cache
        def costs(form: int) -> np.ndarray:
            return _costs(occupied_yx, own_yx, boxes[form], middle, offset)

        return cls(costs, boxes, middle)


def _in_turn(labels: Mapping[int, _Label], order: Sequence[int]) -> tuple[float, dict[int, Placed]]:
    """Places labels in an order; the sum of their costs, and where they are."""
    taken: list[tuple[int, int, int, int]] = []
    placed: dict[int, Placed] = {}
    total = 0.0
    for index in order:
        label = labels[index]
        choices = []
        for form, box in enumerate(label.boxes):
            cost = label.costs(form).copy()
            for top, left, bottom, right in taken:
                above = slice(max(0, top - box[0] + 1), bottom)
                cost[above, max(0, left - box[1] + 1) : right] += _COVERED
            place = int(cost.argmin())
            choices.append((float(cost.flat[place]) + _SHORTER * form, form, place))
            if choices[-1][0] < _SHORTER * (form + 1):
                break
        least, form, place = min(choices)
        row, column = divmod(place, label.costs(form).shape[1])
        box = label.boxes[form]
        total += least
        taken.append((row, column, row + box[0], column + box[1]))
        x, y = CELL * column + CLEARANCE, CELL * row + CLEARANCE
        offset = x - label.middle[0], y - label.middle[1]
        placed[index] = Placed(x, y, form, least >= _COVERED, offset)
    return total, placed


def _cells(masks_Nhw: np.ndarray) -> np.ndarray:
    """Which cells hold a pixel of each mask."""
    height, width = masks_Nhw.shape[1:]
    padded = np.pad(masks_Nhw, ((0, 0), (0, -height % CELL), (0, -width % CELL)))
    rows = np.logical_or.reduce([padded[:, i::CELL] for i in range(CELL)])
    return np.logical_or.reduce([rows[:, :, i::CELL] for i in range(CELL)])


def _size_in_cells(size: tuple[int, int], grid: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns that a label and its clearance take, no more than there are."""
    width, height = (-(-(side + 2 * CLEARANCE) // CELL) for side in size)
    return min(height, grid[0]), min(width, grid[1])


def _costs(
    occupied_yx: np.ndarray,
    own_yx: np.ndarray,
    box: tuple[int, int],
    middle: tuple[float, float],
    offset: tuple[float, float] | None,
) -> np.ndarray:
    """What each place of a label's upper left cell costs: what it covers, and how far it is."""
    covered = _counts(occupied_yx, box)
    apart = _counts(own_yx, box) == 0
    distance = distance_transform_edt(apart) * CELL if not apart.all() else np.zeros(apart.shape)
    x = CELL * np.arange(covered.shape[1]) + CLEARANCE
    y = CELL * np.arange(covered.shape[0])[:, None] + CLEARANCE
    off_x = np.abs(x - CLEARANCE + CELL * box[1] / 2 - middle[0])
    below_y = y - CLEARANCE + CELL * box[0] / 2 - middle[1]
    cost = _COVERED * covered + distance + 0.05 * off_x + 0.02 * below_y
    if offset is not None:
        cost += 0.4 * np.hypot(x - middle[0] - offset[0], y - middle[1] - offset[1])
    return cost - min(0.0, float(cost.min()))


def _counts(cells_yx: np.ndarray, box: tuple[int, int]) -> np.ndarray:
    """How many of the cells a box covers, for each place of its upper left corner."""
    before = np.zeros((cells_yx.shape[0] + 1, cells_yx.shape[1] + 1), np.int32)
    np.cumsum(np.cumsum(cells_yx, 0, dtype=np.int32), 1, out=before[1:, 1:])
    tall = before[box[0] :] - before[: -box[0]]
    return tall[:, box[1] :] - tall[:, : -box[1]]
