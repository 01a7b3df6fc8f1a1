"""What is in a synthetic video before any pixel is drawn: objects, poses, background.

Everything that depends on a machine's mathematics library (sine, cosine) ends here: poses are
rounded to integers, and `render` goes on with integers only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.data.synthetic.motion import Path
from vis_bench.data.synthetic.shapes import CELLS

SUBPIXELS = 256  # positions are in 1/256 pixel
CELL_BITS = 18  # the map from subpixels to sprite cells is in 1/2**18
PADDED_CELLS = CELLS * 3 // 2  # a rotated bounding square reaches sqrt(2) times as far


@dataclass(frozen=True)
class Pose:
    """Where an object is in one frame.

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
    """Rounds a position and a radius in pixels and an angle in radians to integers."""
    cells = (1 << CELL_BITS) * CELLS / (2 * radius * SUBPIXELS)
    return Pose(
        round(position[0] * SUBPIXELS),
        round(position[1] * SUBPIXELS),
        round(cells * math.cos(angle)),
        round(cells * math.sin(angle)),
        math.ceil(radius * SUBPIXELS),
    )


@dataclass(frozen=True)
class Growth:
    """A radius that swells and shrinks: pixels, a fraction of it, radians per frame, radians."""

    radius: float
    swing: float
    rate: float
    phase: float

    def at(self, t: float) -> float:
        """The radius in frame `t`."""
        return self.radius * (1 + self.swing * math.sin(self.rate * t + self.phase))

    @property
    def largest(self) -> float:
        """No frame's radius is above this."""
        return self.radius * (1 + self.swing)


@dataclass(frozen=True)
class Course:
    """How an object moves through a video: its path, its size and its rotation."""

    path: Path
    growth: Growth
    angle: float
    spin: float

    def poses(self, length: int) -> list[Pose]:
        """The poses of frames 0 to `length` - 1."""
        return [
            make_pose(self.path.at(t), self.angle + self.spin * t, self.growth.at(t))
            for t in range(length)
        ]
