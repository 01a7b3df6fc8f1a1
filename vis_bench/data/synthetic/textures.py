"""Two-color patterns on the cells of `shapes`, and the noise behind the objects.

A pattern is a boolean array (CELLS, CELLS) that says where the second color is. All arithmetic
is on integers.
"""

from __future__ import annotations

import numpy as np

from vis_bench.data.synthetic.random_draws import Draws
from vis_bench.data.synthetic.shapes import cell_centers


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
