"""Masks painted over a frame, and their colors.

The first seven colors are those of Okabe and Ito ("Color Universal Design", 2008) without black;
the others are dark and light ones of Paul Tol's qualitative schemes ("Colour Schemes", SRON/EPS/TN/
09-002, 2021). A frame is painted through one map of labels and a table of colors, whatever the
number of masks; only outlines are drawn mask by mask, each in its own box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from vis_bench.masks.rle import RLE, decode

Color = tuple[int, int, int]
# `weak` tracks have too low a score; `missed` (in a frame) and `unmatched` (over the video, only
# labeled) are of objects.
Style = Literal["track", "false", "weak", "missed", "unmatched"]

# Opacities of 256: of a filled mask, and of hatched ones on their stripes and between them.
FILL = 120
HATCHED: Mapping[Style, tuple[int, int]] = {"false": (190, 30), "weak": (140, 0)}

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
    """Color of an object, counted from 0."""
    return PALETTE[identity % len(PALETTE)]


def ink_on(color: Color) -> Color:
    """Return black or white, whichever has the higher contrast on a color."""
    return max((BLACK, WHITE), key=lambda ink: contrast(ink, color))


def contrast(one: Color, other: Color) -> float:
    """Contrast ratio of two colors, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: Color) -> float:
    """Relative luminance of sRGB, 0..1."""
    values = np.array(color) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def masks_at(
    masks: Sequence[RLE], frame_size_HW: tuple[int, int], size_hw: tuple[int, int]
) -> np.ndarray:
    """Decode masks at another size, bool (N, h, w): each pixel is that at its center."""
    rows_h, columns_w = (
        ((np.arange(new) + 0.5) * old / new).astype(int)
        for old, new in zip(frame_size_HW, size_hw, strict=True)
    )
    masks_Nhw = np.zeros((len(masks), *size_hw), bool)
    for index, mask in enumerate(masks):
        masks_Nhw[index] = decode(mask).T[columns_w][:, rows_h].T
    return masks_Nhw


def paint(
    frame_hw3: np.ndarray,
    masks_Nhw: np.ndarray,
    colors: Sequence[Color],
    styles: Sequence[Style],
    ringed: Sequence[bool],
) -> np.ndarray:
    """Paint masks over a frame, uint8 RGB; earlier masks lie above later ones.

    Args:
        ringed: masks that get a white ring around them.
    """
    painted_hw3 = _fill(frame_hw3, masks_Nhw, colors, styles)
    width = max(2, round(max(frame_hw3.shape[:2]) / 140))
    for index in reversed(range(len(masks_Nhw))):
        if styles[index] != "unmatched":
            _outline(painted_hw3, masks_Nhw[index], colors[index], styles[index], width)
        if ringed[index]:
            _ring(painted_hw3, masks_Nhw[index], width)
    return painted_hw3


def stripes(size_hw: tuple[int, int]) -> np.ndarray:
    """Return diagonal stripes, bool (h, w), as wide as the gaps between them."""
    width = max(3, round(max(size_hw) / 90))
    return _diagonals(size_hw, (0, 0), width)


def _fill(
    frame_hw3: np.ndarray,
    masks_Nhw: np.ndarray,
    colors: Sequence[Color],
    styles: Sequence[Style],
) -> np.ndarray:
    labels_hw = np.zeros(frame_hw3.shape[:2], np.intp)
    for index in reversed(range(len(masks_Nhw))):
        if styles[index] == "track" or styles[index] in HATCHED:
            labels_hw[masks_Nhw[index]] = index + 1
    color_L3 = np.array([(0, 0, 0), *colors], np.uint16)
    # Between the stripes and on them.
    opacities = [HATCHED.get(style, (FILL, FILL))[::-1] for style in styles]
    opacity_2L = np.array([(0, 0), *opacities], np.uint16).T
    covered = np.flatnonzero(labels_hw)
    labels_P = labels_hw.ravel()[covered]
    opacity_P1 = opacity_2L[0][labels_P][:, None]
    if any(style in HATCHED for style in styles):
        stripe_P = stripes(frame_hw3.shape[:2]).ravel()[covered].astype(np.intp)
        opacity_P1 = opacity_2L[stripe_P, labels_P][:, None]
    painted_P3 = frame_hw3.reshape(-1, 3).copy()
    below_P3 = _muted(painted_P3[covered]) * (256 - opacity_P1)
    painted_P3[covered] = (below_P3 + color_L3[labels_P] * opacity_P1) >> 8
    return painted_P3.reshape(frame_hw3.shape)


