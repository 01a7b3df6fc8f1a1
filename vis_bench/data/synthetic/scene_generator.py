"""Draws a whole video: its length and size, the background, and which objects do what.

The events make the set a test of video instance segmentation rather than of detection: an object
passes in front of another, one leaves the frame and comes back, two of the same class and nearly
the same colors move side by side.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from vis_bench.data.synthetic.appearance import (
    ASPECTS,
    CLASSES,
    PLAIN_BACKGROUND,
    SIZES,
    TEXTURE_WIDTHS,
    box,
    codes_of,
    ellipse,
    star,
    value_noise,
)
from vis_bench.data.synthetic.random_draws import Draws
from vis_bench.data.synthetic.render import (
    Scene,
    SceneObject,
    make_pose,
    make_sprite,
    paint,
    stamp_object,
)
from vis_bench.data.synthetic.trajectories import (
    Course,
    Extent,
    Swelling,
    beside,
    contacts,
    crossing,
    draw_course,
    draw_free_course,
    excursion,
    shrunk,
)

PAN_REACH = 24  # pixels that the window moves over the canvas at most, each way
PATCHES = (4, 9)  # patches of clutter on the canvas, from and below
SPACINGS = (48, 20, 7)  # octaves of the noise: pixels between lattice points
WEIGHTS = (5, 3, 2)  # of the octaves, in tenths


class Tones(NamedTuple):
    """The background's colors: everything between two corners of the RGB cube, int32 (3,)."""

    low: np.ndarray
    high: np.ndarray

    def distance(self, color: np.ndarray) -> int:
        """Distance of a color from all of them, in the channel that differs most."""
        below, above = self.low - color, color - self.high
        return int(max(below.max(), above.max(), 0))


def draw_canvas(draws: Draws, tones: Tones, height: int, width: int) -> np.ndarray:
    """uint8 RGB (height + 2 PAN_REACH, width + 2 PAN_REACH, 3) that the frame is a window of."""
    shade = draw_shade(draws, height + 2 * PAN_REACH, width + 2 * PAN_REACH)
    span = tones.high - tones.low
    canvas = (tones.low + (span * shade[..., None] >> 8)).astype(np.uint8)
    for _ in range(draws.span(*PATCHES)):
        put_patch(draws, canvas)
    return canvas


