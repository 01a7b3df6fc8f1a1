"""A pool of Ray workers and the queue of shards that keeps them busy."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from vis_bench.errors import InputError
from vis_bench.progress import Bars
from vis_bench.record.schema import Record
from vis_bench.runs.ray.cluster import ClusterSettings, ray_error, worker_count
from vis_bench.runs.shards import Shard

# Workers that only sleep, as benchmarks have them, need not wait for torch.
if TYPE_CHECKING:
    from vis_bench.runs.jobs import Job

# How long the loop waits for a worker before it shows progress again.
WAIT_SECONDS = 1.0
# Without any worker for this long the run ends; a new one may have to load PyTorch first.
LOST_SECONDS = 120.0
# Restarts of a worker's process by Ray: as many as it takes, since the queue counts failures.
RESTARTS = -1


@dataclass(frozen=True)
class Refused:
    """Reason for a call's failure, with the node's name."""

    why: str


@dataclass(frozen=True)
class Died(Refused):
    """End of a worker's process before it answered."""


class ShardQueue:
    """Hands out shards until every video is inferred or given up.

    A shard that fails is cut into its videos, so that one that kills its worker every time takes no
    other with it; a video that has failed `retries` times after the first is given up. `given_up`
    holds the reasons by digest and video id.
    """

    def __init__(self, shards: Iterable[Shard], retries: int) -> None:
        self._waiting = deque(shards)
        self._failures: dict[Shard, int] = {}
        self._retries = retries
        self.given_up: dict[tuple[str, int], str] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def take(self) -> Shard:
        """The next shard."""
        return self._waiting.popleft()

    def failed(self, shard: Shard, reason: str) -> bool:
        """Note a failure; whether the shard's video is given up because of it."""
        if len(shard.video_ids) > 1:
            self._waiting.extend(shard.one_by_one())
            return False
        self._failures[shard] = self._failures.get(shard, 0) + 1
        if self._failures[shard] <= self._retries:
            self._waiting.append(shard)
            return False
        self.given_up[shard.digest, shard.video_ids[0]] = reason
        return True


class Pool:
    """Workers that infer shards of some jobs.

    A worker gets its first shard, and the next one after it died, when its process is up: an actor
    that cannot be rescheduled, because a node is gone, never blocks the queue.

    Args:
        ray: connected.
        settings: the number of workers, and what each gets.
        jobs: whose shards are inferred, by digest.
        kind: the class of the workers.
    """

    def __init__(
        self, ray: ModuleType, settings: ClusterSettings, jobs: Mapping[str, Job | None], kind: type
    ) -> None:
        self._ray = ray
        self._jobs = {digest: ray.put(job) for digest, job in jobs.items()}
        actor = ray.remote(
            num_cpus=settings.threads, num_gpus=settings.gpus_per_worker, max_restarts=RESTARTS
        )(kind)
        count = worker_count(ray, settings)
        self._workers = [actor.remote(ray.get, settings.threads) for _ in range(count)]

    def run(
        self,
        queue: ShardQueue,
        done: Callable[[Shard, Any], object],
        bars: Bars,
        total: int,
    ) -> None:
        """Infer every shard of the queue.

        Args:
            done: is called with each shard that is inferred and the worker's answer.
            bars: one bar over all videos.
            total: the number of videos to infer.

        Raises:
            InputError: if no worker comes up.
        """
        # Running calls, each with its worker and its shard; None for a worker that comes up.
        calls: dict[Any, tuple[Any, Shard | None]]
        calls = {worker.ready.remote(): (worker, None) for worker in self._workers}
        idle: list[Any] = []
        num_done, started = 0, time.monotonic()
        alive_at = started
        with bars.steps("infer") as show:
            while queue or any(shard for _, shard in calls.values()):
                while queue and idle:
                    worker, shard = idle.pop(), queue.take()
                    call = worker.infer.remote(shard, [self._jobs[shard.digest]])
                    calls[call] = worker, shard
                ended, _ = self._ray.wait(list(calls), timeout=WAIT_SECONDS)
                for call in ended:
                    worker, inferred = calls.pop(call)
                    answer = self._answer(call)
                    if isinstance(answer, Died):
                        calls[worker.ready.remote()] = worker, None
                    else:
                        idle.append(worker)
                    if inferred is None:
                        continue
                    if not isinstance(answer, Refused):
                        done(inferred, answer)
                        num_done += len(inferred.video_ids)
                    elif queue.failed(inferred, answer.why):
                        bars.say(f"video {inferred.video_ids[0]} is given up: {answer.why}")
                        num_done += 1
                now = time.monotonic()
                alive = len(idle) + sum(shard is not None for _, shard in calls.values())
                alive_at = now if alive else alive_at
                if now - alive_at > LOST_SECONDS:
                    raise InputError(
                        f"no worker has started for {LOST_SECONDS:.0f} seconds; inferred videos "
                        "are kept for --resume"
                    )
                show(num_done, total, _state(alive, num_done, total, now - started))

    def wait_until_up(self) -> None:
        """Wait for every worker's process; `run` begins with the first."""
        self._ray.get([worker.ready.remote() for worker in self._workers])

    def measure_cost(self, digest: str) -> Record | Refused:
        """Measure what a job's record holds beside accuracy and speed, by a worker that is up.

        A worker whose process died is asked again, since Ray starts another one.
        """
        why: Refused = Refused("no worker is up")
        asked = {worker.ready.remote(): worker for worker in self._workers}
        until = time.monotonic() + LOST_SECONDS
        while (left := until - time.monotonic()) > 0:
            answered, _ = self._ray.wait(list(asked), timeout=left)
            for call in answered:
                worker, answer = asked.pop(call), self._answer(call)
                if not isinstance(answer, Died):
                    return self._answer(worker.measure_cost.remote([self._jobs[digest]]))
                why = answer
                asked[worker.ready.remote()] = worker
        return why

    def close(self) -> None:
        """End the workers' processes."""
        for worker in self._workers:
            self._ray.kill(worker)
        self._workers = []

    def _answer(self, call: Any) -> Any:
        try:
            return self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            return Died(ray_error(error))


def _state(workers: int, done: int, total: int, seconds: float) -> str:
    rate = done / seconds if seconds > 0 else 0.0
    remaining = f", {(total - done) / rate / 60:.0f} min left" if rate else ""
    return f"{workers} of the workers alive, {rate:.1f} videos/s{remaining}"
