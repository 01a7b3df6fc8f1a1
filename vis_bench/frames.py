"""Frames as a sequence that makes each array when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import overload

import numpy as np


class LazyFrames(Sequence[np.ndarray]):
    """`length` frames, the t-th of which is `load(t)`: uint8 RGB (H, W, 3). Keeps none of them."""

    def __init__(self, length: int, load: Callable[[int], np.ndarray]) -> None:
        self._length = length
        self._load = load

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, index: slice) -> LazyFrames: ...

    def __getitem__(self, index: int | slice) -> np.ndarray | LazyFrames:
        chosen = range(self._length)[index]
        if isinstance(chosen, range):
            return LazyFrames(len(chosen), lambda t: self._load(chosen[t]))
        return self._load(chosen)
