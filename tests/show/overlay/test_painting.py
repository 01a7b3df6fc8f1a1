"""Painting: colors that are told apart, and the pixels that a mask changes."""

from itertools import combinations

import numpy as np
import pytest

from drawing_case import square
from vis_bench.masks.rle import encode_masks
from vis_bench.show.overlay.painting import (
    BLACK,
    FILL,
    HATCHED,
    PALETTE,
    WHITE,
    color_of,
    contrast,
    ink_on,
    masks_at,
    paint,
    stripes,
)

GRAY_FRAME = np.full((60, 96, 3), 100, np.uint8)
RED, BLUE = (200, 0, 0), (0, 0, 200)
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


def mixed(color, opacity):
    """Gray below needs no muting: it stays what it is."""
    return [(100 * (256 - opacity) + c * opacity) >> 8 for c in color]


def test_a_filled_mask_has_an_edge_in_its_color_and_a_dark_line_around():
    mask = square(20, 10, 20)
    painted = paint(GRAY_FRAME, mask[None], [RED], ["track"], [False])
    assert (painted[24:36, 14:26] == mixed(RED, FILL)).all()
    for row, column in ((20, 10), (39, 29), (20, 20), (30, 29)):
        assert painted[row, column].tolist() == list(RED)
    assert painted[19, 20].tolist() == [33, 33, 33]
    assert painted[30, 9].tolist() == [33, 33, 33]
    changed = (painted != GRAY_FRAME).any(2)
    assert changed.sum() == 20 * 20 + 4 * 20
    assert (GRAY_FRAME == 100).all()


def test_earlier_masks_lie_above_and_edges_of_both_show():
    above, below = square(20, 10, 20), square(20, 20, 20)
    painted = paint(GRAY_FRAME, np.stack([above, below]), [RED, BLUE], ["track"] * 2, [False] * 2)
    assert painted[30, 25].tolist() == mixed(RED, FILL)
    assert painted[30, 35].tolist() == mixed(BLUE, FILL)
    assert painted[30, 20].tolist() == list(BLUE)


def test_a_false_track_is_hatched():
    mask = square(10, 10, 40)
    painted = paint(GRAY_FRAME, mask[None], [RED], ["false"], [False])
    inside = (slice(14, 46), slice(14, 46))
    striped = stripes((60, 96))[inside]
    assert 0.4 < striped.mean() < 0.6
    assert (painted[inside][striped] == mixed(RED, HATCHED["false"][0])).all()
    assert (painted[inside][~striped] == mixed(RED, HATCHED["false"][1])).all()


def test_an_object_that_is_not_matched_is_only_labeled():
    painted = paint(GRAY_FRAME, square(10, 10, 40)[None], [RED], ["unmatched"], [False])
    assert (painted == 100).all()


def test_a_missed_object_is_outlined_with_thin_dashes_and_not_filled():
    painted = paint(GRAY_FRAME, square(10, 10, 40)[None], [RED], ["missed"], [False])
    assert (painted[11:49, 11:49] == 100).all()
    edge = painted[10, 10:50]
    assert set(edge[:, 0].tolist()) == {0, 255}
    assert (edge == edge[:, :1]).all()
    assert (painted[:10] == 100).all()


def test_a_switched_mask_has_a_white_ring_around():
    painted = paint(GRAY_FRAME, square(20, 40, 16)[None], [RED], ["track"], [True])
    assert (painted[20:36, 37] == 255).all()
    assert (painted[:12] == 100).all()


def test_a_colored_frame_is_muted_below_a_mask_and_only_there():
    green = np.zeros((60, 96, 3), np.uint8)
    green[..., 1] = 255
    painted = paint(green, square(20, 10, 20)[None], [RED], ["track"], [False])
    gray = 255 * 150 >> 8
    muted = np.array([gray, 255 + gray, gray]) >> 1
    assert painted[30, 20].tolist() == ((muted * (256 - FILL) + np.array(RED) * FILL) >> 8).tolist()
    assert painted[5, 80].tolist() == [0, 255, 0]


def test_masks_at_the_border_are_outlined_there():
    for top, left in ((0, 0), (44, 80)):
        painted = paint(GRAY_FRAME, square(top, left)[None], [RED], ["track"], [True])
        assert painted[top, left].tolist() == list(RED)


def test_nothing_is_painted_without_masks():
    nothing = np.zeros((0, 60, 96), bool)
    assert (paint(GRAY_FRAME, nothing, [], [], []) == GRAY_FRAME).all()
    empty = np.zeros((1, 60, 96), bool)
    assert (paint(GRAY_FRAME, empty, [RED], ["track"], [True]) == GRAY_FRAME).all()


def test_masks_at_other_sizes():
    random = np.random.default_rng(0).random((3, 60, 96)) < 0.5
    rles = encode_masks(random)
    assert (masks_at(rles, (60, 96), (60, 96)) == random).all()
    twice = masks_at(rles, (60, 96), (120, 192))
    assert (twice == random.repeat(2, 1).repeat(2, 2)).all()
    third = masks_at(rles, (60, 96), (20, 32))
    assert (third == random[:, 1::3, 1::3]).all()
    assert masks_at([], (60, 96), (20, 32)).shape == (0, 20, 32)
