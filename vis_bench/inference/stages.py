"""Named stages of one video's inference, and the time spent in each."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

STAGE_NAMES = ("decode", "preprocess", "encode", "predict", "track", "rle")
# The time between the stages.
OTHER = "other"


class Stages:
    """Stages that nobody times; `StageClock` does."""

    def time(self, name: str) -> AbstractContextManager[None]:
        """A context whose time belongs to stage `name`."""
        return nullcontext()


NO_STAGES = Stages()


class StageClock(Stages):
    """Adds up the seconds spent in each stage.

    Args:
        synchronize: waits for the device's queued work, so that a stage is charged what it
            started; the default does nothing, as a CPU needs.
        clock: returns the time in seconds.
    """

    def __init__(
        self,
        synchronize: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._synchronize = synchronize
        self._clock = clock

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Charge the time inside to stage `name`."""
        self._synchronize()
        start = self._clock()
        try:
            yield
        finally:
            self._synchronize()
            self.seconds[name] += self._clock() - start