def _muted(pixels_P3: np.ndarray) -> np.ndarray:
    """Move colors halfway to gray, uint16, so that the color over them is not mistaken."""
    pixels_P3 = pixels_P3.astype(np.uint16)
    gray_P = (pixels_P3 @ np.array([77, 150, 29], np.uint16)) >> 8
    return (pixels_P3 + gray_P[:, None]) >> 1


def _outline(
    painted_hw3: np.ndarray, mask_hw: np.ndarray, color: Color, style: Style, width: int
) -> None:
    """Draw the inner edge in the color and a dark line outside it; without one, and thinner, if
    weak; in thin dashes where missed.
    """
    if style in ("missed", "weak"):
        width = max(1, width // 2)
    box = _box(mask_hw, width + 2)
    if box is None:
        return
    inside_hw = mask_hw[box]
    part_hw3 = painted_hw3[box]
    edge_hw = inside_hw & ~_shrunk(inside_hw, width)
    if style == "missed":
        origin = box[0].start, box[1].start
        dash_hw = _diagonals(edge_hw.shape, origin, 4 * width)
        part_hw3[edge_hw & dash_hw] = WHITE
        part_hw3[edge_hw & ~dash_hw] = BLACK
        return
    if style != "weak":
        halo_hw = _grown(inside_hw, 1) & ~inside_hw
        part_hw3[halo_hw] = part_hw3[halo_hw] // 3
    part_hw3[edge_hw] = color


def _ring(painted_hw3: np.ndarray, mask_hw: np.ndarray, width: int) -> None:
    """Draw a white ring between black ones around the mask."""
    box = _box(mask_hw, 2 * width + 4)
    if box is None:
        return
    inside_hw, part_hw3 = mask_hw[box], painted_hw3[box]
    borders = [_grown(inside_hw, r) for r in (1, 2 + width, 3 + width)]
    part_hw3[borders[2] & ~inside_hw] = BLACK
    part_hw3[borders[1] & ~borders[0]] = WHITE


def _box(mask_hw: np.ndarray, margin: int) -> tuple[slice, slice] | None:
    """Bounding box with a margin; None for an empty mask."""
    sides = []
    for axis in (1, 0):
        places = np.flatnonzero(mask_hw.any(axis))
        if not places.size:
            return None
        sides.append(slice(max(0, int(places[0]) - margin), int(places[-1]) + 1 + margin))
    return sides[0], sides[1]


def _shrunk(mask_hw: np.ndarray, steps: int) -> np.ndarray:
    """Erode by some steps; beyond the frame is outside."""
    return ~_grown(~np.pad(mask_hw, 1), steps)[1:-1, 1:-1]


def _grown(mask_hw: np.ndarray, steps: int) -> np.ndarray:
    """Dilate by some steps along rows and columns."""
    for _ in range(steps):
        grown_hw = mask_hw.copy()
        grown_hw[1:] |= mask_hw[:-1]
        grown_hw[:-1] |= mask_hw[1:]
        grown_hw[:, 1:] |= mask_hw[:, :-1]
        grown_hw[:, :-1] |= mask_hw[:, 1:]
        mask_hw = grown_hw
    return mask_hw


def _diagonals(size_hw: tuple[int, ...], origin: tuple[int, int], width: int) -> np.ndarray:
    rows_h = origin[0] + np.arange(size_hw[0])
    columns_w = origin[1] + np.arange(size_hw[1])
    return (rows_h[:, None] + columns_w) // width % 2 == 1
