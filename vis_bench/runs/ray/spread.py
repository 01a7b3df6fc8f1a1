"""A run on Ray: shards inferred by workers, merged and evaluated here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType

from vis_bench.data.results_file import Track
from vis_bench.errors import InputError, reason
from vis_bench.progress import Bars
from vis_bench.records.schema import Record
from vis_bench.records.store import RecordStore
from vis_bench.runs.accuracy import evaluate_accuracy
from vis_bench.runs.jobs import Job
from vis_bench.runs.measure import figures_text, results_file
from vis_bench.runs.outcome import Outcome, failures_of, tasks_of
from vis_bench.runs.ray.answers import Inferred, Refused
from vis_bench.runs.ray.engine import connected
from vis_bench.runs.ray.pool import Pool
from vis_bench.runs.ray.queue import FailedVideo, ShardQueue
from vis_bench.runs.ray.settings import ClusterSettings
from vis_bench.runs.ray.timing import measure_alone
from vis_bench.runs.shards.shard import Shard, cut
from vis_bench.runs.shards.shard_files import ShardFiles, merged, say_foreign


def measure_on_cluster(
    jobs: Sequence[Job], store: RecordStore, bars: Bars, settings: ClusterSettings, *,
    resume: bool = False,
) -> Outcome:  # fmt: skip
    """Measures every job; records are those that one process would write.

    First all shards of all jobs are inferred, each written to a file the moment it comes back. Then
    FLOPs and speed are measured, by one worker at a time that has a node to itself, and the merged
    tracks are evaluated.

    Args:
        resume: whether records and shards of an earlier run count.

    Raises:
        InputError: where the store's folder cannot be written to, Ray is not installed, the address
            does not answer, or the workers do not fit.
    """
    store.prepare()
    tasks = tasks_of(jobs, store, resume=resume)
    waiting = [task.job for task in tasks if not task.is_done]
    done = {task.place: task.known for task in tasks if task.is_done}
    say_foreign(store.folder, jobs, bars)
    on_gpu = any(job.plan.device.type == "cuda" for job in waiting)
    failures: list[str] = []
    if waiting:
        with connected(settings, on_gpu) as ray:
            inferred = _infer_all(ray, settings, waiting, store, bars, resume=resume)
            for task in tasks:
                if not task.is_done:
                    done[task.place] = _finish(ray, task.job, store, bars, inferred, failures)
    ordered = [done[place] for place in sorted(done)]
    return Outcome([record for record in ordered if record is not None], failures)


@dataclass(frozen=True)
class _AfterInference:
    """The videos that could not be inferred, and what the workers measured before they ended."""

    given_up: Sequence[FailedVideo] = ()
    records: Mapping[str, Record] = field(default_factory=dict)


def _infer_all(
    ray: ModuleType, settings: ClusterSettings, jobs: Sequence[Job], store: RecordStore,
    bars: Bars, *, resume: bool,
) -> _AfterInference:  # fmt: skip
    """Infers what is left of every job."""
    files = {job.digest: ShardFiles.of(store.folder, job) for job in jobs}
    measured = [job for job in jobs if "accuracy" in job.cell.measure]
    shards: list[Shard] = []
    for job in measured:
        if not resume:
            files[job.digest].remove()
        shards += cut(job, done=files[job.digest].read(job))
    if not shards:
        return _AfterInference()

    def keep(shard: Shard, inferred: Inferred) -> None:
        files[shard.digest].write(shard, inferred.tracks)

    # Workers evaluate nothing, so they need no ground truth.
    sent = {job.digest: replace(job, ground_truth=None) for job in measured}
    queue, pool = ShardQueue(shards, settings.retries), Pool(ray, settings, sent)
    try:
        pool.run(queue, keep, bars, sum(len(shard.video_ids) for shard in shards))
        untimed = [job.digest for job in measured if "speed" not in job.cell.measure]
        answers = {digest: pool.measure(digest) for digest in untimed}
    finally:
        pool.close()
    records = {digest: a for digest, a in answers.items() if isinstance(a, Record)}
    return _AfterInference(queue.given_up, records)


def _finish(
    ray: ModuleType, job: Job, store: RecordStore, bars: Bars, inferred: _AfterInference,
    failures: list[str],
) -> Record | None:  # fmt: skip
    """Measures the rest of a job, evaluates it and writes its record."""
    measured = inferred.records.get(job.digest) or measure_alone(ray, job)
    if isinstance(measured, Refused):
        failures.append(f"{job.name}: {measured.why}")
        bars.say(f"{job.name} failed: {measured.why}")
        return None
    record, files = measured, ShardFiles.of(store.folder, job)
    if "accuracy" in job.cell.measure:
        record = _with_accuracy(job, record, files.read(job), store, inferred.given_up)
    store.write(record)
    if not record.failures:
        files.remove()
    failures += failures_of(job, record)
    bars.say(f"{job.name}: {figures_text(record)}")
    return record


def _with_accuracy(
    job: Job, record: Record, tracks: Mapping[int, list[Track]], store: RecordStore,
    given_up: Sequence[FailedVideo],
) -> Record:  # fmt: skip
    names = {video.id: video.name for video in job.videos}
    lost = [video for video in given_up if video.digest == job.digest]
    try:
        if lost:
            raise InputError(
                "; ".join(f"video {names[video.video_id]}: {video.reason}" for video in lost)
            )
        fields = evaluate_accuracy(job, merged(job, tracks), results_file(record, store.folder))
    except Exception as error:  # kept in the record, so that --resume measures it again
        failures = {**record.failures, "accuracy": reason(error)}
        return record.model_copy(update={"failures": failures})
    return Record.of(record, fields)
