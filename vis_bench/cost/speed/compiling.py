"""What it costs to compile a method, apart from its speed.

The first runs of a compiled method compile; they are run before anything is timed, and what they
took longer than a timed run is a figure of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from vis_bench.cost.speed.settings import SpeedSettings
from vis_bench.cost.speed.video_run import VideoRun, middle_run
from vis_bench.inference.compiled import COMPILING_RUNS, CompiledMethod, forget_compiled
from vis_bench.method import VISMethod


def num_warmup(method: VISMethod, speed: SpeedSettings, num_videos: int) -> int:
    """How many videos are run before the first that is timed.

    A compiled method sees every video as often as it takes until nothing is left to compile: videos
    differ in their lengths and in the number of instances, and so in shapes.
    """
    if isinstance(method, CompiledMethod):
        return max(speed.warmup, COMPILING_RUNS * num_videos)
    return speed.warmup


@contextmanager
def compiled_afresh(method: VISMethod) -> Iterator[None]:
    """Inside, a compiled method starts uncompiled, and caches on disk are empty.

    Without that, what compiling takes would depend on what this machine has compiled before.
    """
    if not isinstance(method, CompiledMethod):
        yield
        return
    from torch._inductor.utils import fresh_cache

    forget_compiled()
    with fresh_cache():
        yield


def compile_seconds(warm: Sequence[VideoRun], timed: Sequence[Sequence[VideoRun]]) -> float:
    """How much longer the first runs took than timed ones of the same videos, in seconds.

    Args:
        warm: the runs before the timed ones, over the videos in turn.
        timed: the timed runs of each video.
    """
    usual = [middle_run(runs).seconds for runs in timed]
    excess = sum(run.seconds - usual[place % len(usual)] for place, run in enumerate(warm))
    return max(0.0, excess)
