"""Scenes, and the pixels and owners of their frames.

Everything that depends on a machine's mathematics library (sine, cosine) ends in a scene, whose
poses are rounded to integers. Rendering is integer arithmetic, so the same scene gives the same
bytes on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vis_bench.data.synthetic.appearance import CELLS

SUBPIXELS = 256  # positions are in 1/256 pixel
CELL_BITS = 18  # the map from subpixels to sprite cells is in 1/2**18
PADDED_CELLS = CELLS * 3 // 2  # a rotated bounding square reaches sqrt(2) times as far


@dataclass(frozen=True)
class Pose:
    """Position, orientation and size of an object in one frame.

    `x, y`: its center in subpixels. `cosine, sine`: sprite cells per subpixel along the rotated
    axes, times 2**CELL_BITS. `radius`: subpixels that its outline reaches at most.
    """

    x: int
    y: int
    cosine: int
    sine: int
    radius: int


@dataclass(frozen=True)
class SceneObject:
    """One moving thing: an instance, or clutter that no annotation mentions.

    `category_id` is 0 for clutter. `sprite` holds codes (PADDED_CELLS, PADDED_CELLS): 0 outside,
    1 first color, 2 second color. `palette_33` has an RGB row per code. One pose per frame.
    """

    category_id: int
    sprite: np.ndarray
    palette_33: np.ndarray
    poses: Sequence[Pose]


@dataclass(frozen=True)
class Scene:
    """A whole video: what `render` needs to draw any of its frames.

    `objects` are drawn in order, later ones over earlier ones. The frame is a window of the
    `canvas`, whose top left corner is `pans[t]` (row, column); `gains[t]` is the brightness in
    1/256.
    """

    height: int
    width: int
    canvas: np.ndarray
    pans: Sequence[tuple[int, int]]
    gains: Sequence[int]
    objects: Sequence[SceneObject]

    @property
    def length(self) -> int:
        """Number of frames."""
        return len(self.pans)

    @property
    def instances(self) -> list[SceneObject]:
        """The objects that have a class, in drawing order."""
        return [item for item in self.objects if item.category_id]


def make_sprite(codes: np.ndarray) -> np.ndarray:
    """Codes (CELLS, CELLS) in the margin of zeros that rotation needs."""
    return np.pad(codes, (PADDED_CELLS - CELLS) // 2)


def make_pose(position: tuple[float, float], angle: float, radius: float) -> Pose:
    """Round a position and a radius in pixels and an angle in radians to integers."""
    cells = (1 << CELL_BITS) * CELLS / (2 * radius * SUBPIXELS)
    return Pose(
        round(position[0] * SUBPIXELS),
        round(position[1] * SUBPIXELS),
        round(cells * math.cos(angle)),
        round(cells * math.sin(angle)),
        math.ceil(radius * SUBPIXELS),
    )


HALF_CELLS = (PADDED_CELLS // 2) << CELL_BITS


class Stamp(NamedTuple):
    """The part of a frame that an object's bounding square covers, and the codes on it."""

    rows: slice
    columns: slice
    codes: np.ndarray


def render(scene: Scene, t: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw one frame.

    Returns:
        frame_HW3: uint8 RGB.
        owner_HW: uint8, 0 for background and clutter, k + 1 for visible pixels of
            `scene.instances[k]`. Each pixel has one owner, so masks never overlap.
    """
    top, left = scene.pans[t]
    frame_HW3 = scene.canvas[top : top + scene.height, left : left + scene.width].copy()
    owner_HW = np.zeros((scene.height, scene.width), dtype=np.uint8)
    for owner, item, stamp in stamps(scene, t):
        paint(frame_HW3, item, stamp)
        owner_HW[stamp.rows, stamp.columns][stamp.codes > 0] = owner
    return brighten(frame_HW3, scene.gains[t]), owner_HW


def render_owners(scene: Scene, t: int) -> tuple[np.ndarray, np.ndarray]:
    """Owner of each pixel of one frame, without drawing it.

    Returns:
        owner_HW: as `render`.
        extent_N: pixels of each instance within the frame, those that others hide included.
    """
    owner_HW = np.zeros((scene.height, scene.width), dtype=np.uint8)
    extent_N = np.zeros(len(scene.instances), np.int64)
    for owner, _, stamp in stamps(scene, t):
        covered = stamp.codes > 0
        owner_HW[stamp.rows, stamp.columns][covered] = owner
        if owner:
            extent_N[owner - 1] = np.count_nonzero(covered)
    return owner_HW, extent_N


def stamps(scene: Scene, t: int) -> Iterator[tuple[int, SceneObject, Stamp]]:
    """The objects within frame `t`, farthest first, with their owner numbers (0 for clutter)."""
    owner = 0
    for item in scene.objects:
        owner += item.category_id > 0
        stamp = stamp_object(item, item.poses[t], scene.height, scene.width)
        if stamp is not None:
            yield owner if item.category_id else 0, item, stamp


def stamp_object(item: SceneObject, pose: Pose, height: int, width: int) -> Stamp | None:
    """The object's codes where it lies within a frame, or None when it is all outside."""
    rows, columns = _span(pose.y, pose.radius, height), _span(pose.x, pose.radius, width)
    if rows is None or columns is None:
        return None
    return Stamp(rows, columns, item.sprite.ravel()[_cell_index(pose, rows, columns)])


def paint(frame_HW3: np.ndarray, item: SceneObject, stamp: Stamp) -> None:
    """Draw an object's colors into a frame, in place."""
    area = frame_HW3[stamp.rows, stamp.columns]
    np.copyto(area, item.palette_33[stamp.codes], where=(stamp.codes > 0)[..., None])


def brighten(frame_HW3: np.ndarray, gain: int) -> np.ndarray:
    """The frame times `gain` / 256, at most 255."""
    if gain == 256:
        return frame_HW3
    table = np.minimum((np.arange(256) * gain) >> 8, 255).astype(np.uint8)
    return table[frame_HW3]


def _span(center: int, radius: int, size: int) -> slice | None:
    """Pixels of 0..size whose middle is within `radius` of `center`, both in subpixels."""
    half = SUBPIXELS // 2
    start = max(-((half - center + radius) // SUBPIXELS), 0)
    stop = min((center + radius - half) // SUBPIXELS + 1, size)
    return slice(start, stop) if start < stop else None


def _cell_index(pose: Pose, rows: slice, columns: slice) -> np.ndarray:
    """Flat index of the sprite cell under the middle of each pixel."""
    half = SUBPIXELS // 2
    dx = np.arange(columns.start, columns.stop, dtype=np.int32) * SUBPIXELS + (half - pose.x)
    dy = np.arange(rows.start, rows.stop, dtype=np.int32) * SUBPIXELS + (half - pose.y)
    u = (pose.cosine * dx + HALF_CELLS)[None, :] + (pose.sine * dy)[:, None]
    v = (HALF_CELLS - pose.sine * dx)[None, :] + (pose.cosine * dy)[:, None]
    return (v >> CELL_BITS) * PADDED_CELLS + (u >> CELL_BITS)
