"""What runs in a worker's process."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import torch

from vis_bench.errors import reason
from vis_bench.method import VISMethod
from vis_bench.progress import Bars, silent
from vis_bench.records.schema import Record
from vis_bench.runs.accuracy import infer
from vis_bench.runs.jobs import Job
from vis_bench.runs.measure import measure
from vis_bench.runs.ray.answers import Inferred, Refused
from vis_bench.runs.shards.shard import Shard, videos_of


class Worker:
    """Keeps the jobs it has seen and the method it has loaded last.

    Args:
        fetch: gets the engine's objects from what stands for them.
        threads: of PyTorch on the CPU.
    """

    def __init__(self, fetch: Callable[[list[object]], list[Job]], threads: int) -> None:
        torch.set_num_threads(threads)
        self._fetch = fetch
        self._jobs: dict[str, Job] = {}
        self._loaded: tuple[str, VISMethod] | None = None

    def ready(self) -> None:
        """Returns as soon as the process is up."""

    def infer(self, shard: Shard, jobs: list[object]) -> Inferred | Refused:
        """Infers the shard's videos.

        Args:
            jobs: what stands for the shard's job; in a list, so that the engine does not send the
                job itself with every shard.
        """
        try:
            if shard.digest not in self._jobs:
                [self._jobs[shard.digest]] = self._fetch(jobs)
            return self._infer(shard, self._jobs[shard.digest])
        except Exception as error:  # a method's own code may raise anything
            return Refused(f"node {socket.gethostname()}: {reason(error)}")

    def measure(self, jobs: list[object]) -> Record | Refused:
        """What a record holds beside accuracy; for jobs without speed, which needs a node alone."""
        [job] = self._fetch(jobs)
        return measure_all_else(job)

    def _infer(self, shard: Shard, job: Job) -> Inferred:
        method = self._method(job)
        started = time.perf_counter()
        tracks = infer(job, method, videos_of(job, shard), silent)
        return Inferred(
            [track for found in tracks.values() for track in found], time.perf_counter() - started
        )

    def _method(self, job: Job) -> VISMethod:
        """The job's method; jobs that differ in clips or videos alone share one."""
        wanted = {"method", "options", "kernel_backend", "compile", "seed"}
        key = f"{job.cell.model_dump_json(include=wanted)} {job.weights} {job.weights_sha256}"
        if self._loaded is None or self._loaded[0] != key:
            self._loaded = None  # two methods at once may not fit
            self._loaded = key, job.load_method()
        return self._loaded[1]


def measure_all_else(job: Job) -> Record | Refused:
    """What a record holds beside accuracy: description, FLOPs and speed, on the node it runs on."""
    try:
        return measure(job, Bars(quiet=True), job.name, skip=("accuracy",))
    except Exception as error:  # a method's own code may raise anything
        return Refused(f"node {socket.gethostname()}: {reason(error)}")
