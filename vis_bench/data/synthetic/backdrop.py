"""Draws what lies behind the objects: a textured canvas, camera motion, light, and clutter."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from vis_bench.data.synthetic import shapes
from vis_bench.data.synthetic.courses import Extent, draw_course
from vis_bench.data.synthetic.lots import Lots
from vis_bench.data.synthetic.render import paint, stamp_object
from vis_bench.data.synthetic.scene import Course, Growth, SceneObject, make_pose, make_sprite
from vis_bench.data.synthetic.textures import value_noise

PAN_REACH = 24  # pixels that the window moves over the canvas at most, each way
PATCHES = (4, 9)  # patches of clutter on the canvas, from and below
SPACINGS = (48, 20, 7)  # octaves of the noise: pixels between lattice points
WEIGHTS = (5, 3, 2)  # of the octaves, in tenths


class Tones(NamedTuple):
    """The background's colours: everything between two corners of the RGB cube, int32 (3,)."""

    low: np.ndarray
    high: np.ndarray

    def distance(self, colour: np.ndarray) -> int:
        """How far a colour is from all of them, in the channel that differs most."""
        below, above = self.low - colour, colour - self.high
        return int(max(below.max(), above.max(), 0))


def draw_canvas(lots: Lots, tones: Tones, height: int, width: int) -> np.ndarray:
    """uint8 RGB (height + 2 PAN_REACH, width + 2 PAN_REACH, 3) that the frame is a window of."""
    shade = draw_shade(lots, height + 2 * PAN_REACH, width + 2 * PAN_REACH)
    span = tones.high - tones.low
    canvas = (tones.low + (span * shade[..., None] >> 8)).astype(np.uint8)
    for _ in range(lots.span(*PATCHES)):
        put_patch(lots, canvas)
    return canvas


def draw_shade(lots: Lots, height: int, width: int) -> np.ndarray:
    """Noise 0..255 (height, width), in half of the videos with broad bands across it."""
    shade = np.zeros((height, width), dtype=np.int32)
    for spacing, weight in zip(SPACINGS, WEIGHTS, strict=True):
        shade += weight * value_noise(lots, height, width, spacing)
    shade //= sum(WEIGHTS)
    if lots.chance(0.5):
        slope_x, slope_y, band = lots.span(-3, 4), lots.span(1, 4), lots.span(24, 60)
        lines = np.arange(width) * slope_x + np.arange(height)[:, None] * slope_y
        shade = (2 * shade + 255 * (lines // band % 2)) // 3
    return shade


def draw_tones(lots: Lots) -> Tones:
    """Two colours, at most 70 apart per channel."""
    low = lots.colour().astype(np.int32) * 185 // 255
    return Tones(low, low + lots.colour().astype(np.int32) * 70 // 255)


def put_patch(lots: Lots, canvas: np.ndarray) -> None:
    """Draws one small outline in one colour anywhere on the canvas, in place."""
    height, width = canvas.shape[:2]
    position = (lots.between(0, width), lots.between(0, height))
    pose = make_pose(position, lots.angle(), lots.between(5, 14))
    patch = SceneObject(0, draw_blank_sprite(lots), draw_flat_palette(lots), [pose])
    stamp = stamp_object(patch, pose, height, width)
    if stamp is not None:
        paint(canvas, patch, stamp)


def draw_clutter(lots: Lots, extent: Extent) -> SceneObject:
    """A small moving outline in one colour, without a class."""
    length, height, width = extent
    path = draw_course(lots, height, width).path
    growth = Growth(lots.between(6, 13), 0.0, 0.0, 0.0)
    course = Course(path, growth, lots.angle(), lots.between(-0.1, 0.1))
    return SceneObject(
        0, draw_blank_sprite(lots), draw_flat_palette(lots), tuple(course.poses(length))
    )


def draw_blank_sprite(lots: Lots) -> np.ndarray:
    """A star, box or ellipse of code 1."""
    aspect = lots.between(0.4, 1.0)
    outlines = (shapes.star(lots.span(4, 8)), shapes.box(aspect), shapes.ellipse(aspect))
    return make_sprite(lots.pick(outlines).astype(np.uint8))


def draw_flat_palette(lots: Lots) -> np.ndarray:
    """The same colour for every code, uint8 (3, 3)."""
    return np.tile(lots.colour(), (3, 1))


def draw_pans(lots: Lots, length: int) -> list[tuple[int, int]]:
    """The window's top left corner (row, column) on the canvas, frame by frame."""
    rates = [lots.sign() * lots.between(0.03, 0.12) for _ in range(2)]
    phases = [lots.angle() for _ in range(2)]
    reach = [lots.between(0.2, 1.0) * PAN_REACH for _ in range(2)]
    return [
        (
            PAN_REACH + round(reach[0] * math.sin(rates[0] * t + phases[0])),
            PAN_REACH + round(reach[1] * math.sin(rates[1] * t + phases[1])),
        )
        for t in range(length)
    ]


def draw_gains(lots: Lots, length: int) -> list[int]:
    """The brightness of each frame in 1/256: drifts by up to 15 %."""
    swing, rate, phase = lots.between(0, 38), lots.between(0.05, 0.3), lots.angle()
    return [256 + round(swing * math.sin(rate * t + phase)) for t in range(length)]
