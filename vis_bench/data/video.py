"""A video, whatever it comes from: files, arrays or a generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Video:
    """One video: its identity, its original size in pixels, and frames decoded when indexed.

    `frames[t]` is a uint8 RGB array (height, width, 3). `name` is what messages call the video.
    """

    id: int
    name: str
    height: int
    width: int
    frames: Sequence[np.ndarray]

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            size = f"{self.height}x{self.width}"
            raise ValueError(f"video {self.name} has size {size}; expected at least 1x1")
        if len(self.frames) < 1:
            raise ValueError(f"video {self.name} has no frames; expected at least one")

    @property
    def length(self) -> int:
        """Number of frames."""
        return len(self.frames)
