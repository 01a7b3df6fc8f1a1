"""Outlines on a square grid of cells: star, box, ellipse.

The unit circle that holds every outline spans `CELLS` cells. Coordinates are those of the cell
centers in half cells, odd integers from -(CELLS - 1) to CELLS - 1, so every test for "inside" is
exact integer arithmetic and gives the same cells on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

CELLS = 128
REACH = CELLS - 1  # half cells from the center to the rim
STAR_WAIST = 0.55  # radius of the inner corners over the outer; thinner tips vanish on coarse grids


def cell_centers() -> tuple[np.ndarray, np.ndarray]:
    """The cell centers in half cells from the middle: x (1, CELLS) and y (CELLS, 1)."""
    axis = np.arange(-REACH, REACH + 1, 2, dtype=np.int32)
    return axis[None, :], axis[:, None]


def inside_polygon(corners: Sequence[tuple[int, int]]) -> np.ndarray:
    """Boolean (CELLS, CELLS): cells whose center lies in a simple polygon (even-odd rule).

    Args:
        corners: x, y in half cells; even integers keep the edges off the cell centers.
    """
    x, y = cell_centers()
    inside = np.zeros((CELLS, CELLS), dtype=bool)
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if y0 == y1:
            continue
        spans = (y0 > y) != (y1 > y)
        left = (x - x0) * (y1 - y0) < (x1 - x0) * (y - y0)
        inside ^= spans & (left if y1 > y0 else ~left)
    return inside


def star(points: int = 5) -> np.ndarray:
    """A star with `points` tips on the rim."""
    corners = []
    for k in range(2 * points):
        radius = REACH * (1.0 if k % 2 == 0 else STAR_WAIST)
        angle = math.pi * k / points
        corners.append((_even(radius * math.sin(angle)), _even(-radius * math.cos(angle))))
    return inside_polygon(corners)


def box(aspect: float = 1.0) -> np.ndarray:
    """A rectangle with its corners on the rim; `aspect` is height over width."""
    half_width = REACH / math.hypot(1.0, aspect)
    x, y = _even(half_width), _even(half_width * aspect)
    return inside_polygon([(-x, -y), (x, -y), (x, y), (-x, y)])


def ellipse(aspect: float = 1.0) -> np.ndarray:
    """An ellipse as wide as the grid; `aspect` is height over width."""
    x, y = cell_centers()
    a, b = REACH, _even(REACH * aspect)
    return (x * b) ** 2 + (y * a) ** 2 <= (a * b) ** 2


def shrink(outline: np.ndarray, cells: int) -> np.ndarray:
    """The cells of an outline whose eight neighbors at that distance are inside too."""
    padded = np.pad(outline, cells)
    inner = outline.copy()
    for down in (0, cells, 2 * cells):
        for across in (0, cells, 2 * cells):
            inner &= padded[down : down + CELLS, across : across + CELLS]
    return inner


def _even(value: float) -> int:
    return 2 * round(value / 2)
