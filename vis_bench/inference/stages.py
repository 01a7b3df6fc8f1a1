"""Named stages of one video's inference, and the time spent in each."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

from vis_bench.errors import InputError
from vis_bench.video_method import TRANSFER, VIDEO_STAGES


class Stages:
    """Stages that nobody times; `StageClock` does.

    Attributes:
        elsewhere: seconds that another process measured, less those that this one spent on handing
            it frames and waiting. A run takes its time on this process's clock and these.

    Args:
        clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.elsewhere = 0.0
        self._clock = clock

    def time(self, name: str) -> AbstractContextManager[None]:
        """A context whose time belongs to stage `name`."""
        return nullcontext()

    @contextmanager
    def transfer(self) -> Iterator[None]:
        """A context whose time does not count."""
        start = self._clock()
        try:
            yield
        finally:
            self.elsewhere -= self._clock() - start

    def add(self, name: str, seconds: float) -> None:
        """Charge time that another process measured to stage `name`."""
        self.elsewhere += seconds


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
        super().__init__(clock)
        self.seconds: dict[str, float] = defaultdict(float)
        self._synchronize = synchronize

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

    def add(self, name: str, seconds: float) -> None:
        """Charge time that another process measured to stage `name`."""
        super().add(name, seconds)
        self.seconds[name] += seconds


class StageMarks:
    """Charges all time in its context to one stage after the other, beginning with `predict`."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._running = ExitStack()

    def __enter__(self) -> StageMarks:
        self._begin("predict")
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def mark(self, name: str, seconds: float | None = None) -> None:
        """End the running stage and begin another of `VIDEO_STAGES`; see `video_method.Mark`."""
        if name not in VIDEO_STAGES:
            raise InputError(f"mark({name!r}) names no stage; expected {', '.join(VIDEO_STAGES)}")
        if seconds is None:
            self._begin(name)
        else:
            self._stages.add(name, seconds)

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
        stages = self._stages
        self._running.enter_context(stages.transfer() if name == TRANSFER else stages.time(name))
        self._name = name
