"""The six classes: pairs of an outline and a texture.

Every outline and every texture occurs in two classes, so neither alone tells the class. Colors are
drawn per object, so they say nothing about it; in the plain variant an object has the one color of
its class instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vis_bench.data.synthetic import shapes, textures
from vis_bench.errors import InputError

Outline = Literal["star", "box", "ellipse"]
Texture = Literal["stripes", "checks", "dots"]
Color = tuple[int, int, int]

OUTLINES: dict[Outline, Callable[[float], np.ndarray]] = {
    "star": lambda aspect: shapes.star(),
    "box": shapes.box,
    "ellipse": shapes.ellipse,
}
TEXTURES: dict[Texture, Callable[[int, int], np.ndarray]] = {
    "stripes": textures.stripes,
    "checks": textures.checks,
    "dots": textures.dots,
}
TEXTURE_WIDTHS: dict[Texture, tuple[int, int]] = {  # half cells of 254 across, from and below
    "stripes": (34, 43),
    "checks": (44, 55),
    "dots": (32, 39),
}


@dataclass(frozen=True)
class SyntheticClass:
    """What a class looks like, and its color in the plain variant; `categories` has its name."""

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
    pattern = shapes.shrink(outline, RIM) & TEXTURES[look.texture](width, phase)
    return outline.astype(np.uint8) + pattern.astype(np.uint8)
