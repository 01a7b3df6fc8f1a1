"""Draws a whole video: how long, how big, which objects, and what happens to them.

What happens makes the set a test of video instance segmentation rather than of detection: an
object passes in front of another, one leaves the frame and comes back, two of the same class and
nearly the same colors move side by side.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vis_bench.data.synthetic.backdrop import (
    Tones,
    draw_canvas,
    draw_clutter,
    draw_gains,
    draw_pans,
    draw_tones,
)
from vis_bench.data.synthetic.classes import (
    ASPECTS,
    CLASSES,
    PLAIN_BACKGROUND,
    SIZES,
    TEXTURE_WIDTHS,
    codes_of,
)
from vis_bench.data.synthetic.courses import (
    Extent,
    beside,
    contacts,
    crossing,
    draw_course,
    draw_free_course,
    excursion,
    shrunk,
)
from vis_bench.data.synthetic.random_draws import Draws
from vis_bench.data.synthetic.scene import Course, Scene, SceneObject, make_sprite

SIZES_HW = ((90, 160), (96, 128), (108, 192), (128, 96), (128, 128))
LENGTHS = (24, 37)  # frames, from and below
COUNTS = (1, 2, 2, 2, 3, 3, 3, 4, 4, 5)  # objects in a video: one of these ten
ALIKE, CROSS, RETURN = 0.5, 0.7, 0.6  # shares of the videos where it happens
PLAIN_SIZE = 0.8  # of an object of the full variant, so that more keep apart
MIN_CONTRAST = 90  # luma between the two colors of an object
MIN_DISTANCE = 40  # of both from the background's colors, in the channel that differs most


class Look(NamedTuple):
    """What an object looks like; see `SceneObject`."""

    category_id: int
    sprite: np.ndarray
    palette_33: np.ndarray


def draw_extent(draws: Draws) -> Extent:
    """Frames, height and width: the first draws of every video."""
    height, width = draws.pick(SIZES_HW)
    return draws.span(*LENGTHS), height, width


def draw_scene(draws: Draws) -> Scene:
    """A video of the full variant."""
    extent = length, height, width = draw_extent(draws)
    tones = draw_tones(draws)
    canvas = draw_canvas(draws, tones, height, width)
    clutter = [draw_clutter(draws, extent) for _ in range(draws.below(3))]
    looks, courses = draw_cast(draws, tones, extent)
    objects = [place(look, course, length) for look, course in zip(looks, courses, strict=True)]
    pans, gains = draw_pans(draws, length), draw_gains(draws, length)
    return Scene(height, width, canvas, pans, gains, [*clutter, *objects])


def draw_cast(draws: Draws, tones: Tones, extent: Extent) -> tuple[list[Look], list[Course]]:
    """The objects of a full video, farthest first, with what happens to them."""
    _, height, width = extent
    count = draws.pick(COUNTS)
    looks = [draw_look(draws, tones) for _ in range(count)]
    courses: list[Course] = []
    for _ in range(count):
        courses.append(draw_free_course(draws, courses, extent))
    alike = count >= 2 and draws.chance(ALIKE)
    if alike:
        looks[1] = draw_double(draws, looks[0])
        courses[0], courses[1] = beside(draws, courses[0], height, width)
    if count >= 2 + alike and draws.chance(CROSS):
        courses[-1] = crossing(draws, courses[0], courses[-1], extent)
    if draws.chance(RETURN):
        leaver = draws.below(count)
        courses[leaver] = excursion(draws, courses[leaver], extent)
    return looks, courses


def draw_look(draws: Draws, tones: Tones) -> Look:
    """Any class in any two colors that stand out from each other and from the background."""
    category_id = 1 + draws.below(len(CLASSES))
    width = draws.span(*TEXTURE_WIDTHS[CLASSES[category_id].texture])
    codes = codes_of(category_id, draw_aspect(draws, category_id), width, draws.below(2 * width))
    return Look(category_id, make_sprite(codes), draw_palette(draws, tones))


def draw_aspect(draws: Draws, category_id: int) -> float:
    """Height over width of an object of the class."""
    return draws.between(*ASPECTS[CLASSES[category_id].outline])


def draw_double(draws: Draws, look: Look) -> Look:
    """The same look in colors that are at most 12 off per channel."""
    shift = draws.noise(3, 3) % 25 - 12
    return look._replace(palette_33=np.clip(look.palette_33 + shift, 0, 255).astype(np.uint8))


def draw_palette(draws: Draws, tones: Tones) -> np.ndarray:
    """Two colors for the codes 1 and 2; row 0 is unused."""
    while True:
        one, two = draws.color(), draws.color()
        if (
            abs(luma(one) - luma(two)) >= MIN_CONTRAST
            and tones.distance(one) >= MIN_DISTANCE
            and tones.distance(two) >= MIN_DISTANCE
        ):
            return np.stack([one, one, two])


def luma(color: np.ndarray) -> int:
    """Brightness 0..255 of an RGB color."""
    red, green, blue = color.tolist()
    return (299 * red + 587 * green + 114 * blue) // 1000


def draw_plain_scene(draws: Draws) -> Scene:
    """A video of the plain variant: no class twice, bounding circles never touch."""
    length, height, width = draw_extent(draws)
    canvas = np.full((height, width, 3), PLAIN_BACKGROUND, dtype=np.uint8)
    courses = draw_apart(draws, draws.span(1, 4), (length, height, width))
    categories = draws.shuffled(list(CLASSES))[: len(courses)]
    objects = [
        place(draw_plain_look(draws, category_id), course, length)
        for category_id, course in zip(categories, courses, strict=True)
    ]
    return Scene(height, width, canvas, [(0, 0)] * length, [256] * length, objects)


def draw_apart(draws: Draws, wanted: int, extent: Extent) -> list[Course]:
    """Up to `wanted` courses that keep apart; fewer where 200 draws do not yield as many."""
    length, height, width = extent
    courses: list[Course] = []
    for _ in range(200):
        course = shrunk(draw_course(draws, height, width), PLAIN_SIZE)
        if not any(contacts(course, other, length) for other in courses):
            courses.append(course)
        if len(courses) == wanted:
            break
    return courses


def draw_plain_look(draws: Draws, category_id: int) -> Look:
    """The class's outline in the class's color."""
    codes = codes_of(category_id, draw_aspect(draws, category_id), 40, 0)
    color = np.array(CLASSES[category_id].plain_color, dtype=np.uint8)
    return Look(category_id, make_sprite(codes), np.tile(color, (3, 1)))


def place(look: Look, course: Course, length: int) -> SceneObject:
    """An object with this look on this course."""
    sized = shrunk(course, SIZES[CLASSES[look.category_id].outline])
    return SceneObject(look.category_id, look.sprite, look.palette_33, tuple(sized.poses(length)))
