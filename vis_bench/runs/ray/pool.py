"""Workers on Ray, and the loop that keeps them busy."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from vis_bench.errors import InputError
from vis_bench.progress import Bars
from vis_bench.records.schema import Record
from vis_bench.runs.jobs import Job
from vis_bench.runs.ray.answers import Died, Inferred, Refused
from vis_bench.runs.ray.engine import worker_count
from vis_bench.runs.ray.queue import ShardQueue
from vis_bench.runs.ray.settings import ClusterSettings
from vis_bench.runs.ray.worker import Worker
from vis_bench.runs.shards.shard import Shard

# How long the loop waits for a worker before it shows progress again.
WAIT_SECONDS = 1.0
# Without any worker for this long the run ends; a new one may have to load PyTorch first.
LOST_SECONDS = 120.0
# Restarts of a worker's process by Ray: as many as it takes, since the queue counts failures.
RESTARTS = -1


def what_died(error: Exception) -> str:
    """Ray's error as the end of a sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[-1] if lines else ""
    return f"its worker died: {type(error).__name__}{': ' if said else ''}{said}"


@dataclass(frozen=True)
class _Task:
    """What a worker is busy with: a shard, or coming up."""

    worker: Any
    shard: Shard | None


class Pool:
    """Workers that infer shards of some jobs.

    A worker gets its first shard, and the next one after it died, when its process is up: what
    cannot be placed any more, because a node is gone, holds nothing up.

    Args:
        ray: connected.
        settings: how many workers, and what each gets.
        jobs: whose shards are inferred, by digest.
        kind: the class of the workers.
    """

    def __init__(
        self, ray: ModuleType, settings: ClusterSettings, jobs: Mapping[str, Job | None],
        kind: type = Worker,
    ) -> None:  # fmt: skip
        self._ray = ray
        self._jobs = {digest: ray.put(job) for digest, job in jobs.items()}
        actor = ray.remote(
            num_cpus=settings.threads, num_gpus=settings.gpus_per_worker, max_restarts=RESTARTS
        )(kind)
        count = worker_count(ray, settings)
        self._workers = [actor.remote(ray.get, settings.threads) for _ in range(count)]

    def run(
        self, queue: ShardQueue, done: Callable[[Shard, Inferred], None], bars: Bars, total: int
    ) -> None:
        """Infers every shard of the queue.

        Args:
            done: is called with each shard that is inferred.
            bars: one bar over all videos.
            total: how many videos are to be inferred.

        Raises:
            InputError: where no worker comes up.
        """
        tasks = {worker.ready.remote(): _Task(worker, None) for worker in self._workers}
        idle: list[Any] = []
        inferred, started = 0, time.monotonic()
        alive_at = started
        with bars.steps("infer") as show:
            while queue or any(task.shard for task in tasks.values()):
                while queue and idle:
                    worker, shard = idle.pop(), queue.take()
                    reference = worker.infer.remote(shard, [self._jobs[shard.digest]])
                    tasks[reference] = _Task(worker, shard)
                ended, _ = self._ray.wait(list(tasks), timeout=WAIT_SECONDS)
                for reference in ended:
                    task = tasks.pop(reference)
                    answer = self._answer(reference)
                    if isinstance(answer, Died):
                        tasks[task.worker.ready.remote()] = _Task(task.worker, None)
                    else:
                        idle.append(task.worker)
                    if task.shard is not None:
                        inferred += _take_in(answer, task.shard, queue, done, bars)
                now = time.monotonic()
                alive = len(idle) + sum(task.shard is not None for task in tasks.values())
                alive_at = now if alive else alive_at
                if now - alive_at > LOST_SECONDS:
                    raise InputError(
                        f"no worker has come up for {LOST_SECONDS:.0f} seconds; what is inferred "
                        "is kept for --resume"
                    )
                show(inferred, total, _state(alive, inferred, total, now - started))

    def wait_until_up(self) -> None:
        """Waits for every worker's process; `run` begins with the first."""
        self._ray.get([worker.ready.remote() for worker in self._workers])

    def measure(self, digest: str) -> Record | Refused:
        """What a job's record holds beside accuracy and speed, measured by one of the workers."""
        reference = self._workers[0].measure.remote([self._jobs[digest]])
        answer = self._answer(reference)
        return answer if answer is not None else Refused("its worker did not answer")

    def close(self) -> None:
        """Ends the workers' processes."""
        for worker in self._workers:
            self._ray.kill(worker)
        self._workers = []

    def _answer(self, reference: Any) -> Any:
        """What a worker's call gave; None says that it is up."""
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            return Died(what_died(error))


def _take_in(
    answer: Inferred | Refused | None, shard: Shard, queue: ShardQueue,
    done: Callable[[Shard, Inferred], None], bars: Bars,
) -> int:  # fmt: skip
    """Passes on what a worker returned; how many videos are done with."""
    if isinstance(answer, Inferred):
        done(shard, answer)
        return len(shard.video_ids)
    given_up = queue.failed(shard, answer.why if answer else "its worker did not answer")
    for video in given_up:
        bars.say(f"video {video.video_id} is given up: {video.reason}")
    return len(given_up)


def _state(workers: int, done: int, total: int, seconds: float) -> str:
    rate = done / seconds if seconds > 0 else 0.0
    left = f", {(total - done) / rate / 60:.0f} min left" if rate else ""
    return f"{workers} of the workers alive, {rate:.1f} videos/s{left}"
