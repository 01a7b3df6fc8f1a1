"""Named stages of one video's inference, and the time spent in each."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from types import TracebackType

from vis_bench.errors import InputError

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


class StageMarks:
    """Charges all time in its context to one stage after the other, beginning with `predict`."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._running = ExitStack()

    def __enter__(self) -> StageMarks:
        self._begin("predict")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        place: TracebackType | None,
    ) -> None:  # fmt: skip
        self._running.close()

    def mark(self, name: str) -> None:
        """End the stage that runs and begin another one of `VIDEO_STAGES`."""
        from vis_bench.method import VIDEO_STAGES

        if name not in VIDEO_STAGES:
            raise InputError(f"mark({name!r}) names no stage; expected {', '.join(VIDEO_STAGES)}")
        self._begin(name)

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """A stage that interrupts the one that runs."""
        interrupted = self._name
        self._begin(name)
        try:
            yield
        finally:
            self._begin(interrupted)

    def _begin(self, name: str) -> None:
        self._running.close()
        self._running.enter_context(self._stages.time(name))
        self._name = name
