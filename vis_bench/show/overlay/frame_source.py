"""The frames of a video that pictures are drawn on, where they are not files.

Whatever frames come from, a picture needs a video's size and length, and frame t when it is drawn;
`frame_files.FrameFiles` has them from files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vis_bench.errors import InputError

# Of frames that are not at hand: every color of the palette shows on it.
BLANK = 208


class FrameSource(Protocol):
    """A video's frames; height and width in pixels, length in frames."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def length(self) -> int: ...

    def read(self, t: int) -> np.ndarray | str:
        """Frame t as uint8 RGB (H, W, 3), or a sentence that says why it cannot be read."""
        ...


@dataclass(frozen=True)
class MadeFrames:
    """Frames that are made when they are indexed, such as those of synthetic videos."""

    id: int
    name: str
    height: int
    width: int
    frames: Sequence[np.ndarray]

    @property
    def length(self) -> int:
        """Number of frames."""
        return len(self.frames)

    def read(self, t: int) -> np.ndarray | str:
        """See `FrameSource`."""
        try:
            return self.frames[t]
        except InputError as error:
            return str(error)


@dataclass(frozen=True)
class BlankFrames:
    """What stands for frames that are not at hand: light gray, so that masks can be drawn."""

    id: int
    name: str
    height: int
    width: int
    length: int

    def read(self, t: int) -> np.ndarray | str:
        """See `FrameSource`."""
        return np.full((self.height, self.width, 3), BLANK, np.uint8)
