"""Outlines and textures on a square grid of cells, and the six classes that pair them.

The unit circle that holds every outline spans `CELLS` cells. Coordinates are those of the cell
centers in half cells, odd integers from -(CELLS - 1) to CELLS - 1, so that every test is exact
integer arithmetic and gives the same cells on every machine.

Every outline and every texture occurs in two classes, so neither alone tells the class. Colors are
drawn per object; in the plain variant an object has the one color of its class instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vis_bench.data.synthetic.random_draws import Draws
from vis_bench.errors import InputError

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


def box(aspect: float) -> np.ndarray:
    """A rectangle with its corners on the rim; `aspect` is height over width."""
    half_width = REACH / math.hypot(1.0, aspect)
    x, y = _even(half_width), _even(half_width * aspect)
    return inside_polygon([(-x, -y), (x, -y), (x, y), (-x, y)])


def ellipse(aspect: float) -> np.ndarray:
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


def stripes(width: int, phase: int) -> np.ndarray:
    """Vertical bands `width` half cells wide."""
    x, y = cell_centers()
    return (((x + phase) // width) % 2 == 1) & (y == y)


def checks(width: int, phase: int) -> np.ndarray:
    """A chess board of squares with sides of `width` half cells."""
    x, y = cell_centers()
    return ((x + phase) // width + (y + phase) // width) % 2 == 1


def dots(width: int, phase: int) -> np.ndarray:
    """Discs on a square lattice: spacing 2 `width`, radius 2/3 `width`, in half cells."""
    x, y = cell_centers()
    dx = (x + phase) % (2 * width) - width
    dy = (y + phase) % (2 * width) - width
    return 9 * (dx**2 + dy**2) <= 4 * width**2


def value_noise(draws: Draws, height: int, width: int, spacing: int) -> np.ndarray:
    """Smooth noise 0..255 (height, width): random values on a lattice, bilinear between.

    Args:
        spacing: pixels from one lattice point to the next.
    """
    rows, columns = height // spacing + 2, width // spacing + 2
    lattice = draws.noise(rows, columns)
    y, x = np.divmod(np.arange(height), spacing), np.divmod(np.arange(width), spacing)
    across = lattice[:, x[0]] * (spacing - x[1]) + lattice[:, x[0] + 1] * x[1]
    part = y[1][:, None]
    return (across[y[0]] * (spacing - part) + across[y[0] + 1] * part) // spacing**2


Outline = Literal["star", "box", "ellipse"]
Texture = Literal["stripes", "checks", "dots"]
Color = tuple[int, int, int]

OUTLINES: dict[Outline, Callable[[float], np.ndarray]] = {
    "star": lambda aspect: star(),
    "box": box,
    "ellipse": ellipse,
}
TEXTURES: dict[Texture, Callable[[int, int], np.ndarray]] = {
    "stripes": stripes,
    "checks": checks,
    "dots": dots,
}
TEXTURE_WIDTHS: dict[Texture, tuple[int, int]] = {  # half cells of 254 across, from and below
    "stripes": (34, 43),
    "checks": (44, 55),
    "dots": (32, 39),
}


@dataclass(frozen=True)
class SyntheticClass:
    """Outline and texture of a class, and its color in the plain variant."""

    outline: Outline
    texture: Texture
    plain_color: Color


CLASSES: dict[int, SyntheticClass] = {
    1: SyntheticClass("star", "stripes", (230, 60, 50)),
    2: SyntheticClass("star", "checks", (60, 200, 70)),
    3: SyntheticClass("box", "checks", (60, 90, 235)),
    4: SyntheticClass("box", "dots", (235, 210, 60)),
    5: SyntheticClass("ellipse", "dots", (220, 70, 220)),
    6: SyntheticClass("ellipse", "stripes", (70, 220, 225)),
}
ASPECTS: dict[Outline, tuple[float, float]] = {  # height over width, lowest and highest
    "star": (1.0, 1.0),
    "box": (0.52, 0.68),
    "ellipse": (0.75, 1.0),
}
RIM = 4  # cells along the edge that have the first color, so that the outline shows
SIZES: dict[Outline, float] = {"star": 1.0, "box": 1.0, "ellipse": 0.85}  # for similar areas
PLAIN_BACKGROUND: Color = (28, 28, 28)


def plain_color(category_id: int) -> Color:
    """The RGB color, 0..255, of a class in the plain variant.

    Raises:
        InputError: for a category id that is not one of the six.
    """
    if category_id not in CLASSES:
        raise InputError(f"category id {category_id!r} is unknown; synthetic videos have 1 to 6")
    return CLASSES[category_id].plain_color


def codes_of(category_id: int, aspect: float, width: int, phase: int) -> np.ndarray:
    """Codes (CELLS, CELLS) of a class: 0 outside, 1 rim and ground, 2 the pattern.

    Args:
        aspect: height over width of a box or an ellipse.
        width: the texture's scale in half cells, see `TEXTURE_WIDTHS`.
        phase: the texture's shift in half cells.
    """
    look = CLASSES[category_id]
    outline = OUTLINES[look.outline](aspect)
    pattern = shrink(outline, RIM) & TEXTURES[look.texture](width, phase)
    return outline.astype(np.uint8) + pattern.astype(np.uint8)