def draw_shade(draws: Draws, height: int, width: int) -> np.ndarray:
    """Noise 0..255 (height, width), in half of the videos with broad bands across it."""
    shade = np.zeros((height, width), dtype=np.int32)
    for spacing, weight in zip(SPACINGS, WEIGHTS, strict=True):
        shade += weight * value_noise(draws, height, width, spacing)
    shade //= sum(WEIGHTS)
    if draws.chance(0.5):
        slope_x, slope_y, band = draws.span(-3, 4), draws.span(1, 4), draws.span(24, 60)
        lines = np.arange(width) * slope_x + np.arange(height)[:, None] * slope_y
        shade = (2 * shade + 255 * (lines // band % 2)) // 3
    return shade


def draw_tones(draws: Draws) -> Tones:
    """Two colors, at most 70 apart per channel."""
    low = draws.color().astype(np.int32) * 185 // 255
    return Tones(low, low + draws.color().astype(np.int32) * 70 // 255)


def put_patch(draws: Draws, canvas: np.ndarray) -> None:
    """Draw one small outline in one color anywhere on the canvas, in place."""
    height, width = canvas.shape[:2]
    position = (draws.between(0, width), draws.between(0, height))
    pose = make_pose(position, draws.angle(), draws.between(5, 14))
    patch = SceneObject(0, draw_blank_sprite(draws), draw_flat_palette(draws), [pose])
    stamp = stamp_object(patch, pose, height, width)
    if stamp is not None:
        paint(canvas, patch, stamp)


def draw_clutter(draws: Draws, extent: Extent) -> SceneObject:
    """A small moving outline in one color, without a class."""
    length, height, width = extent
    path = draw_course(draws, height, width).path
    growth = Swelling(draws.between(6, 13), 0.0, 0.0, 0.0)
    course = Course(path, growth, draws.angle(), draws.between(-0.1, 0.1))
    return SceneObject(
        0, draw_blank_sprite(draws), draw_flat_palette(draws), tuple(course.poses(length))
    )


def draw_blank_sprite(draws: Draws) -> np.ndarray:
    """A star, box or ellipse of code 1."""
    aspect = draws.between(0.4, 1.0)
    outlines = (star(draws.span(4, 8)), box(aspect), ellipse(aspect))
    return make_sprite(draws.pick(outlines).astype(np.uint8))


def draw_flat_palette(draws: Draws) -> np.ndarray:
    """The same color for every code, uint8 (3, 3)."""
    return np.tile(draws.color(), (3, 1))


def draw_pans(draws: Draws, length: int) -> list[tuple[int, int]]:
    """The window's top left corner (row, column) on the canvas, frame by frame."""
    rates = [draws.sign() * draws.between(0.03, 0.12) for _ in range(2)]
    phases = [draws.angle() for _ in range(2)]
    reach = [draws.between(0.2, 1.0) * PAN_REACH for _ in range(2)]
    return [
        (
            PAN_REACH + round(reach[0] * math.sin(rates[0] * t + phases[0])),
            PAN_REACH + round(reach[1] * math.sin(rates[1] * t + phases[1])),
        )
        for t in range(length)
    ]


def draw_gains(draws: Draws, length: int) -> list[int]:
    """The brightness of each frame in 1/256: drifts by up to 15 %."""
    swing, rate, phase = draws.between(0, 38), draws.between(0.05, 0.3), draws.angle()
    return [256 + round(swing * math.sin(rate * t + phase)) for t in range(length)]


SIZES_HW = ((90, 160), (96, 128), (108, 192), (128, 96), (128, 128))
LENGTHS = (24, 37)  # frames, from and below
COUNTS = (1, 2, 2, 2, 3, 3, 3, 4, 4, 5)  # objects in a video: one of these ten
ALIKE, CROSS, RETURN = 0.5, 0.7, 0.6  # shares of the videos where it happens
PLAIN_SIZE = 0.8  # of an object of the full variant, so that more keep apart
MIN_CONTRAST = 90  # luma between the two colors of an object
MIN_DISTANCE = 40  # of both from the background's colors, in the channel that differs most


class ObjectLook(NamedTuple):
    """Appearance of an object; see `SceneObject`."""

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


def draw_cast(draws: Draws, tones: Tones, extent: Extent) -> tuple[list[ObjectLook], list[Course]]:
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


def draw_look(draws: Draws, tones: Tones) -> ObjectLook:
    """Any class in any two colors that stand out from each other and from the background."""
    category_id = 1 + draws.below(len(CLASSES))
    width = draws.span(*TEXTURE_WIDTHS[CLASSES[category_id].texture])
    codes = codes_of(category_id, draw_aspect(draws, category_id), width, draws.below(2 * width))
    return ObjectLook(category_id, make_sprite(codes), draw_palette(draws, tones))


def draw_aspect(draws: Draws, category_id: int) -> float:
    """Height over width of an object of the class."""
    return draws.between(*ASPECTS[CLASSES[category_id].outline])


def draw_double(draws: Draws, look: ObjectLook) -> ObjectLook:
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


def draw_plain_look(draws: Draws, category_id: int) -> ObjectLook:
    """The class's outline in the class's color."""
    codes = codes_of(category_id, draw_aspect(draws, category_id), 40, 0)
    color = np.array(CLASSES[category_id].plain_color, dtype=np.uint8)
    return ObjectLook(category_id, make_sprite(codes), np.tile(color, (3, 1)))


def place(look: ObjectLook, course: Course, length: int) -> SceneObject:
    """An object with this look on this course."""
    sized = shrunk(course, SIZES[CLASSES[look.category_id].outline])
    return SceneObject(look.category_id, look.sprite, look.palette_33, tuple(sized.poses(length)))
