"""A color per track, told apart by color-blind readers too, and ink that is readable on it.

The first seven are those of Okabe and Ito ("Color Universal Design", 2008) without black; the
others are dark and light ones of Paul Tol's qualitative schemes ("Colour Schemes", SRON/EPS/TN/
09-002, 2021). After these the colors start again.
"""

from __future__ import annotations

import numpy as np

Color = tuple[int, int, int]

WHITE: Color = (255, 255, 255)
BLACK: Color = (0, 0, 0)
GRAY: Color = (128, 128, 128)

PALETTE: tuple[Color, ...] = (
    (230, 159, 0),  # orange
    (0, 114, 178),  # blue
    (240, 228, 66),  # yellow
    (204, 121, 167),  # reddish purple
    (0, 158, 115),  # bluish green
    (86, 180, 233),  # sky blue
    (213, 94, 0),  # vermillion
    (51, 34, 136),  # indigo
    (170, 221, 170),  # pale green
    (136, 34, 85),  # wine
    (153, 153, 51),  # olive
    (255, 170, 187),  # pink
    (17, 119, 51),  # green
    (170, 68, 153),  # purple
)


def color_of(identity: int) -> Color:
    """The color of an object, counted from 0."""
    return PALETTE[identity % len(PALETTE)]


def ink_on(color: Color) -> Color:
    """Black or white, whichever has the higher contrast on a color."""
    return max((BLACK, WHITE), key=lambda ink: contrast(ink, color))


def contrast(one: Color, other: Color) -> float:
    """The contrast ratio of two colors, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: Color) -> float:
    """Relative luminance of sRGB, 0..1."""
    values = np.array(color) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))
