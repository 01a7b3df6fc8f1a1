"""Draws what lies behind the objects: a textured canvas, camera motion, light, and clutter."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from vis_bench.data.synthetic import shapes
from vis_bench.data.synthetic.courses import Extent, draw_course
from vis_bench.data.synthetic.random_draws import Draws
from vis_bench.data.synthetic.render import paint, stamp_object
from vis_bench.data.synthetic.scene import Course, Growth, SceneObject, make_pose, make_sprite
from vis_bench.data.synthetic.textures import value_noise

PAN_REACH = 24  # pixels that the window moves over the canvas at most, each way
PATCHES = (4, 9)  # patches of clutter on the canvas, from and below
SPACINGS = (48, 20, 7)  # octaves of the noise: pixels between lattice points
WEIGHTS = (5, 3, 2)  # of the octaves, in tenths


class Tones(NamedTuple):
    """The background's colors: everything between two corners of the RGB cube, int32 (3,)."""

    low: np.ndarray
    high: np.ndarray

    def distance(self, color: np.ndarray) -> int:
        """How far a color is from all of them, in the channel that differs most."""
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
    """Draws one small outline in one color anywhere on the canvas, in place."""
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
    growth = Growth(draws.between(6, 13), 0.0, 0.0, 0.0)
    course = Course(path, growth, draws.angle(), draws.between(-0.1, 0.1))
    return SceneObject(
        0, draw_blank_sprite(draws), draw_flat_palette(draws), tuple(course.poses(length))
    )


def draw_blank_sprite(draws: Draws) -> np.ndarray:
    """A star, box or ellipse of code 1."""
    aspect = draws.between(0.4, 1.0)
    outlines = (shapes.star(draws.span(4, 8)), shapes.box(aspect), shapes.ellipse(aspect))
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
