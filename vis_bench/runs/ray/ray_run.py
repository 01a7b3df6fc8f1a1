"""A run on Ray: workers infer shards and measure cost, the driver evaluates."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType

import torch

from vis_bench.contract import unsigned_masks
from vis_bench.data.results_file import Track
from vis_bench.errors import InputError, reason
from vis_bench.inference.loop import track_video
from vis_bench.measures.registry import with_need
from vis_bench.method import MaskRange
from vis_bench.progress import Bars
from vis_bench.record.schema import Record
from vis_bench.record.store import RecordStore
from vis_bench.runs.attempt import Attempt, is_measured, kept_tracks
from vis_bench.runs.build import GuardedMethod
from vis_bench.runs.harness import Outcome, describe, run_jobs
from vis_bench.runs.jobs import Job
from vis_bench.runs.locks import locked
from vis_bench.runs.ray.cluster import (
    ClusterSettings,
    alive_nodes,
    becomes_free,
    connected,
    ray_error,
    task_on,
)
from vis_bench.runs.ray.pool import Pool, Refused, ShardQueue
from vis_bench.runs.shards import Shard, ShardFiles, cut, report_foreign


def run_on_ray(
    jobs: Sequence[Job],
    store: RecordStore,
    bars: Bars,
    settings: ClusterSettings,
    *,
    resume: bool = False,
) -> Outcome:
    """Measure every job; records are those that one process would write.

    First all shards of all jobs are inferred, each written to a file as soon as it comes back. Then
    FLOPs and speed are measured, by one worker at a time that has a node to itself, and the merged
    tracks are evaluated.

    Args:
        resume: keep complete records, and take tracks from shard files.

    Raises:
        InputError: if Ray is not installed, the address does not answer, or the workers do not
            fit.
    """
    for name in with_need("one process"):
        if any(name in job.cell.measure for job in jobs):
            raise InputError(
                f"measure has {name}, which is measured in one process; leave out --workers and "
                "--ray"
            )
    report_foreign(store.folder, jobs, bars)
    with locked(jobs, store.folder, bars):
        waiting = [job for job in jobs if not (resume and is_measured(job, store))]
        if not waiting:
            return run_jobs(jobs, store, bars, resume=resume, holds_locks=True)
        on_gpu = any(job.plan.device.type == "cuda" for job in waiting)
        where = settings.address
        bars.say("starting Ray" if where is None else f"joining Ray at {where}")
        with connected(settings, on_gpu) as ray:
            given_up, records = _infer_all(ray, settings, waiting, store, bars, resume=resume)
            measure_job = partial(_measure, ray=ray, given_up=given_up, records=records)
            return run_jobs(
                jobs, store, bars, resume=resume, measure_job=measure_job, holds_locks=True
            )


def _infer_all(
    ray: ModuleType,
    settings: ClusterSettings,
    jobs: Sequence[Job],
    store: RecordStore,
    bars: Bars,
    *,
    resume: bool,
) -> tuple[Mapping[tuple[str, int], str], Mapping[str, Record | Refused]]:
    """Infer what is left of every job.

    Returns:
        The videos that are given up, and what the workers measured of jobs that are not timed.
    """
    files = {job.digest: ShardFiles(store.folder, job) for job in jobs}
    shards: list[Shard] = []
    for job in jobs:
        shards += cut(job, done=kept_tracks(job, store, bars, resume=resume))
    if not shards:
        return {}, {}
    measured = [job for job in jobs if "tracks" in job.needs]
    # Workers evaluate nothing, so they need no ground truth.
    sent = {job.digest: replace(job, ground_truth=None) for job in measured}
    queue, pool = ShardQueue(shards, settings.retries), Pool(ray, settings, sent, Worker)
    ranges: dict[str, set[MaskRange | None]] = {digest: set() for digest in sent}

    def keep(shard: Shard, answer: tuple[list[Track], MaskRange | None]) -> None:
        files[shard.digest].write(shard, answer[0])
        ranges[shard.digest].add(answer[1])

    try:
        pool.run(queue, keep, bars, sum(len(shard.video_ids) for shard in shards))
        for job in measured:
            if unsigned := unsigned_masks(job.cell.method, *ranges[job.digest]):
                bars.say(f"{job.name}: warning: {unsigned}")
        untimed = [job.digest for job in measured if "alone" not in job.needs]
        records = {digest: pool.measure_cost(digest) for digest in untimed}
    finally:
        pool.close()
    return queue.given_up, records


def _measure(
    attempt: Attempt,
    ray: ModuleType,
    given_up: Mapping[tuple[str, int], str],
    records: Mapping[str, Record | Refused],
) -> Record:
    """Measure a job whose videos are inferred."""
    job = attempt.job
    record = records.get(job.digest)
    if record is None or isinstance(record, Refused):
        record = _measure_cost_alone(ray, job)
    if isinstance(record, Refused):
        raise InputError(record.why)

    def inferred() -> Mapping[int, Sequence[Track]]:
        lost = {v.name: given_up.get((job.digest, v.id)) for v in job.videos}
        if any(lost.values()):
            raise InputError("; ".join(f"video {name}: {why}" for name, why in lost.items() if why))
        return attempt.files.read()

    here = replace(attempt, inferred=inferred)
    for measure in job.measures:
        if "tracks" in measure.needs:
            record = here.add(record, measure)
    return record


def _measure_cost_alone(ray: ModuleType, job: Job) -> Record | Refused:
    """Measure a job without its accuracy.

    A task whose speed is measured takes every CPU of a node, so that no other task of the cluster
    runs there meanwhile; if no node becomes free, it runs beside others and the record says so. Ray
    lists a node that has died as alive for a while: then the next one takes the task.
    """
    needs_gpu = job.plan.device.type == "cuda"
    nodes = sorted(alive_nodes(ray), key=lambda node: (bool(node.gpus) == needs_gpu, node.cpus))
    refused = Refused("Ray has no node that is alive")
    for node in reversed(nodes):
        alone = "alone" in job.needs and becomes_free(ray, node)
        task = task_on(ray, node, node.cpus if alone else 1, _describe_and_measure_cost)
        try:
            return ray.get(task.remote(replace(job, ground_truth=None), alone=alone))
        except ray.exceptions.TaskUnschedulableError as error:
            refused = Refused(ray_error(error))
        except ray.exceptions.RayError as error:
            return Refused(ray_error(error))
    return refused


class Worker:
    """A process that keeps the jobs it has seen and the method it has loaded last.

    Args:
        fetch: `ray.get`.
        threads: of PyTorch on the CPU.
    """

    def __init__(self, fetch: Callable[[list[object]], list[Job]], threads: int) -> None:
        torch.set_num_threads(threads)
        self._fetch = fetch
        self._jobs: dict[str, Job] = {}
        self._loaded: tuple[str, GuardedMethod] | None = None

    def ready(self) -> None:
        """Return as soon as the process is up."""

    def infer(
        self, shard: Shard, jobs: list[object]
    ) -> tuple[list[Track], MaskRange | None] | Refused:
        """Infer the shard's videos, and give the range of this process's mask logits, too.

        Args:
            jobs: the reference of the shard's job; in a list, so that Ray does not send the job
                itself with every shard.
        """
        try:
            if shard.digest not in self._jobs:
                [self._jobs[shard.digest]] = self._fetch(jobs)
            job = self._jobs[shard.digest]
            loaded, tracks = self._method(job), list[Track]()
            for video in shard.videos(job):
                with loaded.calling() as method:
                    tracks += track_video(method, video, job.plan, job.dataset.category_ids)
            with loaded.calling() as method:
                return tracks, method.mask_range
        except Exception as error:  # a method's own code may raise anything
            return _refused(error)

    def measure_cost(self, jobs: list[object]) -> Record | Refused:
        """Describe a job and measure its cost; not for its speed, which needs a node alone."""
        [job] = self._fetch(jobs)
        return _describe_and_measure_cost(job)

    def _method(self, job: Job) -> GuardedMethod:
        """The job's method; jobs that differ in clips or videos alone share one."""
        wanted = {"method", "options", "kernel_backend", "compile", "seed"}
        key = f"{job.cell.model_dump_json(include=wanted)} {job.weights}"
        if self._loaded is None or self._loaded[0] != key:
            self._loaded = None  # two methods at once may not fit
            self._loaded = key, job.load_method()
        return self._loaded[1]


def _describe_and_measure_cost(job: Job, alone: bool | None = None) -> Record | Refused:
    """Measure what a record holds beside what is made of tracks, on the node this runs on.

    Args:
        alone: no other worker is on the node; None if unknown.
    """
    try:
        attempt = Attempt(job, RecordStore(Path()), Bars(quiet=True), job.name, alone=alone)
        record = describe(job, attempt.method)
        for measure in job.measures:
            if "tracks" not in measure.needs:
                record = attempt.add(record, measure)
        return record
    except Exception as error:  # a method's own code may raise anything
        return _refused(error)


def _refused(error: Exception) -> Refused:
    return Refused(f"node {socket.gethostname()}: {reason(error)}")
