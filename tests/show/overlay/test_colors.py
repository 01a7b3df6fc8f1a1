"""Colors are told apart, by color-blind readers too, and text on them is readable."""

from itertools import combinations

import numpy as np
import pytest

from vis_bench.show.overlay.painting import BLACK, PALETTE, WHITE, color_of, contrast, ink_on

# Linear RGB as a dichromat sees it (Vienot, Brettel and Mollon, 1999; deuteranopia, protanopia).
DICHROMATS = {
    "deuteranopia": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
    "protanopia": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
}


def lab(color, seen):
    value = np.array(color) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(seen) @ linear, 0, 1)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = to_xyz @ linear / (0.9505, 1, 1.089)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("seen", [np.eye(3), *DICHROMATS.values()], ids=["all", *DICHROMATS])
def test_the_first_colors_are_told_apart(seen):
    for one, other in combinations(PALETTE[:8], 2):
        assert np.linalg.norm(lab(one, seen) - lab(other, seen)) > 12, (one, other)


def test_every_color_is_another():
    assert len(set(PALETTE)) == len(PALETTE) == 14
    assert color_of(3) == color_of(17) == PALETTE[3]


@pytest.mark.parametrize("color", [*PALETTE, BLACK, WHITE])
def test_text_is_readable_on_every_color(color):
    assert contrast(ink_on(color), color) >= 4.5


def test_contrast_of_black_and_white():
    assert contrast(BLACK, WHITE) == pytest.approx(21)
